"""Numbers in what was heard: "16 ounce" and "sixteen ounce" are the same words."""

from __future__ import annotations

import re

from device.tts.numerals import en_number

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?")
_DIGITS_MAX = 6


def spelt(text: str) -> tuple[str, ...]:
    """The lower-case English words of a text, its numbers in words."""
    out: list[str] = []
    for word in _WORD.findall(text.lower().replace("’", "'")):
        if word[0].isdigit() and len(word) <= _DIGITS_MAX:
            out += re.findall(r"[a-z]+", en_number(word).lower())
        else:
            out.append(word.replace("'", ""))
    return tuple(out)
