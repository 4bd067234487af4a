"""Reads a question or a sentence into weighted tokens: the products named, concepts, the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from device.conversation import concepts, english, phones, syllables
from device.conversation.sizes import sizes

Family = str  # "zh" or "en"
CONCEPT_WEIGHT = 2.0
LIGHT_WEIGHT = 0.12
WORD_WEIGHT = {"zh": 0.55, "en": 1.0}  # a Chinese word has about two syllables
# A word that stands in none of the programme's questions speaks against all of them.
UNKNOWN_WEIGHT = 2.0
# These stand where a name or a word without weight was, and at the end.
NAMED, _LIGHT, _END = "\0", "\1", "\2"
_NOTHING = (NAMED, _LIGHT, _END)
_PHRASE_FLOOR = {1: 1.0, 2: 0.92, 3: 0.9}  # by length; longer ones 0.85
ALIAS_FLOOR = {"zh": 0.84, "en": 0.74}
_SPELT_OTHERWISE = 0.85

# How many are wanted is no part of the question ("two tins of ...").
_NUMBERS = frozenset(
    (*"零一二两三四五六七八九十百千", *"0123456789", "two", "three", "four", "five", "ten")
)

_ASKING = {
    "zh": frozenset("什怎几哪多为不谁"),
    "en": frozenset(("what", "how", "when", "where", "which", "why", "who", "can", "do", "be")),
}


@dataclass(frozen=True)
class Token:
    """A syllable, a word, or a concept in angle brackets such as "<price>"."""

    text: str
    weight: float

    @property
    def is_concept(self) -> bool:
        """True for "<price>" and its like."""
        return self.text.startswith("<")


@dataclass(frozen=True)
class Reading:
    """A text as the matcher sees it.

    pointing: it says "this one", "它"; by_pointing: its product is the one pointed at;
    asking: it has a word that asks (what, how, 什么); options: the sizes and kinds it names, by
    their id or as "250g".
    """

    family: Family
    products: frozenset[str]
    tokens: tuple[Token, ...]
    pointing: bool = False
    asking: bool = False
    by_pointing: bool = False
    options: frozenset[str] = frozenset()

    @property
    def concepts(self) -> frozenset[str]:
        """The concepts it speaks of."""
        return frozenset(token.text for token in self.tokens if token.is_concept)

    @property
    def is_bare(self) -> bool:
        """True when nothing of weight is said but the product's name, if there is one."""
        return all(token.weight <= LIGHT_WEIGHT for token in self.tokens)

    @property
    def weight(self) -> float:
        """The sum of the tokens' weights."""
        return sum(token.weight for token in self.tokens)


@dataclass(frozen=True)
class Name:
    """A spoken name of a product, in syllables or words."""

    family: Family
    units: tuple[str, ...]

    @classmethod
    def of(cls, name: str) -> Name:
        """Read a name."""
        family = family_of(name)
        return cls(family, units(name, family))


Names = Mapping[str, tuple[Name, ...]]


def family_of(text: str) -> Family:
    """ "zh" for a text with Chinese characters, else "en"."""
    return "zh" if syllables.has_han(text) else "en"


def units(text: str, family: Family) -> tuple[str, ...]:
    """Syllables or words of a text."""
    return syllables.syllables(text) if family == "zh" else english.words(text)


def likeness(one: str, other: str, family: Family) -> float:
    """0..1 between two tokens; concepts are the same or not."""
    if one.startswith("<") or other.startswith("<"):
        return float(one == other)
    return syllables.likeness(one, other) if family == "zh" else english.likeness(one, other)


@dataclass(frozen=True)
class Part:
    """A syllable or word, and the character or word that was written for it."""

    sound: str
    written: str


def written(text: str, family: Family) -> tuple[str, ...]:
    """The characters or words of a text: what is counted to learn which tell much."""
    return syllables.written(text) if family == "zh" else english.words(text)


