"""From what was heard to the answer that is meant, or to none: never a guess."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace

from device.conversation.meaning import Meaning
from device.conversation.reading import (
    Name,
    Reading,
    Token,
    family_of,
    likeness,
    read,
    units,
    written,
)
from device.conversation.sense import Sense, options_agree
from device.conversation.sizes import sizes
from device.programme.names import called, options_called
from device.programme.schema import Programme

# Chosen on the tuning half of docs/understanding.md's questions; see there.
ACCEPT_SCORE = 0.66
LEAD = 0.06
MAYBE_SCORE = 0.4  # from so much on the likeliest is worth asking back (docs/understanding.md)
_NO_PRODUCT_IN_QUESTION = 0.55
_NO_PRODUCT_IN_PHRASE = 0.92
_POINTED_AT = 0.95
_NAME_ALONE = 0.75
_PRODUCT_WEIGHT = 1.0
TEXT_CHARS_MAX = 300
_SURE = 0.9  # nearly the programme's own words: their meaning need not be asked
_MEANINGS_MAX = 2000


@dataclass(frozen=True)
class Match:
    """`answer_id` is None when no answer is sure; `score` 0..1 is the best answer's. `maybe` is
    then that answer, where it is likely enough to ask the visitor whether it is meant."""

    answer_id: str | None
    score: float
    why: str = ""
    maybe: str | None = None


@dataclass(frozen=True)
class Phrase:
    """One question of the programme, read."""

    answer_id: str
    show: str | None
    reading: Reading


@dataclass(frozen=True)
class Matcher:
    """All questions of a programme, read once; never changes."""

    phrases: tuple[Phrase, ...]
    names: dict[str, tuple[Name, ...]]
    known: dict[str, float]
    options: dict[str, tuple[Name, ...]] = field(default_factory=dict)
    own_sizes: dict[str, frozenset[str]] = field(default_factory=dict)
    sense: Sense | None = None

    @classmethod
    def of(cls, programme: Programme, meaning: Meaning | None = None) -> Matcher:
        """Read the questions of a programme; with `meaning`, also what they mean."""
        names, options = _read_names(called(programme)), _read_names(options_called(programme))
        own_sizes = {p.id: sizes(" ".join((p.unit or {}).values())) for p in programme.products}
        asked = [
            (answer, phrase)
            for answer in programme.answers
            for phrases in answer.ask.values()
            for phrase in phrases
        ]
        known = _weights([phrase for _, phrase in asked])
        phrases = tuple(
            Phrase(answer.id, answer.show, read(phrase, names, known, options))
            for answer, phrase in asked
        )
        sense = None
        if meaning is not None:
            first = zip(asked, phrases, strict=True)
            told = [(answer.id, text, phrase.reading) for (answer, text), phrase in first]
            sense = Sense.of(meaning, told[:_MEANINGS_MAX], names)
        return cls(phrases, names, known, options, own_sizes, sense)

    def match(self, text: str, language: str = "", showing: str | None = None) -> Match:
        """The answer to `text`; `showing` is the product on screen ("how much is this one?").

        None when the best score is below ACCEPT_SCORE, or a second answer is as near.
        """
        return self.answer_to(self.read(text, showing), text)

    def read(self, text: str, showing: str | None = None) -> Reading:
        """`text` as it is compared, "this one" being the product `showing`."""
        asked = read(text[:TEXT_CHARS_MAX], self.names, self.known, self.options)
        if not asked.products and asked.pointing and showing is not None:
            asked = replace(asked, products=frozenset({showing}), by_pointing=True)
        if asked.options and len(asked.products) == 1:
            # The size that the card names anyway.
            own = self.own_sizes.get(next(iter(asked.products)), frozenset())
            asked = replace(asked, options=asked.options - own)
        return asked

    def answer_to(self, asked: Reading, text: str = "") -> Match:
        """The answer to a question that was read; `text`, when given, for what it means."""
        best = self.scores(asked)
        if not best:
            return Match(None, 0.0, "no question in this language")
        ranked = sorted(best.items(), key=lambda pair: -pair[1])
        first, score = ranked[0]
        second_score = ranked[1][1] if len(ranked) > 1 else 0.0
        if second_score > score - LEAD and score >= ACCEPT_SCORE:
            return Match(None, score, "two answers are as near", first)
        if self.sense is not None and text and score < _SURE:
            return self._by_meaning(self.sense, text, asked, best)
        if score < ACCEPT_SCORE:
            maybe = first if score >= MAYBE_SCORE else None
            return Match(None, score, "no question is near", maybe)
        return Match(first, score)

    def scores(self, asked: Reading) -> dict[str, float]:
        """By its words alone, how near each answer with a question in this language is: 0..1."""
        best: dict[str, float] = {}
        for phrase in self.phrases:
            if phrase.reading.family == asked.family:
                score = similarity(asked, phrase.reading)
                best[phrase.answer_id] = max(best.get(phrase.answer_id, 0.0), score)
        self._name_alone(asked, best)
        return best

    @staticmethod
    def _by_meaning(sense: Sense, text: str, asked: Reading, best: dict[str, float]) -> Match:
        guess = sense.guess(text[:TEXT_CHARS_MAX], asked, best)
        if guess is None or not guess.is_sure:
            score = guess.probability if guess else 0.0
            maybe = guess.answer_id if guess and score >= MAYBE_SCORE else None
            return Match(None, score, "no question is near", maybe)
        return Match(guess.answer_id, guess.probability)

    def _name_alone(self, asked: Reading, best: dict[str, float]) -> None:
        """ "龙井呢?": the product's name and nothing else is its only answer, if it has one."""
        if len(asked.products) != 1 or asked.asking or not asked.is_bare:
            return
        about = {p.answer_id for p in self.phrases if p.reading.products == asked.products}
        if len(about) == 1:
            answer_id = about.pop()
            best[answer_id] = max(best.get(answer_id, 0.0), _NAME_ALONE)


