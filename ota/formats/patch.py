"""A release's artefact out of the one before it: copies of what stayed, packed groups of the rest.

`VPT1`, the head's packed length (4 bytes, big-endian), the head (JSON in a zstd frame), then the
packed groups one after another. A group is a zstd frame that looks back on parts of the old
artefact, or differences of a network's tensors (`ota.formats.tensor`). The whole patch is judged by
its signed sha256 before a byte is decoded, and what it makes by the artefact's.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Protocol

import msgspec
from msgspec import Meta, Struct

from ota import zstd
from ota.errors import Refused
from ota.files import GrowingFile
from ota.formats.tensor import Span, tuned

MAGIC = b"VPT1"
LENGTH = struct.Struct(">I")
HEAD_BYTES_MAX = 16 << 20
STEPS_MAX = 100_000
GROUPS_MAX = 4096
# A group makes at most this much, and looks back on at most twice as much.
GROUP_BYTES_MAX = 32 << 20
TENSOR_BYTES_MAX = 128 << 20
BLOCK_BYTES = 1 << 20
COPY = -1
DAMAGED = "A patch between two releases is damaged; publish the newer one again."
Size = Annotated[int, Meta(ge=0, le=8 << 30)]


class Range(Struct, frozen=True, array_like=True):
    """Bytes of the old artefact."""

    offset: Size
    length_bytes: Size


class Group(Struct, frozen=True, kw_only=True):
    """`length_bytes` new bytes out of `packed_bytes` and the old ranges. With `spans` they are
    one tuned file: its rest (`rest_bytes` of the packed ones), then the differences."""

    length_bytes: Annotated[int, Meta(ge=1, le=TENSOR_BYTES_MAX)]
    packed_bytes: Annotated[int, Meta(ge=1)]
    olds: list[Range] = []
    spans: list[Span] = []
    rest_bytes: Size = 0


class Step(Struct, frozen=True, array_like=True):
    """What comes next: from the old artefact at `offset` (group COPY), or the next bytes of a
    group."""

    group: Annotated[int, Meta(ge=COPY, lt=GROUPS_MAX)]
    offset: Size
    length_bytes: Size


class Head(Struct, frozen=True, kw_only=True):
    """The plan of a patch: which artefacts (sha256), groups in their order, steps."""

    old: str
    new: str
    groups: Annotated[list[Group], Meta(max_length=GROUPS_MAX)]
    steps: Annotated[list[Step], Meta(max_length=STEPS_MAX)]


class Artefact(Protocol):
    """An artefact that can be read at any place (`ota.formats.layout.SlotTar`, a file)."""

    def read(self, offset: int, length_bytes: int) -> bytes:
        """Raises Refused."""
        ...


@dataclass(frozen=True)
class Goal:
    """What must come out."""

    sha256: str
    length_bytes: int


def encode(head: Head, groups: list[bytes]) -> bytes:
    """The patch as a file."""
    packed = zstd.packed(msgspec.json.encode(head))
    length = LENGTH.pack(len(msgspec.json.encode(head)))
    return b"".join((MAGIC, LENGTH.pack(len(packed)), length, packed, *groups))


def ram_bytes(head: Head) -> int:
    """What applying it holds in memory at most: each group's old and new bytes, packed ones, and
    the group that is not used up yet when the next is opened."""
    sizes = [g.length_bytes * (3 if g.spans else 1) + g.packed_bytes
             + sum(old.length_bytes for old in g.olds) for g in head.groups]
    return max(sizes, default=0) + max((g.length_bytes for g in head.groups), default=0)


def apply(
    patch: Path, old: Artefact, old_sha256: str, goal: Goal, destination: Path,
    grown: Callable[[int], None] = lambda length_bytes: None,
) -> None:
    """Bring `destination` into being, durably. `patch` was judged by its hash.

    Raises Refused: for other artefacts, longer or shorter than signed, other bytes in the end.
    """
    whole = hashlib.sha256()
    part = destination.with_name(f".{destination.name}.patched")
    destination.parent.mkdir(parents=True, exist_ok=True)
    with patch.open("rb") as source, GrowingFile(part) as growing:
        growing.restart()
        try:
            head = _head(source)
            if head.old != old_sha256 or head.new != goal.sha256:
                raise Refused("A patch is for other releases; publish the newer one again.")
            if sum(step.length_bytes for step in head.steps) != goal.length_bytes:
                raise Refused(DAMAGED)
            for block in _blocks(head, source, old):
                whole.update(block)
                growing.write(block)
                grown(growing.size_bytes)
            if whole.hexdigest() != goal.sha256:
                raise Refused("What a patch made is not the release that was signed.")
            growing.commit(destination)
        except BaseException:
            # What cannot be gone on with takes no room; a power cut's leftover is restarted.
            part.unlink(missing_ok=True)
            raise


def _head(source: IO[bytes]) -> Head:
    """Raises Refused: malformed, over a limit."""
    start = source.read(len(MAGIC) + 2 * LENGTH.size)
    if len(start) != len(MAGIC) + 2 * LENGTH.size or start[: len(MAGIC)] != MAGIC:
        raise Refused(DAMAGED)
    packed_bytes, plain_bytes = struct.unpack_from(">II", start, len(MAGIC))
    if packed_bytes > HEAD_BYTES_MAX or plain_bytes > HEAD_BYTES_MAX:
        raise Refused(DAMAGED)
    data = zstd.unpacked(source.read(packed_bytes), plain_bytes)
    try:
        head = msgspec.json.decode(data, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(DAMAGED) from error
    if not all(_in_limits(group) for group in head.groups):
        raise Refused(DAMAGED)
    return head


def _in_limits(group: Group) -> bool:
    most = TENSOR_BYTES_MAX if group.spans else GROUP_BYTES_MAX
    looks_back = sum(old.length_bytes for old in group.olds)
    return (group.length_bytes <= most and looks_back <= max(2 * GROUP_BYTES_MAX, most)
            and group.rest_bytes <= group.packed_bytes <= group.length_bytes + (1 << 16))


def _blocks(head: Head, source: IO[bytes], old: Artefact) -> Iterator[bytes]:
    """The new artefact, piece by piece. Groups lie in the order in which they are first used."""
    opened: dict[int, bytes] = {}
    used: dict[int, int] = {}
    for step in head.steps:
        if step.group == COPY:
            for at in range(0, step.length_bytes, BLOCK_BYTES):
                yield old.read(step.offset + at, min(BLOCK_BYTES, step.length_bytes - at))
            continue
        if step.group not in opened:
            if step.group != len(used) or step.group >= len(head.groups):
                raise Refused(DAMAGED)
            opened[step.group] = _made(head.groups[step.group], source, old)
            used[step.group] = 0
        begin = used[step.group]
        end = used[step.group] = begin + step.length_bytes
        if end > len(opened[step.group]):
            raise Refused(DAMAGED)
        yield opened[step.group][begin:end]
        if end == len(opened[step.group]):
            # Used up; a step that names it again finds nothing.
            opened[step.group], used[step.group] = b"", 0


def _made(group: Group, source: IO[bytes], old: Artefact) -> bytes:
    """One group's bytes."""
    packed = source.read(group.packed_bytes)
    if len(packed) != group.packed_bytes:
        raise Refused(DAMAGED)
    before = b"".join(old.read(part.offset, part.length_bytes) for part in group.olds)
    if group.spans:
        rest, moved = packed[: group.rest_bytes], packed[group.rest_bytes :]
        return tuned(before, group.length_bytes, group.spans, rest, moved)
    return zstd.unpacked(packed, group.length_bytes, before)
