"""A large file as chunks: which bytes it is made of, and where they lie packed. Pure.

A list is `VCH1`, then per chunk 40 bytes, big-endian: the first 16 of the sha256 of its bytes, the
first 16 of the sha256 of its packed bytes, its length, its packed length. A chunk that did not get
shorter is packed as it is. Packed chunks follow each other in one file, in the list's order.
16 bytes stop a second pre-image; the whole file is still judged by its full sha256.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ota import zstd
from ota.errors import Refused

MAGIC = b"VCH1"
ENTRY = struct.Struct(">16s16sII")
DIGEST_BYTES = 16
CHUNK_BYTES_MAX = 256 << 10
LIST_BYTES_MAX = 4 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece: hash and length of its bytes, and of those that travel."""

    digest: bytes
    packed_digest: bytes
    length_bytes: int
    packed_bytes: int


def digest(data: bytes) -> bytes:
    """The name of some bytes within a list."""
    return hashlib.sha256(data).digest()[:DIGEST_BYTES]


def pack(data: bytes) -> tuple[Chunk, bytes]:
    """One chunk's entry and what travels for it. `data` has at most CHUNK_BYTES_MAX bytes."""
    smaller = zstd.packed(data)
    travels = smaller if len(smaller) < len(data) else data
    return Chunk(digest(data), digest(travels), len(data), len(travels)), travels


def unpack(chunk: Chunk, travelled: bytes) -> bytes:
    """The chunk's bytes. Raises Refused: others than were signed; nothing unsigned is unpacked."""
    if len(travelled) != chunk.packed_bytes or digest(travelled) != chunk.packed_digest:
        raise Refused("A block is not the one that was signed; it was thrown away.")
    if chunk.packed_bytes == chunk.length_bytes:
        return travelled
    return checked(chunk, zstd.unpacked(travelled, chunk.length_bytes))


def checked(chunk: Chunk, data: bytes) -> bytes:
    """`data` when it is this chunk. Raises Refused otherwise."""
    if len(data) != chunk.length_bytes or digest(data) != chunk.digest:
        raise Refused("A block is not the one that was signed; it was thrown away.")
    return data


def encode(chunks: Iterable[Chunk]) -> bytes:
    """The list as a file."""
    return MAGIC + b"".join(
        ENTRY.pack(c.digest, c.packed_digest, c.length_bytes, c.packed_bytes) for c in chunks
    )


def decode(data: bytes, length_bytes: int) -> tuple[Chunk, ...]:
    """The chunks of a file of `length_bytes`. Raises Refused: malformed, over a limit."""
    body = memoryview(data)[len(MAGIC):]
    if data[: len(MAGIC)] != MAGIC or len(body) % ENTRY.size or len(data) > LIST_BYTES_MAX:
        raise Refused("A list of chunks is malformed; publish again.")
    chunks = tuple(Chunk(*entry) for entry in ENTRY.iter_unpack(body))
    sound = all(0 < c.packed_bytes <= c.length_bytes <= CHUNK_BYTES_MAX for c in chunks)
    if not sound or sum(c.length_bytes for c in chunks) != length_bytes:
        raise Refused("A list of chunks does not add up to its file; publish again.")
    return chunks


def single(sha256: str, length_bytes: int) -> tuple[Chunk, ...]:
    """A small file as a list of its own: one chunk that travels as it is."""
    name = bytes.fromhex(sha256)[:DIGEST_BYTES]
    return (Chunk(name, name, length_bytes, length_bytes),) if length_bytes else ()


def packed_before(chunks: Sequence[Chunk], index: int) -> int:
    """Where chunk `index` begins in the packed file."""
    return sum(chunk.packed_bytes for chunk in chunks[:index])


def bytes_before(chunks: Sequence[Chunk], index: int) -> int:
    """Where chunk `index` begins in the file."""
    return sum(chunk.length_bytes for chunk in chunks[:index])
