"""The rule that a question leads to its own answer: no other one may be as near.

Apart from the other rules because it needs the kiosk's understanding; a box does without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from device.conversation.match import ACCEPT_SCORE, LEAD, Matcher, Phrase, similarity
from device.programme.positions import Path
from device.programme.problems import Fault
from device.programme.rules import Checked, meet
from device.programme.schema import Answer

# Three seconds at the worst, while an editor waits: the last ones of more are not compared.
PHRASES_MAX = 1200
# With less in common by the very same words, no other question is as near as the question itself.
SHARED_MIN = 0.7
Group = tuple[str, frozenset[str]]


@dataclass(frozen=True)
class _Asked:
    """A question where it stands, read, and what it is made of."""

    path: Path
    text: str
    answer: Answer
    phrase: Phrase
    weights: dict[str, float]

    @property
    def group(self) -> Group:
        """The language and the products: questions that differ in these are never near enough."""
        return self.phrase.reading.family, self.phrase.reading.products


def rivals(checked: Checked) -> Iterator[Fault]:
    """A question to which another answer of the same store is as near: nobody gets either."""
    asked = _asked(checked)
    by_word: dict[tuple[Group, str], list[_Asked]] = {}
    for each in asked:
        for word in each.weights:
            by_word.setdefault((each.group, word), []).append(each)
    for each in asked:
        rival = _rival(each, by_word)
        if rival is not None:
            yield Fault(
                each.path,
                f"问法“{each.text}”和回答“{rival.answer.id}”的“{rival.text}”太像,"
                "两个回答会互相争抢,顾客哪个也听不到",
                f'the question "{each.text}" is as near to "{rival.text}" of the answer '
                f'"{rival.answer.id}"; the two answers fight, and visitors hear neither')


def _asked(checked: Checked) -> list[_Asked]:
    programme = checked.programme
    places = [
        (checked.path(answer, "ask", language, number), text, answer)
        for answer in programme.answers
        for language, texts in answer.ask.items()
        for number, text in enumerate(texts)
    ]  # in the order in which the matcher reads them
    phrases = Matcher.of(programme).phrases
    found = []
    for (path, text, answer), phrase in list(zip(places, phrases, strict=True))[:PHRASES_MAX]:
        weights = {token.text: token.weight for token in phrase.reading.tokens}
        found.append(_Asked(path, text, answer, phrase, weights))
    return found


def _rival(asked: _Asked, by_word: dict[tuple[Group, str], list[_Asked]]) -> _Asked | None:
    """The first question of another answer that is within the matcher's lead of this one."""
    shared: dict[int, float] = {}
    others: dict[int, _Asked] = {}
    for word, weight in asked.weights.items():
        for other in by_word[asked.group, word]:
            shared[id(other)] = shared.get(id(other), 0.0) + weight
            others[id(other)] = other
    own = similarity(asked.phrase.reading, asked.phrase.reading)
    for key, other in others.items():
        most = max(sum(asked.weights.values()), sum(other.weights.values()))
        if shared[key] < SHARED_MIN * most or other.answer is asked.answer:
            continue
        if not meet(asked.answer, other.answer) or _same(asked, other):
            continue
        score = similarity(asked.phrase.reading, other.phrase.reading)
        if score > own - LEAD and own >= ACCEPT_SCORE:
            return other
    return None


def _same(one: _Asked, other: _Asked) -> bool:
    """The very same words: another rule names that."""
    first, second = (
        "".join(c for c in each.text.lower() if c.isalnum()) for each in (one, other))
    return first == second
