"""A large file out of chunks: those that are here already, and those that must come.

The growing file holds verified chunks only, in order. After a power cut it is read again and cut
back to its last good chunk; under its own name it is only seen whole, with the signed sha256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from ota.errors import Refused
from ota.fetch import check_room
from ota.files import GrowingFile
from ota.formats.chunks import Chunk, checked, packed_before, unpack

SUFFIX = ".grown"
Grown = Callable[[int], None]
# Offset and length to bytes.
Reader = Callable[[int, int], bytes]


class Source(Protocol):
    """Where missing chunks come from."""

    def chunks(self, first: int, last: int) -> Iterator[bytes]:
        """The verified bytes of chunks `first` to before `last`; raises Retry or Refused."""
        ...


class Spans(Protocol):
    """What is needed of ota.fetch.Fetcher here."""

    def span(self, url: str, start: int, length_bytes: int) -> Iterator[bytes]:
        """Bytes of a file from `start` on, in blocks."""
        ...


class Seeds:
    """Chunks in files that are on this disk. They may have rotted: every one is judged when read.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[Reader, int]] = {}

    def add(self, path: Path, chunks: Sequence[Chunk]) -> None:
        """`path` holds (or held) these chunks one after another."""
        self.add_reader(partial(_read_file, path), chunks)

    def add_reader(self, read: Reader, chunks: Sequence[Chunk]) -> None:
        """As `add`, for what is no single file. `read` raises OSError or Refused."""
        offset = 0
        for chunk in chunks:
            self._known.setdefault(chunk.digest, (read, offset))
            offset += chunk.length_bytes

    def __contains__(self, chunk: Chunk) -> bool:
        return chunk.digest in self._known

    def read(self, chunk: Chunk) -> bytes | None:
        """The chunk's bytes, or None when they are not here (any more)."""
        place = self._known.get(chunk.digest)
        if place is None:
            return None
        try:
            return checked(chunk, place[0](place[1], chunk.length_bytes))
        except (OSError, Refused):
            del self._known[chunk.digest]
            return None


class Pack:
    """Chunks from a packed file on a server."""

    def __init__(self, spans: Spans, url: str, chunks: Sequence[Chunk]) -> None:
        self._spans, self._url, self._chunks = spans, url, chunks

    def chunks(self, first: int, last: int) -> Iterator[bytes]:
        """See Source. One request for all of them."""
        wanted = self._chunks[first:last]
        start = packed_before(self._chunks, first)
        length_bytes = sum(chunk.packed_bytes for chunk in wanted)
        come = bytearray()
        blocks = self._spans.span(self._url, start, length_bytes)
        for chunk in wanted:
            while len(come) < chunk.packed_bytes:
                come += next(blocks)
            yield unpack(chunk, bytes(come[: chunk.packed_bytes]))
            del come[: chunk.packed_bytes]
        next(blocks, None)  # read to its end, a connection can be used again


def assemble(
    destination: Path, sha256: str, chunks: Sequence[Chunk], seeds: Seeds, source: Source,
    grown: Grown = lambda length_bytes: None,
) -> None:
    """Bring `destination` into being; goes on where an earlier try ended.

    `grown(length_bytes)` is told how many good bytes there are. Raises Retry or Refused as the
    source does, DiskFull, and Refused when the whole is not what was signed.
    """
    whole_bytes = sum(chunk.length_bytes for chunk in chunks)
    part = growing_path(destination)
    with GrowingFile(part) as growing:
        done, whole = _good_part(growing, chunks)
        check_room(growing, destination, whole_bytes)
        grown(growing.size_bytes)
        for data in _missing(chunks, done, seeds, source):
            growing.write(data)
            whole.update(data)
            grown(growing.size_bytes)
        if whole.hexdigest() != sha256:
            growing.restart()
            raise Refused("A file made of good blocks is not the one that was signed; publish it.")
        growing.commit(destination)


def growing_path(destination: Path) -> Path:
    """Where `destination` grows."""
    return destination.with_name(f".{destination.name}{SUFFIX}")


def missing_bytes(chunks: Sequence[Chunk], seeds: Seeds) -> int:
    """How many bytes must travel for these chunks."""
    return sum(chunk.packed_bytes for chunk in chunks if chunk not in seeds)


def _read_file(path: Path, offset: int, length_bytes: int) -> bytes:
    with path.open("rb") as source:
        source.seek(offset)
        return source.read(length_bytes)


def _missing(
    chunks: Sequence[Chunk], done: int, seeds: Seeds, source: Source
) -> Iterator[bytes]:
    """The bytes of every chunk from `done` on; neighbours are asked for together."""
    index = done
    while index < len(chunks):
        here = seeds.read(chunks[index])
        if here is not None:
            yield here
            index += 1
            continue
        last = index + 1
        while last < len(chunks) and chunks[last] not in seeds:
            last += 1
        yield from source.chunks(index, last)
        index = last


def _good_part(growing: GrowingFile, chunks: Sequence[Chunk]) -> tuple[int, hashlib._Hash]:
    """How many chunks at the beginning are good; what follows them is cut off."""
    whole = hashlib.sha256()
    good_bytes = 0
    with growing.path.open("rb") as reader:
        for index, chunk in enumerate(chunks):
            try:
                data = checked(chunk, reader.read(chunk.length_bytes))
            except Refused:
                growing.cut_back(good_bytes)
                return index, whole
            whole.update(data)
            good_bytes += chunk.length_bytes
    growing.cut_back(good_bytes)
    return len(chunks), whole
