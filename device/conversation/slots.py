"""What is named in a sentence: products, sizes and whatever words a shop has, by their sound.

`read_slots` finds the words of a vocabulary in what the recogniser wrote, also where it wrote
them wrong ("late roast", "dark rose", 笼井): English by phonemes, Chinese by syllables with and
without tone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from device.conversation import phones, syllables
from device.conversation.numbers import spelt
from device.conversation.reading import Family, family_of
from device.programme.names import called, options_called
from device.programme.schema import Programme
from device.tts.numerals import en_number, zh_quantity

# Chosen on half of the spoken orders (docs/understanding.md).
_FLOOR = {"en": 0.8, "zh": 0.8}
_SHORT_FLOOR = 0.87  # for names of up to four phonemes or of one syllable
_SHORT_PHONEMES = 4
_WORDS_MAX = 80


@dataclass(frozen=True)
class SlotValue:
    """A value that was named: `score` 0..1 how well it was heard; words from start to end."""

    slot: str
    value: str
    score: float
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Phrase:
    """One spoken name of one value; `units` are words or syllables."""

    slot: str
    value: str
    family: Family
    units: tuple[str, ...]
    sound: str

    @property
    def size(self) -> int:
        """Phonemes of an English name, three for each syllable of a Chinese one."""
        return len(self.sound) if self.family == "en" else 3 * len(self.units)


@dataclass(frozen=True)
class Vocabulary:
    """The values of every slot by all their spoken names, made ready once."""

    phrases: tuple[Phrase, ...]

    @classmethod
    def of(cls, slots: Mapping[str, Mapping[str, Sequence[str]]]) -> Vocabulary:
        """From slot -> value -> spoken names, in any language."""
        phrases = [
            _phrase(slot, value, name)
            for slot, values in slots.items()
            for value, names in values.items()
            for name in names
        ]
        return cls(tuple(dict.fromkeys(each for each in phrases if each.units)))

    @classmethod
    def of_programme(cls, programme: Programme) -> Vocabulary:
        """The slots "product", "option" and "number" (1 to 20) of a programme."""
        numbers: dict[str, tuple[str, ...]]
        numbers = {str(n): (en_number(str(n)), zh_quantity(str(n))) for n in range(1, 21)}
        numbers["2"] = (*numbers["2"], "二")
        return cls.of(
            {"product": called(programme), "option": options_called(programme), "number": numbers}
        )


def read_slots(text: str, language: str, vocabulary: Vocabulary) -> tuple[SlotValue, ...]:
    """What `text` names, in its order; at most one value of each slot, no word used twice.

    The language is told by the script; `language` only where the text has none (digits).
    """
    family = family_of(text) if any(c.isalpha() for c in text) else language.split("-")[0]
    units = _units(text, family)[:_WORDS_MAX]
    found: list[tuple[float, SlotValue]] = []
    for phrase in vocabulary.phrases:
        if phrase.family == family:
            found += [(_worth(each, phrase), each) for each in _places(units, phrase)]
    taken: set[int] = set()
    kept: dict[str, SlotValue] = {}
    for _, each in sorted(found, key=lambda pair: -pair[0]):
        place = range(each.start, each.end)
        if each.slot not in kept and taken.isdisjoint(place):
            taken.update(place)
            kept[each.slot] = each
    return tuple(sorted(kept.values(), key=lambda each: each.start))


def _worth(found: SlotValue, phrase: Phrase) -> float:
    """Long names before short ones inside them; a name that was heard well before a likely one."""
    return phrase.size * (found.score - 0.6) + (0.5 if found.score == 1.0 else 0.0)


def _phrase(slot: str, value: str, name: str) -> Phrase:
    family = family_of(name)
    units = _units(name, family)
    return Phrase(slot, value, family, units, _sound(units) if family == "en" else "")


def _units(text: str, family: Family) -> tuple[str, ...]:
    if family == "en":
        return spelt(text)
    return syllables.toned(text)


def _places(units: tuple[str, ...], phrase: Phrase) -> list[SlotValue]:
    """Where the phrase may stand in `units`."""
    wanted = len(phrase.units)
    lengths = (wanted,) if phrase.family == "zh" else (wanted, wanted - 1, wanted + 1)
    floor = _FLOOR[phrase.family]
    if phrase.size <= _SHORT_PHONEMES:
        floor = _SHORT_FLOOR
    found = []
    for length in lengths:
        for start in range(len(units) - length + 1) if length > 0 else ():
            score = _score(units[start : start + length], phrase)
            if score >= floor:
                found.append(SlotValue(phrase.slot, phrase.value, score, start, start + length))
    return found


def _score(heard: tuple[str, ...], phrase: Phrase) -> float:
    if heard == phrase.units:
        return 1.0
    if phrase.family == "zh":
        alike = [syllables.toned_likeness(*pair) for pair in zip(heard, phrase.units, strict=True)]
        return 0.0 if 0.0 in alike else sum(alike) / len(alike)
    # What sounds the same but is written otherwise stands a little behind.
    return 0.98 * phones.closeness(_sound(heard), phrase.sound)


@lru_cache(maxsize=8192)
def _sound(words: tuple[str, ...]) -> str:
    return "".join(phones.phonemes(word) for word in words)
