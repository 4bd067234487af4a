"""Was the wake phrase said, and what was asked in the same breath? Pure.

The phrase is text; the recogniser has never been told it (in its prompt it would be heard
everywhere). Chinese is compared by toneless syllables, where one usual confusion of an accent
may stand in for a syllable; English by words, or by how they sound together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from device.conversation import english, syllables

_UNIT = re.compile(r"[\u3400-\u9fff]|[a-z][a-z']*")
_MARKS = " \t。，、！？；：…,.!?;:-"
_SYLLABLES_MIN = 3
_LETTERS_MIN = 7
_BEFORE_MAX = 3  # "嗯", "hey": what may be said before it
_DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")


@dataclass(frozen=True)
class WakePhrases:
    """The phrases of a programme, as units of sound."""

    phrases: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, phrases: Mapping[str, Sequence[str]]) -> WakePhrases:
        """By language, as the programme writes them."""
        return cls(tuple(u for each in phrases.values() for p in each if (u := _sounds(p))))

    def rest(self, text: str) -> str | None:
        """What follows the phrase ("" when nothing does); None when it was not said."""
        if not self.phrases:
            return None
        places = [found.end() for found in _UNIT.finditer(_plain(text))]
        heard = _sounds(text)
        if len(places) != len(heard):
            return None
        for start in range(min(_BEFORE_MAX + 1, len(heard))):
            for phrase in self.phrases:
                length = _said(phrase, heard[start:])
                if length:
                    return text[places[start + length - 1] :].strip(_MARKS)
        return None


def too_short(phrase: str) -> bool:
    """Would this phrase wake by accident? Three syllables, or two words and seven letters."""
    if syllables.has_han(phrase):
        return len(_sounds(phrase)) < _SYLLABLES_MIN
    words = _sounds(phrase)
    return len(words) < 2 or sum(map(len, words)) < _LETTERS_MIN


def _said(phrase: tuple[str, ...], heard: tuple[str, ...]) -> int:
    """How many units of `heard` are the phrase, 0 when it does not begin with it."""
    length = len(phrase)
    return length if len(heard) >= length and _alike(phrase, heard[:length]) else 0


def _alike(phrase: tuple[str, ...], heard: tuple[str, ...]) -> bool:
    pairs = list(zip(phrase, heard, strict=True))
    different = [(one, other) for one, other in pairs if one != other]
    if not different:
        return True
    if len(different) > 1:
        return False
    one, other = different[0]
    as_syllable = syllables.likeness(one, other) >= syllables.CONFUSABLE
    return as_syllable or english.likeness(one, other) > 0.0


def _plain(text: str) -> str:
    return text.lower().translate(_DIGITS)


def _sounds(text: str) -> tuple[str, ...]:
    return syllables.syllables(text)
