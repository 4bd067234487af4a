"""What was heard, understood from what was asked before: "and the pu'er?", "再说一遍". Pure.

The context is bounded: the last three turns, none older than a minute. Who holds it calls
`Context.at` before `resolve`, and `Context.after` with what came of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from device.conversation.asides import aside
from device.conversation.match import TEXT_CHARS_MAX, Match, Matcher
from device.conversation.reading import CONCEPT_WEIGHT, Reading, Token
from device.conversation.script import Script

TURNS_MAX = 3
FORGET_S = 60.0
# What answers to so well is the programme's own question, whatever else it may mean.
_ITS_OWN = 0.9
_CUTS_MAX = 6

Kind = Literal["question", "repeat", "louder", "quieter", "stop", "language", "thanks"]

_OPENER = re.compile(r"^\W*(?:(?:and|so|then|ok|okay)\b\W*)*(?:what|how)\s+about\b", re.I)
_CUT = re.compile(
    r"[,，。.？?！!;；、]+|还有|另外|以及|顺便|和|跟|\b(?:and|also|plus)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Turn:
    """One question and what came of it: the answer, the product and concepts asked about.

    `concepts` are the matcher's ("<price>"); `at_s` is the monotonic moment of the answer.
    """

    answer_id: str | None
    product_id: str | None
    concepts: tuple[str, ...]
    language: str
    at_s: float


@dataclass(frozen=True)
class Context:
    """The turns that count, oldest first, and the product whose card is on screen."""

    turns: tuple[Turn, ...] = ()
    showing: str | None = None

    def at(self, now_s: float, showing: str | None) -> Context:
        """The context at `now_s`: without what is too old."""
        fresh = tuple(turn for turn in self.turns if now_s - turn.at_s < FORGET_S)
        return Context(fresh, showing)

    def after(self, resolved: Resolved, language: str, now_s: float) -> Context:
        """The context with one more turn; asides ("louder") and unknown questions are none."""
        if resolved.kind != "question" or resolved.match is None or not resolved.match.answer_id:
            return self
        turn = Turn(
            resolved.match.answer_id, resolved.product_id, resolved.concepts, language, now_s
        )
        return replace(self, turns=(*self.turns, turn)[-TURNS_MAX:])

    @property
    def product_id(self) -> str | None:
        """The product last spoken of."""
        return next((t.product_id for t in reversed(self.turns) if t.product_id), None)


@dataclass(frozen=True)
class Resolved:
    """What is wanted.

    kind "question": `match` is its answer or none, `also` that of a second question in the same
    sentence; `product_id` and `concepts` are what `match` is about. kind "language": `language`
    is the programme's that is wanted. With every other kind all of these are None or empty.
    """

    kind: Kind
    match: Match | None = None
    language: str | None = None
    also: Match | None = None
    product_id: str | None = None
    concepts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asked:
    match: Match
    reading: Reading

    @property
    def turn(self) -> Turn:
        """As if it had been asked before."""
        return Turn(self.match.answer_id, _only(self.reading), _concepts(self.reading), "", 0.0)


def resolve(heard: str, language: str, context: Context, script: Script) -> Resolved:
    """What `heard` in `language` wants, after what was said in `context`.

    The programme's own questions come first, then asides, then what only the context explains.
    """
    heard = heard[:TEXT_CHARS_MAX]
    asked = _one(heard, context, script.matcher)
    if asked.match.answer_id is None or asked.match.score < _ITS_OWN:
        found = aside(heard)
        if found is not None and found.kind != "language":
            return Resolved(found.kind)
        if found is not None:
            wanted = _language(found.family, script.programme.languages)
            if wanted is not None:
                return Resolved("language", language=wanted)
        pair = _two(heard, context, script.matcher)
        if pair is not None:
            best, other = sorted(pair, key=lambda each: -each.match.score)
            return replace(_question(best, script), also=other.match)
    return _question(asked, script)


def _question(asked: _Asked, script: Script) -> Resolved:
    answer = script.programme.answer(asked.match.answer_id) if asked.match.answer_id else None
    product_id = _only(asked.reading) or (answer.show if answer else None)
    return Resolved(
        "question", asked.match, product_id=product_id, concepts=_concepts(asked.reading)
    )


def _one(text: str, context: Context, matcher: Matcher) -> _Asked:
    """One question: as it stands, or with the product or the concept of what went before."""
    opened = _OPENER.sub(" ", text)
    reading = matcher.read(opened, context.showing or context.product_id)
    carried = _carried(reading, context, is_opened=opened != text)
    if carried is not None:
        match = matcher.answer_to(carried)
        if match.answer_id is not None:
            return _Asked(match, carried)
        if _only(reading) and context.turns and context.turns[-1].product_id:
            # The same question about another product has no answer: its price is not asked for.
            return _Asked(match, carried)
    if opened != text:
        reading = matcher.read(text, context.showing or context.product_id)
    return _Asked(matcher.answer_to(reading, text), reading)


def _carried(reading: Reading, context: Context, is_opened: bool) -> Reading | None:
    """The reading with what the context adds to it; None when it adds nothing."""
    if reading.is_bare and (reading.products or reading.pointing):
        before = context.turns[-1].concepts if context.turns else ()
        if not before or not reading.products or (reading.asking and not is_opened):
            return None
        # What is pointed at is named by the last answer: as good as the name itself.
        concepts = tuple(Token(concept, CONCEPT_WEIGHT) for concept in before)
        return replace(reading, tokens=concepts)
    product_id = context.showing or context.product_id
    says_only_concepts = all(t.is_concept or t.weight <= 0.2 for t in reading.tokens)
    if reading.products or not reading.concepts or not says_only_concepts or not product_id:
        return None
    return replace(reading, products=frozenset({product_id}), by_pointing=True)


def _two(text: str, context: Context, matcher: Matcher) -> tuple[_Asked, _Asked] | None:
    """Two questions with an answer each, where the sentence falls into two such; else None."""
    best: tuple[_Asked, _Asked] | None = None
    for cut in list(_CUT.finditer(text))[:_CUTS_MAX]:
        left, right = text[: cut.start()], text[cut.end() :]
        if not any(c.isalnum() for c in left) or not any(c.isalnum() for c in right):
            continue
        first = _one(left, context, matcher)
        second = _one(right, replace(context, turns=(*context.turns, first.turn)), matcher)
        if first.reading.is_bare:
            # "the longjing and the pu'er, how much?": what is asked stands in the second half.
            turns = (*context.turns, second.turn)
            first = _one(left, replace(context, turns=turns), matcher)
        if None in (first.match.answer_id, second.match.answer_id):
            continue
        if first.match.answer_id != second.match.answer_id and (
            best is None or _worse(first, second) > _worse(*best)
        ):
            best = (first, second)
    return best


def _worse(first: _Asked, second: _Asked) -> float:
    return min(first.match.score, second.match.score)


def _only(reading: Reading) -> str | None:
    return next(iter(reading.products)) if len(reading.products) == 1 else None


def _concepts(reading: Reading) -> tuple[str, ...]:
    return tuple(sorted(reading.concepts))


def _language(family: str | None, languages: tuple[str, ...]) -> str | None:
    return next((each for each in languages if each.split("-")[0] == family), None)
