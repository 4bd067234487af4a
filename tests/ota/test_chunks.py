"""A large file in pieces: cut by its content, packed, signed by a list, unpacked in limits."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.chunker import CHUNK_BYTES_MIN, chunks_of
from ota import zstd
from ota.errors import Refused
from ota.formats import chunks
from ota.formats.chunks import CHUNK_BYTES_MAX, Chunk
from ota.formats.shortcuts import read

BODY = random.Random(3).randbytes(6 << 20)


def cut(path: Path, data: bytes) -> list[bytes]:
    path.write_bytes(data)
    return list(chunks_of(path))


def test_a_change_in_the_middle_moves_few_cuts_and_a_shift_moves_none(tmp_path: Path) -> None:
    before = cut(tmp_path / "a", BODY)
    assert b"".join(before) == BODY
    assert max(map(len, before)) <= CHUNK_BYTES_MAX
    assert min(map(len, before[:-1])) >= CHUNK_BYTES_MIN
    after = cut(tmp_path / "b", BODY[:2_000_000] + b"a few bytes" + BODY[2_000_500:])
    assert sum(map(len, set(after) - set(before))) < 3 * CHUNK_BYTES_MAX
    shifted = cut(tmp_path / "c", b"header" + BODY)
    assert sum(map(len, set(shifted) - set(before))) < 3 * CHUNK_BYTES_MAX


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 700_000), st.integers(0, 3))
def test_every_length_is_cut_into_itself(tmp_path_factory: pytest.TempPathFactory, length: int,
                                         kind: int) -> None:
    data = (BODY, b"\0" * 700_000, b"ab" * 350_000, b"tea " * 175_000)[kind][:length]
    assert b"".join(cut(tmp_path_factory.getbasetemp() / "cut", data)) == data


def test_a_list_tells_what_travels_and_nothing_else_gets_through() -> None:
    text = b"the tea is fresh today. " * 4000
    entry, travels = chunks.pack(text)
    plain, same = chunks.pack(BODY[:1000])
    assert len(travels) < 1000 and same == BODY[:1000] and plain.packed_bytes == 1000
    listed = chunks.encode([entry, plain])
    found = chunks.decode(listed, len(text) + 1000)
    assert found == (entry, plain)
    assert chunks.unpack(entry, travels) == text and chunks.unpack(plain, same) == same
    for bad in (travels[:-1], travels[:-1] + b"x", b"", travels + b"x"):
        with pytest.raises(Refused):
            chunks.unpack(entry, bad)


def test_a_block_that_swells_to_gigabytes_takes_no_memory() -> None:
    """A bomb that was even signed: its frame says more than the list, or says nothing."""
    bomb = zstandard.ZstdCompressor().compress(b"\0" * (64 << 20))
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(b"\0" * (64 << 20))
    lying = bytearray(zstandard.ZstdCompressor().compress(b"\0" * 200_000))
    at = bytes(lying).index(struct.pack("<I", 200_000))
    lying[at : at + 4] = struct.pack("<I", 2**31)
    for frame in (bomb, silent, bytes(lying), b"no frame at all"):
        signed = Chunk(b"x" * 16, chunks.digest(frame), 200_000, len(frame))
        with pytest.raises(Refused):
            chunks.unpack(signed, frame)


def test_a_delta_needs_the_very_file_it_was_made_from() -> None:
    new = BODY[:50_000] + b"one changed line" + BODY[50_000:100_000]
    frame = zstd.packed(new, BODY[:100_000])
    assert len(frame) < 200
    assert zstd.unpacked(frame, len(new), BODY[:100_000]) == new
    try:
        other = zstd.unpacked(frame, len(new), BODY[100_000:200_000])
    except Refused:
        return
    assert hashlib.sha256(other).digest() != hashlib.sha256(new).digest()


def judge_list(data: bytes, length: int) -> None:
    for listed in (data, chunks.MAGIC + data):
        with suppress(Refused):
            assert sum(chunk.length_bytes for chunk in chunks.decode(listed, length)) == length


def judge_shortcuts(data: bytes, _length: int) -> None:
    for text in (data, b'{"chunked": {"' + data + b'": 1}}',
                 b'{"chunked": {"../../etc/passwd": {"list": "x", "list_bytes": 9, "pack": ""}}}'):
        with suppress(Refused):
            assert not read(text).chunked


def judge_frame(data: bytes, length: int) -> None:
    for frame in (data, zstandard.FRAME_HEADER + data):
        with suppress(Refused):
            assert len(zstd.unpacked(frame, length)) == length


JUDGES = pytest.mark.parametrize("judge", [judge_list, judge_shortcuts, judge_frame])
WHATEVER = given(data=st.binary(max_size=400), length=st.integers(0, 5000))


@JUDGES
@WHATEVER
def test_no_bytes_raise_anything_but_refused(
    judge: Callable[[bytes, int], None], data: bytes, length: int
) -> None:
    judge(data, length)


@pytest.mark.nightly
@JUDGES
@settings(max_examples=100_000, deadline=None)
@WHATEVER
def test_nor_do_a_hundred_thousand_of_them(
    judge: Callable[[bytes, int], None], data: bytes, length: int
) -> None:
    judge(data, length)
