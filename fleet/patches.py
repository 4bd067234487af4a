"""Makes the patch between two releases (`ota.formats.patch`): what stayed is copied, what changed
is packed against what it was, and a tuned network travels as differences where that is less."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fleet.tensors import spans
from ota import zstd
from ota.formats.layout import END_BYTES, Member, artefact_bytes, layout
from ota.formats.manifest import Manifest
from ota.formats.patch import (
    COPY,
    GROUP_BYTES_MAX,
    TENSOR_BYTES_MAX,
    Group,
    Head,
    Range,
    Step,
    encode,
    ram_bytes,
)
from ota.formats.tensor import difference

MODEL_SUFFIX = ".onnx"
# A long file is packed in pieces, each against its place in the old one and this much around it.
PIECE_BYTES = 16 << 20
AROUND_BYTES = 6 << 20
# Two versions of one package differ in such parts of their names.
VERSIONED = re.compile(r"\d+(\.\d+)+|(?<=[-.])[0-9a-f]{8,}")


@dataclass(frozen=True)
class Packed:
    """A release's manifest and the artefact it lies in."""

    manifest: Manifest
    artefact: Path

    def read(self, offset: int, length_bytes: int) -> bytes:
        """Bytes of the artefact."""
        with self.artefact.open("rb") as source:
            source.seek(offset)
            return source.read(length_bytes)


@dataclass
class _Open:
    """The zstd group that is being filled."""

    index: int = -1
    new: bytearray = field(default_factory=bytearray)
    olds: list[Range] = field(default_factory=list)


class _Maker:
    """Collects steps and groups in the new artefact's order."""

    def __init__(self, old: Packed, new: Packed) -> None:
        self._old, self._new = old, new
        self._steps: list[Step] = []
        self._groups: list[Group | None] = []
        self._bodies: list[bytes] = []
        self._open = _Open()

    def copy(self, offset: int, length_bytes: int) -> None:
        last = self._steps[-1] if self._steps else None
        if last is not None and last.group == COPY and last.offset + last.length_bytes == offset:
            self._steps[-1] = Step(COPY, last.offset, last.length_bytes + length_bytes)
        elif length_bytes:
            self._steps.append(Step(COPY, offset, length_bytes))

    def literal(self, data: bytes, olds: list[Range]) -> None:
        """New bytes that look back on `olds`."""
        looks_back = sum(part.length_bytes for part in (*self._open.olds, *olds))
        if (self._open.index < 0 or len(self._open.new) + len(data) > GROUP_BYTES_MAX
                or looks_back > 2 * GROUP_BYTES_MAX):
            self.close()
            self._open = _Open(self._reserve())
        self._open.new += data
        self._open.olds += [part for part in olds if part not in self._open.olds]
        self._take(self._open.index, len(data))

    def network(self, data: bytes, old: Member) -> bool:
        """A tuned network as a group of its own; False when that is not less."""
        before = self._old.read(old.body, old.length_bytes)
        same = spans(before, data)
        if not same:
            return False
        rest, moved = difference(data, before, same)
        if len(rest) + len(moved) >= len(zstd.packed(data, before)):
            return False
        self.close()
        index = self._reserve()
        self._groups[index] = Group(
            length_bytes=len(data), packed_bytes=len(rest) + len(moved), rest_bytes=len(rest),
            olds=[Range(old.body, old.length_bytes)], spans=same)
        self._bodies[index] = rest + moved
        self._take(index, len(data))
        return True

    def close(self) -> None:
        """Pack the open group."""
        if self._open.index < 0:
            return
        before = b"".join(self._old.read(p.offset, p.length_bytes) for p in self._open.olds)
        data = bytes(self._open.new)
        body = zstd.patched(data, before)
        self._groups[self._open.index] = Group(
            length_bytes=len(data), packed_bytes=len(body), olds=self._open.olds)
        self._bodies[self._open.index] = body
        self._open = _Open()

    def made(self) -> tuple[bytes, int]:
        self.close()
        groups = [group for group in self._groups if group is not None]
        head = Head(old=self._old.manifest.artefact.sha256,
                    new=self._new.manifest.artefact.sha256, groups=groups, steps=self._steps)
        return encode(head, self._bodies), ram_bytes(head)

    def _reserve(self) -> int:
        self._groups.append(None)
        self._bodies.append(b"")
        return len(self._groups) - 1

    def _take(self, group: int, length_bytes: int) -> None:
        last = self._steps[-1] if self._steps else None
        if last is not None and last.group == group:
            self._steps[-1] = Step(group, 0, last.length_bytes + length_bytes)
        else:
            self._steps.append(Step(group, 0, length_bytes))


def make_patch(old: Packed, new: Packed) -> tuple[bytes, int]:
    """The patch, and the memory that a box needs for it, in bytes."""
    maker = _Maker(old, new)
    before = layout(old.manifest.files)
    names = {member.name: member for member in before}
    alike = {VERSIONED.sub("#", member.name): member for member in before}
    hashes = {old.manifest.files[member.name].sha256: member for member in before}
    members = layout(new.manifest.files)
    for member in members:
        sha256 = new.manifest.files[member.name].sha256
        twin = names.get(member.name) or alike.get(VERSIONED.sub("#", member.name))
        if twin is None or old.manifest.files[twin.name].sha256 != sha256:
            same = hashes.get(sha256)
            twin = same if same is not None and member.length_bytes else twin
        if twin is not None and old.manifest.files[twin.name].sha256 == sha256:
            _keep(maker, member, twin)
        else:
            _change(maker, new, member, twin)
    maker.literal(bytes(END_BYTES), [])
    return maker.made()


def _keep(maker: _Maker, member: Member, twin: Member) -> None:
    """The same bytes, perhaps under another name."""
    if member.header == twin.header:
        maker.copy(twin.offset, twin.end - twin.offset)
        return
    maker.literal(member.header, [Range(twin.offset, len(twin.header))])
    maker.copy(twin.body, twin.end - twin.body)


def _change(maker: _Maker, new: Packed, member: Member, twin: Member | None) -> None:
    """Other bytes: against `twin`, if there is anything to look back on."""
    data = new.read(member.offset, member.end - member.offset)
    body = data[len(member.header) : len(member.header) + member.length_bytes]
    if (twin is not None and member.name.endswith(MODEL_SUFFIX)
            and 0 < max(len(body), twin.length_bytes) <= TENSOR_BYTES_MAX):
        maker.literal(member.header, [Range(twin.offset, len(twin.header))])
        if maker.network(body, twin):
            padding = bytes(member.end - member.body - member.length_bytes)
            if padding:
                maker.literal(padding, [])
            return
        data = data[len(member.header) :]
    for start, piece in _pieces(data):
        maker.literal(piece, [] if twin is None else [_around(twin, start, len(piece))])


def _pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    for start in range(0, len(data), PIECE_BYTES):
        yield start, data[start : start + PIECE_BYTES]


def _around(twin: Member, start: int, length_bytes: int) -> Range:
    """The part of the old member that a piece of the new one probably resembles."""
    whole = twin.end - twin.offset
    first = max(0, min(start - AROUND_BYTES, whole - length_bytes - AROUND_BYTES))
    last = min(whole, start + length_bytes + AROUND_BYTES)
    return Range(twin.offset + first, max(0, last - first))


def is_worth(patch: bytes, new: Manifest) -> bool:
    """False for one that is hardly less than the whole."""
    return len(patch) < artefact_bytes(layout(new.files)) * 0.9
