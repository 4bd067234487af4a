"""Text to the pieces of a SentencePiece unigram vocabulary.

Viterbi after Kudo, "Subword Regularization" (2018), as in sentencepiece; NFKC stands for its own
table of normal forms. Letters are made small: a recogniser's capitals mean nothing.
"""

from __future__ import annotations

import struct
import unicodedata
from array import array
from collections.abc import Iterator
from pathlib import Path

from ota.errors import Refused

UNKNOWN, BEGIN, END = 0, 1, 2
_SPACE = "\u2581"
_UNKNOWN_COST = 10.0
_FILE_BYTES_MAX = 16 << 20


class Pieces:
    """The vocabulary, as every beginning of a piece: its number + 1, or 0 for a mere beginning."""

    def __init__(self, pieces: list[str], scores: array[float]) -> None:
        self._scores = scores
        self._unknown_score = min(scores) - _UNKNOWN_COST
        self._longest = max(len(piece) for piece in pieces)
        # Every length is looked up (16 at most): a tree of beginnings would cost 30 MB.
        self._numbers = {piece: number for number, piece in enumerate(pieces)}

    @classmethod
    def load(cls, path: Path) -> Pieces:
        """Read a `.model` file. Raises Refused when it is none."""
        try:
            data = path.read_bytes()[:_FILE_BYTES_MAX]
            pieces, scores = _read(data)
            return cls(pieces, scores)
        except (OSError, ValueError, IndexError, struct.error) as error:
            raise Refused(
                f"The vocabulary {path} is damaged; run ./vitrine models fetch."
            ) from error

    def encode(self, text: str) -> list[int]:
        """The numbers of the likeliest pieces, between BEGIN and END."""
        plain = " ".join(unicodedata.normalize("NFKC", text).lower().split())
        plain = (_SPACE + plain).replace(" ", _SPACE) if plain else ""
        best = [0.0] + [-1e38] * len(plain)
        came: list[tuple[int, int]] = [(0, UNKNOWN)] * (len(plain) + 1)
        for start in range(len(plain)):
            for end, number, score in self._from(plain, start):
                if best[start] + score > best[end]:
                    best[end], came[end] = best[start] + score, (start, number)
        numbers, at = [END], len(plain)
        while at > 0:
            at, number = came[at]
            numbers.append(number)
        return [BEGIN, *([UNKNOWN] if not plain else []), *reversed(numbers)]

    def _from(self, plain: str, start: int) -> Iterator[tuple[int, int, float]]:
        """(end, number, score) of the pieces that begin at `start`; one unknown character else."""
        single = False
        for end in range(start + 1, min(start + self._longest, len(plain)) + 1):
            found = self._numbers.get(plain[start:end])
            if found is not None:
                single |= end == start + 1
                yield end, found, self._scores[found]
        if not single:
            yield start + 1, UNKNOWN, self._unknown_score


def _read(data: bytes) -> tuple[list[str], array[float]]:
    """Pieces and scores: field 1 of the protobuf message, each (1: text, 2: float)."""
    pieces: list[str] = []
    scores = array("f")
    for number, value in _fields(data):
        if number == 1:
            part = dict(_fields(value))
            pieces.append(part[1].decode())
            scores.append(struct.unpack("<f", part[2])[0] if 2 in part else 0.0)
    if len(pieces) <= END:
        raise ValueError("no pieces")
    return pieces, scores


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            _, at = _varint(data, at)
            continue
        length, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, 0), at)
        if kind not in (1, 2, 5) or at + length > len(data):
            raise ValueError("no protobuf")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
