"""Where each byte of a release's artefact lies. Pure.

An uncompressed tar (a changed line must stay a small delta) with sorted names and nothing in it
that depends on who packed it or when, so the list of files alone says how it is laid out. That
makes an unpacked slot as good as the artefact it came from: `SlotTar` reads one out of the other.
"""

from __future__ import annotations

import bisect
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ota.errors import Refused
from ota.formats.manifest import FileEntry

MODE = 0o644
END_BYTES = 1024


@dataclass(frozen=True)
class Member:
    """One file in the artefact: `offset` is where its header begins."""

    name: str
    offset: int
    header: bytes
    length_bytes: int

    @property
    def body(self) -> int:
        """Where its bytes begin."""
        return self.offset + len(self.header)

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.body + self.length_bytes + padding_bytes(self.length_bytes)


def layout(files: Mapping[str, FileEntry]) -> tuple[Member, ...]:
    """The members of the artefact that holds these files."""
    found = []
    offset = 0
    for name in sorted(files):
        member = Member(name, offset, member_header(name, files[name].bytes), files[name].bytes)
        found.append(member)
        offset = member.end
    return tuple(found)


def artefact_bytes(members: tuple[Member, ...]) -> int:
    """How long the artefact is."""
    return (members[-1].end if members else 0) + END_BYTES


def member_header(name: str, length_bytes: int) -> bytes:
    """A tar header (GNU for long names)."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = length_bytes, MODE, 0
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def padding_bytes(length_bytes: int) -> int:
    """Zeros after a body, up to a whole block."""
    return -length_bytes % tarfile.BLOCKSIZE


class SlotTar:
    """The artefact that a slot was written from, read out of the slot's files.

    They may have rotted: whoever reads must judge what was read.
    """

    def __init__(self, folder: Path, files: Mapping[str, FileEntry]) -> None:
        self._folder = folder
        self._members = layout(files)
        self._offsets = [member.offset for member in self._members]

    def read(self, offset: int, length_bytes: int) -> bytes:
        """Bytes of the artefact. Raises Refused: out of its range, or a file is not there."""
        end = offset + length_bytes
        if offset < 0 or length_bytes < 0 or end > artefact_bytes(self._members):
            raise Refused("A delta asks for more than the release it builds on has.")
        found = bytearray()
        index = max(0, bisect.bisect_right(self._offsets, offset) - 1)
        while offset < end and index < len(self._members):
            piece = self._piece(self._members[index], offset, end)
            found += piece
            offset += len(piece)
            index += 1
        return bytes(found) + bytes(end - offset)

    def _piece(self, member: Member, start: int, end: int) -> bytes:
        """What of this member lies in `start` to before `end`."""
        header = member.header[max(0, start - member.offset) : max(0, end - member.offset)]
        at = max(0, start - member.body)
        wanted = min(end - member.body, member.length_bytes) - at
        body = self._body(member, at, wanted) if wanted > 0 else b""
        after = min(end, member.end) - max(start, member.body + member.length_bytes)
        return header + body + bytes(max(0, after))

    def _body(self, member: Member, at: int, length_bytes: int) -> bytes:
        try:
            with (self._folder / member.name).open("rb") as source:
                source.seek(at)
                found = source.read(length_bytes)
        except OSError as error:
            raise Refused(f"{member.name} of the running release cannot be read.") from error
        if len(found) != length_bytes:
            raise Refused(f"{member.name} of the running release is shorter than it was.")
        return found
