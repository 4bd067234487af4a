"""English by its words and roughly by its sound."""

from __future__ import annotations

import re
from functools import lru_cache

_CONTRACTIONS = (
    (r"\bwon't\b", "will not"), (r"\bcan't\b", "can not"), (r"n't\b", " not"),
    (r"'re\b", " are"), (r"'s\b", ""), (r"'m\b", " am"), (r"'ll\b", " will"),
    (r"'ve\b", " have"), (r"'d\b", " would"),
)  # fmt: skip
_WORD = re.compile(r"[a-z]+|\d+")
_LEMMAS = {
    "costs": "cost", "priced": "price", "prices": "price", "pricing": "price", "opens": "open",
    "opening": "open", "closes": "close", "closing": "close", "closed": "close",
    "tasting": "taste", "tasted": "taste", "tried": "try", "trying": "try", "tries": "try",
    "samples": "sample", "sampling": "sample", "gifts": "gift", "presents": "present",
    "wrapping": "wrap", "wrapped": "wrap", "brewing": "brew", "brewed": "brew",
    "steeping": "steep", "steeped": "steep", "made": "make", "making": "make", "teas": "tea",
    "does": "do", "did": "do", "doing": "do", "is": "be", "are": "be", "am": "be", "was": "be",
    "were": "be", "has": "have", "had": "have", "got": "have", "buying": "buy",
}  # fmt: skip


def words(text: str) -> tuple[str, ...]:
    """Lower-case words without contractions, plurals and the commonest endings."""
    text = text.lower().replace("’", "'")
    for pattern, plain in _CONTRACTIONS:
        text = re.sub(pattern, plain, text)
    return tuple(_stem(word) for word in _WORD.findall(text.replace("'", "")))


def _stem(word: str) -> str:
    if word in _LEMMAS:
        return _LEMMAS[word]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=4096)
def sound(text: str) -> str:
    """A rough key of how letters sound: "long jean" and "longjing" come near each other."""
    text = re.sub(r"[^a-z]", "", text.lower())
    for pattern, key in _SOUNDS:
        text = re.sub(pattern, key, text)
    return re.sub(r"(.)\1+", r"\1", text)


_SOUNDS = (
    (r"tch|ch|q", "C"), (r"sh|tion|x(?=i)", "S"), (r"ph", "f"), (r"th", "t"),
    (r"ck|c(?=[eiy])", "k"),
    (r"dge|g(?=[eiy])|j|zh|z", "j"), (r"wh|w", "w"), (r"kn", "n"), (r"gh", ""), (r"c|k", "k"),
    (r"v", "f"), (r"y", "i"), (r"ea|ee|ie|ey|ei", "i"), (r"oo|ou|ow|u|au|aw", "o"), (r"h", ""),
    (r"ng", "n"), (r"[ae]", "e"),
)  # fmt: skip


def sounds_like(one: str, other: str) -> float:
    """0..1: one minus the edit distance of the two sounds over the longer's length."""
    first, second = sound(one), sound(other)
    longest = max(len(first), len(second))
    return 1.0 - edit_distance(first, second) / longest if longest else 0.0


def edit_distance(one: str, other: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, start=1):
        before, row[0] = row[0], number
        for column, against in enumerate(other, start=1):
            change = before + (letter != against)
            before, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, change)
    return row[-1]


@lru_cache(maxsize=8192)
def likeness(one: str, other: str) -> float:
    """1 for the same word, 0.8 for words that sound nearly the same, else 0."""
    if one == other:
        return 1.0
    if min(len(one), len(other)) < 4:
        return 0.0
    return 0.8 if sounds_like(one, other) >= 0.8 else 0.0