def similarity(asked: Reading, phrase: Reading) -> float:
    """0..1: how much of both is said in both, times how well the products agree."""
    agreement = _products_agree(asked.products, phrase.products) * options_agree(asked, phrase)
    if agreement == 0.0:
        return 0.0
    is_named = asked.products and not asked.by_pointing
    named = _PRODUCT_WEIGHT if is_named and asked.products == phrase.products else 0.0
    total = asked.weight + phrase.weight + 2.0 * named
    if total <= 0.0:
        return 0.0
    shared = named + max(_in_order(asked, phrase), 0.95 * _in_any_order(asked, phrase))
    if asked.by_pointing:
        agreement *= _POINTED_AT
    return agreement * min(1.0, 2.0 * shared / total)


def _products_agree(asked: frozenset[str], phrase: frozenset[str]) -> float:
    if asked == phrase:
        return 1.0
    if not asked:
        return _NO_PRODUCT_IN_QUESTION
    if not phrase:
        return _NO_PRODUCT_IN_PHRASE
    return 0.0


def _read_names(names: dict[str, tuple[str, ...]]) -> dict[str, tuple[Name, ...]]:
    return {item_id: tuple(Name.of(name) for name in each) for item_id, each in names.items()}


def _pair(one: Token, other: Token, family: str) -> float:
    return likeness(one.text, other.text, family) * (one.weight + other.weight) / 2


def _in_order(asked: Reading, phrase: Reading) -> float:
    """The heaviest common subsequence of tokens (dynamic programming)."""
    row = [0.0] * (len(phrase.tokens) + 1)
    for token in asked.tokens:
        diagonal = 0.0
        for column, other in enumerate(phrase.tokens, start=1):
            above = row[column]
            row[column] = max(above, row[column - 1], diagonal + _pair(token, other, asked.family))
            diagonal = above
    return row[-1]


def _in_any_order(asked: Reading, phrase: Reading) -> float:
    """Only concepts and whole words may change places; syllables out of order mean nothing."""
    shared = 0.0
    for token in asked.tokens:
        if token.is_concept or asked.family == "en":
            found = (_pair(token, other, asked.family) for other in phrase.tokens)
            shared += max(found, default=0.0)
    return shared


def _weights(phrases: list[str]) -> dict[str, float]:
    """0.4..1 of each character or word of the questions: what stands in many tells little."""
    counted: Counter[str] = Counter()
    for phrase in phrases:
        counted.update(set(written(phrase, family_of(phrase))))
    most = math.log(len(phrases) + 1)
    return {
        word: 0.4 + 0.6 * math.log((len(phrases) + 1) / number) / most
        for word, number in counted.items()
    }


def resembles(heard: str, said: str) -> bool:
    """Is what was heard a piece of what the kiosk itself said, and no question about it?"""
    family = family_of(heard)
    if family != family_of(said):
        return False
    one, other = units(heard, family), units(said, family)
    if len(one) < 4 or not other or _ASKING_SOUNDS[family] & (set(one) - set(other)):
        return False
    row = [0] * (len(other) + 1)
    for unit in one:
        diagonal = 0
        for column, against in enumerate(other, start=1):
            above = row[column]
            same = likeness(unit, against, family) >= 0.8
            row[column] = max(above, row[column - 1], diagonal + same)
            diagonal = above
    return row[-1] / len(one) >= 0.75


_ASKING_SOUNDS = {
    "zh": frozenset(("ma", "ne", "shen", "zen", "ji", "na", "duo", "bu", "shei")),
    "en": frozenset(("what", "how", "when", "where", "which", "why", "who", "can", "do", "be")),
}