def parts_of(text: str, family: Family) -> list[Part]:
    """The text in parts, with an end mark behind."""
    pairs = zip(units(text, family), written(text, family), strict=True)
    return [*(Part(sound, char) for sound, char in pairs), Part(_END, _END)]


def read(
    text: str, names: Names, known: Mapping[str, float], options: Names | None = None
) -> Reading:
    """Read a text. `names`: spoken names of each product id; `known`: weights of words;
    `options`: spoken names of each option id."""
    family = family_of(text)
    parts = parts_of(text, family)
    sounds = {part.sound for part in parts}
    named = _take(parts, options or {}, family, exact_only=True)
    sized = sizes(text) if not named else frozenset()
    products = _take(parts, names, family)
    parts = _marked(parts, family)
    tokens: list[Token] = []
    for part in parts:
        is_again = part.sound.startswith("<") and any(t.text == part.sound for t in tokens)
        if part.sound not in _NOTHING and not is_again:
            tokens.append(Token(part.sound, _weight(part, family, known)))
    return Reading(
        family,
        frozenset(products),
        tuple(tokens),
        pointing=_points(text, sounds, family),
        asking=bool({part.written for part in parts_of(text, family)} & _ASKING[family]),
        options=frozenset(named) | sized,
    )


def _take(parts: list[Part], names: Names, family: Family, exact_only: bool = False) -> set[str]:
    """The ids of what is named; each name's parts give way to a mark."""
    found: set[str] = set()
    for is_exact in (True,) if exact_only else (True, False):
        for name, item_id in longest_first(names, family):
            while (span := find_name(parts, name, family, is_exact)) is not None:
                found.add(item_id)
                parts[span[0] : span[1]] = [Part(NAMED, NAMED)]
    return found


def _weight(part: Part, family: Family, known: Mapping[str, float]) -> float:
    if part.sound.startswith("<"):
        return CONCEPT_WEIGHT
    if part.written in _light(family) or part.written in _NUMBERS:
        return LIGHT_WEIGHT
    return WORD_WEIGHT[family] * known.get(part.written, UNKNOWN_WEIGHT)


def _points(text: str, sounds: set[str], family: Family) -> bool:
    if family == "zh":
        return any(word in text for word in concepts.CHINESE_POINTING.split())
    return any(word in sounds for word in concepts.ENGLISH_POINTING.split())


def longest_first(names: Names, family: Family) -> list[tuple[tuple[str, ...], str]]:
    found = [
        (name.units, product_id)
        for product_id, each in names.items()
        for name in each
        if name.units and name.family == family
    ]
    return sorted(found, key=lambda pair: -sum(len(part) for part in pair[0]))


def find_name(
    parts: list[Part], wanted: tuple[str, ...], family: Family, is_exact: bool
) -> tuple[int, int] | None:
    """Where a product is named: letter by letter, or only by its sound."""
    floor = 1.0 if is_exact else ALIAS_FLOOR[family]
    if family == "zh":
        at = _find_span(parts, wanted, family, floor)
        return (at, at + len(wanted)) if at is not None else None
    joined = "".join(wanted)
    for length in range(1, min(len(wanted) + 2, 4) + 1):
        for start in range(len(parts) - length + 1):
            piece = [part.sound for part in parts[start : start + length]]
            if set(piece) & set(_NOTHING) or not _may_be_name(piece, joined):
                continue
            if _english_name_score("".join(piece), joined) >= floor:
                return start, start + length
    return None


def _may_be_name(piece: list[str], joined: str) -> bool:
    """Everyday words alone are no name, however much they sound like one."""
    return "".join(piece) == joined or not all(part in _light("en") for part in piece)


