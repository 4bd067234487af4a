"""Text to the pieces of a SentencePiece unigram vocabulary.

Viterbi after Kudo, "Subword Regularization" (2018). 250,000 pieces as a Python dictionary take
35 MB; here a piece is known by a 64-bit hash of its characters (no two of the vocabulary share
one), and every stretch of a text is looked up at once in the sorted hashes: 4 MB.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from device.conversation.packed import Vocabulary

BEGIN, END, UNKNOWN = 0, 2, 3
PIECES_MAX = 64
_CHARACTERS_MAX = 400
_FIRST = 4  # before it stand BEGIN, END and such, and the last piece is a mask: nobody says those
_SPACE = "\u2581"
_UNKNOWN_COST = 10.0
_HASH = np.uint64(0x9E3779B97F4A7C15)  # odd, of no pattern: Knuth's golden ratio
_LONGEST = 16

Hashes = NDArray[np.uint64]


class Pieces:
    """The vocabulary, ready to look pieces up."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Raises ValueError where it is none."""
        self._forms = vocabulary.forms
        self._unknown_score = float(vocabulary.scores.min()) - _UNKNOWN_COST
        hashes = _hashes_of(vocabulary)[_FIRST:-1]
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._numbers = (order + _FIRST).astype(np.int32)
        self._scores = vocabulary.scores[_FIRST:-1][order]

    def __len__(self) -> int:
        """How many pieces can be told apart."""
        return len(np.unique(self._hashes))

    def encode(self, text: str) -> list[int]:
        """The numbers of the likeliest pieces, between BEGIN and END; 64 in all at most, and of
        the first 400 characters: what is asked for is said by then."""
        plain = self._plain(text)
        best = [0.0] + [-1e38] * len(plain)
        came: list[tuple[int, int]] = [(0, UNKNOWN)] * (len(plain) + 1)
        for start, end, number, score in self._found(plain):
            if best[start] + score > best[end]:
                best[end], came[end] = best[start] + score, (start, number)
        numbers, at = [], len(plain)
        while at > 0:
            at, number = came[at]
            numbers.append(number)
        return [BEGIN, *list(reversed(numbers))[: PIECES_MAX - 2], END]

    def _plain(self, text: str) -> str:
        """In its normal form, each word with its mark."""
        forms = unicodedata.normalize("NFC", text[:_CHARACTERS_MAX].translate(self._forms))
        return "".join(_SPACE + word for word in forms.split())[:_CHARACTERS_MAX]

    def _found(self, plain: str) -> Iterator[tuple[int, int, int, float]]:
        """(start, end, number, score) of all pieces in order; each character also as unknown."""
        codes = np.frombuffer(plain.encode("utf-32-le", "replace"), "<u4")
        size = len(codes)
        framed = np.concatenate([codes, np.zeros(_LONGEST, codes.dtype)]).astype(np.uint64)
        hashes = np.zeros((size, _LONGEST), np.uint64)
        so_far = np.zeros(size, np.uint64)
        for length in range(_LONGEST):
            so_far = _onward(so_far, framed[length : length + size])
            hashes[:, length] = so_far
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        starts, lengths = np.nonzero(self._hashes[places] == hashes)
        which = places[starts, lengths]
        at = 0
        for start, end, number, score in zip(
            starts.tolist(), (starts + lengths + 1).tolist(), self._numbers[which].tolist(),
            self._scores[which].tolist(), strict=True,
        ):  # fmt: skip
            while at <= start:
                yield at, at + 1, UNKNOWN, self._unknown_score
                at += 1
            yield start, end, number, score
        for rest in range(at, size):
            yield rest, rest + 1, UNKNOWN, self._unknown_score


def _hashes_of(vocabulary: Vocabulary) -> Hashes:
    """Of every piece, character by character."""
    data = np.frombuffer(vocabulary.text, np.uint8)
    characters = np.frombuffer(vocabulary.text.decode().encode("utf-32-le"), "<u4")
    before = np.concatenate([[0], np.cumsum(data & 0xC0 != 0x80, dtype=np.int32)])
    starts = before[vocabulary.offsets]
    lengths = np.diff(starts)
    if lengths.max() > _LONGEST:
        raise ValueError("a piece is too long")
    hashes = np.zeros(len(lengths), np.uint64)
    for each in range(_LONGEST):
        longer = np.flatnonzero(lengths > each)
        found = characters[starts[longer] + each].astype(np.uint64)
        hashes[longer] = _onward(hashes[longer], found)
    return hashes


def _onward(hashes: Hashes, characters: Hashes) -> Hashes:
    """The hashes of what is one character longer."""
    mixed = (hashes ^ characters) * _HASH
    return np.asarray(mixed ^ mixed >> np.uint64(29))
