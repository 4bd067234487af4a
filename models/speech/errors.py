"""Error rates of recognition: characters where words are parted freely or not at all, else words.

Pure.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from device.asr.script import simplified
from device.tts.text import normalise

_CHARACTERS = ("zh", "yue", "ja", "ko", "th")  # Korean: models part words as they like
_SPOKEN_ALIKE = ("zh", "en")  # languages whose digits can be read out


def metric(language: str) -> str:
    """CER (characters) or WER (words)."""
    return "CER" if language.split("-")[0] in _CHARACTERS else "WER"


def units(text: str, language: str) -> list[str]:
    """What is counted: characters or words, in small letters, without signs, numbers as words."""
    code = language.split("-")[0]
    spoken = normalise(text, language) if code in _SPOKEN_ALIKE else text
    if code == "zh":
        spoken = simplified(spoken)
    plain = "".join(
        c if c.isalnum() or c in "'’" or unicodedata.category(c) == "Mn" else " "
        for c in unicodedata.normalize("NFKC", spoken).lower()
    ).replace("’", "'")
    return list("".join(plain.split())) if metric(language) == "CER" else plain.split()


def distance(wanted: Sequence[str], heard: Sequence[str]) -> int:
    """Fewest insertions, deletions and substitutions from one to the other (Levenshtein)."""
    before = list(range(len(heard) + 1))
    for row, unit in enumerate(wanted, start=1):
        now = [row]
        for column, other in enumerate(heard, start=1):
            now.append(min(before[column] + 1, now[-1] + 1, before[column - 1] + (unit != other)))
        before = now
    return before[-1]
