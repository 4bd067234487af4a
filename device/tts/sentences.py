"""Splits a line of script into the sentences at which the player may switch."""

from __future__ import annotations

import re

_CLOSING = "”’」』）)》】\"'"
_ABBREVIATIONS = frozenset([
    "mr", "mrs", "ms", "dr", "st", "no", "vs", "etc", "inc", "ltd", "co", "jr", "sr", "approx",
    "dept", "est", "fig", "e.g", "i.e", "a.m", "p.m", "u.s", "jan", "feb", "mar", "apr", "jun",
    "jul", "aug", "sept", "sep", "oct", "nov", "dec", "rd", "ave", "blvd", "ext", "qty", "mon",
    "tue", "tues", "wed", "thu", "thur", "thurs", "fri",
])  # fmt: skip
_WORD_BEFORE = re.compile(r"([A-Za-z.]+)\.$")
_SAYABLE = re.compile(r"[^\W_]")


def split(text: str, language: str) -> list[str]:
    """The sentences of `text` in order; joined they hold every word of it.

    Chinese ends at 。！？；… or a newline; English at . ! ? before a space, but not within a
    number nor after a usual abbreviation. Pieces without a letter or digit join the one before.
    """
    pieces: list[str] = []
    start = 0
    index = 0
    while index < len(text):
        index += 1
        if not _ends(text, index - 1, language):
            continue
        while index < len(text) and (text[index] in _CLOSING or _ends(text, index, language)):
            index += 1
        pieces.append(text[start:index])
        start = index
    pieces.append(text[start:])
    return _joined(pieces)


def sayable(text: str, language: str) -> list[str]:
    """The sentences that hold anything to say."""
    return [each for each in split(text, language) if any(c.isalnum() for c in each)]


def _ends(text: str, index: int, language: str) -> bool:
    mark = text[index]
    if mark in "。！？；…\n":
        return True
    follows = text[index + 1 : index + 2]
    at_gap = not follows or follows.isspace() or follows in _CLOSING
    if mark in "!?":
        # Within a link it ends nothing.
        return at_gap or (language.startswith("zh") and not follows.isascii())
    if mark == ";":
        return language.startswith("zh")
    if mark != "." or not at_gap:
        return False
    word = _WORD_BEFORE.search(text[: index + 1])
    return word is None or word.group(1).lower() not in _ABBREVIATIONS


def _joined(pieces: list[str]) -> list[str]:
    sentences: list[str] = []
    for piece in (p.strip() for p in pieces):
        if not piece:
            continue
        if sentences and not _SAYABLE.search(piece):
            sentences[-1] += piece
        else:
            sentences.append(piece)
    return sentences