@lru_cache(maxsize=16384)
def _english_name_score(heard: str, name: str) -> float:
    if heard == name:
        return 1.0
    if min(len(heard), len(name)) < 4:
        return 0.0
    if heard[0] != name[0]:
        # "Ulong" for oolong: written as it sounds. "Along" begins otherwise, numbers have no sound.
        if not (heard.isalpha() and name.isalpha()):
            return 0.0
        one, other = phones.phonemes(heard), phones.phonemes(name)
        alike = phones.closeness(one, other) if phones.begin_alike(one, other) else 0.0
        return alike if alike >= _SPELT_OTHERWISE else 0.0
    if len(english.sound(name)) <= 4:
        apart = english.edit_distance(english.sound(heard), english.sound(name))
        return 0.8 if apart <= 1 else 0.0
    return english.sounds_like(heard, name)


def _marked(parts: list[Part], family: Family) -> list[Part]:
    """The parts with concepts and words without weight in place of their phrases, longest first."""
    found = [
        (rank, start, phrase, mark)
        for start, part in enumerate(parts)
        for rank, phrase, mark in _beginning_with(part.sound, family)
        if start + len(phrase) <= len(parts)
        and alike(parts, start, phrase, family) >= _PHRASE_FLOOR.get(len(phrase), 0.85)
    ]
    place: dict[int, Part | None] = {}
    for _, start, phrase, mark in sorted(found, key=lambda each: each[:2]):
        taken = range(start, start + len(phrase))
        if not any(number in place for number in taken):
            place.update(dict.fromkeys(taken))
            place[start] = Part(mark, mark)
    kept = (place.get(number, part) for number, part in enumerate(parts))
    return [part for part in kept if part is not None]


def alike(parts: list[Part], start: int, wanted: tuple[str, ...], family: Family) -> float:
    """How alike the parts from `start` on are on average; 0 when one of them is strange."""
    total = 0.0
    for offset, unit in enumerate(wanted):
        alike = likeness(parts[start + offset].sound, unit, family)
        if alike == 0.0:
            return 0.0
        total += alike
    return total / len(wanted)


def _find_span(
    parts: list[Part], wanted: tuple[str, ...], family: Family, floor: float
) -> int | None:
    """Where the units stand in a row, alike enough on average and none of them strange."""
    for start in range(len(parts) - len(wanted) + 1):
        if alike(parts, start, wanted, family) >= floor:
            return start
    return None


@lru_cache(maxsize=8192)
def _beginning_with(sound: str, family: Family) -> tuple[tuple[int, tuple[str, ...], str], ...]:
    """(rank, phrase, mark) of the phrases whose first unit is like `sound`; rank 0 is longest."""
    return tuple(
        (rank, phrase, mark)
        for rank, (phrase, mark) in enumerate(_marked_phrases(family))
        if likeness(sound, phrase[0], family) > 0.0
    )


@lru_cache(maxsize=2)
def _marked_phrases(family: Family) -> tuple[tuple[tuple[str, ...], str], ...]:
    """(units, mark that takes their place), longest first."""
    table = concepts.CHINESE if family == "zh" else concepts.ENGLISH
    found: dict[tuple[str, ...], str] = {}
    for concept, phrases in table.items():
        for phrase in phrases.split() if family == "zh" else phrases.split("|"):
            at_end = (_END,) if phrase.endswith("$") else ()
            found.setdefault((*units(phrase, family), *at_end), f"<{concept}>")
    if family == "zh":
        for word in concepts.CHINESE_LIGHT_WORDS.split():
            found.setdefault(units(word, family), _LIGHT)
    return tuple(sorted(found.items(), key=lambda pair: -len("".join(pair[0]))))


def is_unknown(token: Token, family: Family) -> bool:
    """Is it a word that none of the programme's questions has?"""
    return not token.is_concept and token.weight >= 0.99 * WORD_WEIGHT[family] * UNKNOWN_WEIGHT


@lru_cache(maxsize=2)
def _light(family: Family) -> frozenset[str]:
    if family == "zh":
        return frozenset(concepts.CHINESE_LIGHT.split())
    return frozenset(english.words(concepts.ENGLISH_LIGHT))
