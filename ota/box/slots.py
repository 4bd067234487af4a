"""Two places for a release and one switch between them.

    <opt>/slots/a/  <opt>/slots/b/    code trees; `release.json` in it says: whole and verified
    <opt>/current -> slots/a          the switch, one atomic durable symlink

`release.json` is written last and removed first, so a slot that was cut while it was written is
never taken for whole. `Slots` is a protocol: operating-system slots (RAUC) come behind it later.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

from ota.box.state import SLOTS
from ota.errors import Refused, Retry
from ota.files import (
    GrowingFile,
    link_durable,
    read_bounded,
    sha256_file,
    sweep,
    sync_directory,
    write_durable,
)
from ota.formats.manifest import MANIFEST_BYTES_MAX, Manifest, parse_manifest

MARK = "release.json"
BLOCK_BYTES = 1 << 20
RESERVE_BYTES = 32 << 20
# Python leaves compiled files beside the code that runs; they are no part of a release.
IGNORED_FOLDER = "__pycache__"
Members = Iterator[tuple[str, IO[bytes]]]
Progress = Callable[[int, int], None]


class Slots(Protocol):
    """What an install needs of slots. Slot names are those of `ota.box.state.SLOTS`."""

    def version(self, slot: str) -> str | None:
        """The version in a slot that is marked whole, else None."""

    def mark_bad(self, slot: str) -> None:
        """From now on, durably, this slot is not bootable."""

    def check_room(self, slot: str, bytes_wanted: int) -> None:
        """Raises Retry when the slot cannot take so much."""

    def write(
        self, slot: str, manifest: Manifest, members: Members, progress: Progress | None
    ) -> None:
        """Write a release into a slot that is marked bad. Raises Refused, Retry."""

    def mark_whole(self, slot: str, manifest: bytes) -> None:
        """Verify every byte against the manifest, then mark the slot bootable. Raises Refused."""

    def make_active(self, slot: str | None) -> None:
        """Set the switch, durably; None is the code the machine came with."""

    def active(self) -> str | None:
        """Where the switch points."""


class DirectorySlots:
    """Slots as folders under `opt`."""

    def __init__(self, opt: Path) -> None:
        self._opt = opt

    @property
    def current(self) -> Path:
        """The switch: a symlink, missing while the machine runs the code it came with."""
        return self._opt / "current"

    def folder(self, slot: str) -> Path:
        """The code tree of a slot."""
        if slot not in SLOTS:
            raise Refused(f"{slot[:20]!r} is not a slot; they are {' and '.join(SLOTS)}.")
        return self._opt / "slots" / slot

    def sweep(self) -> None:
        """Throw away what power cuts left half written beside the switch."""
        sweep(self._opt)

    def version(self, slot: str) -> str | None:
        """The version in a slot that is marked whole, else None."""
        manifest = self.manifest(slot)
        return None if manifest is None else manifest.version

    def verified(self, slot: str) -> bool:
        """True when the slot is marked whole and every byte is as signed. Reads it all."""
        manifest = self.manifest(slot)
        return manifest is not None and self._fault(slot, manifest) is None

    def mark_bad(self, slot: str) -> None:
        """From now on, durably, this slot is not bootable."""
        mark = self.folder(slot) / MARK
        if mark.exists():
            mark.unlink()
            sync_directory(mark.parent)

    def check_room(self, slot: str, bytes_wanted: int) -> None:
        """Raises Retry when the disk, with this slot emptied, cannot take so much."""
        self._opt.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._opt).free + self._held_bytes(slot)
        if free < bytes_wanted + RESERVE_BYTES:
            raise Retry(
                f"The disk of {self._opt} has {free >> 20} MB for a release of "
                f"{bytes_wanted >> 20} MB; free some space."
            )

    def bytes_beside(self, slot: str, bytes_wanted: int, other: Path) -> int:
        """What writing the slot will take of the disk of folder `other`, net of what it holds."""
        existing = next(path for path in (other, *other.parents) if path.exists())
        if existing.stat().st_dev != self._opt.stat().st_dev:
            return 0
        return bytes_wanted - self._held_bytes(slot) + RESERVE_BYTES

    def write(
        self, slot: str, manifest: Manifest, members: Members, progress: Progress | None = None
    ) -> None:
        """Write a release into a slot that is marked bad. Raises Refused, Retry."""
        folder = self.folder(slot)
        if (folder / MARK).exists():
            raise Refused(f"Slot {slot} is still marked bootable and is not written to.")
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        total = manifest.unpacked_bytes
        done = 0
        for name, reader in members:
            entry = manifest.files.get(name)
            path = folder / name
            if entry is None or path.exists():
                raise Refused(f"The release holds {name[:80]!r}, which its manifest does not.")
            _write_file(path, reader, entry.bytes, entry.sha256)
            done += entry.bytes
            if progress:
                progress(done, total)

    def mark_whole(self, slot: str, manifest: bytes) -> None:
        """Verify every byte against the manifest, then mark the slot bootable. Raises Refused."""
        fault = self._fault(slot, parse_manifest(manifest))
        if fault:
            raise Refused(f"Slot {slot} is not as signed: {fault}; it is written again.")
        folder = self.folder(slot)
        # The folders' names must be on disk before the mark that vouches for them.
        for path in (*(p for p in folder.rglob("*") if p.is_dir()), folder, folder.parent):
            sync_directory(path)
        sync_directory(self._opt)
        write_durable(folder / MARK, manifest)

    def make_active(self, slot: str | None) -> None:
        """Set the switch, durably; None is the code the machine came with."""
        if slot == self.active():
            return
        if slot is None:
            self.current.unlink(missing_ok=True)
            sync_directory(self._opt)
        else:
            link_durable(Path("slots") / slot, self.current)

    def active(self) -> str | None:
        """Where the switch points; None when there is none."""
        try:
            return self.current.readlink().name
        except (FileNotFoundError, OSError):
            return None

    def manifest(self, slot: str) -> Manifest | None:
        """What is in a slot that is marked whole."""
        try:
            return parse_manifest(read_bounded(self.folder(slot) / MARK, MANIFEST_BYTES_MAX))
        except (OSError, Refused):
            return None

    def _held_bytes(self, slot: str) -> int:
        return sum(p.stat().st_size for p in self.folder(slot).rglob("*") if p.is_file())

    def _fault(self, slot: str, manifest: Manifest) -> str | None:
        folder = self.folder(slot)
        for name, entry in manifest.files.items():
            path = folder / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size != entry.bytes:
                return f"{name} is missing or of another size"
            if sha256_file(path) != entry.sha256:
                return f"{name} has other bytes"
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            known = name in manifest.files or name == MARK or path.is_dir()
            if not known and IGNORED_FOLDER not in path.parts:
                return f"{name} does not belong there"
        return None


def _write_file(path: Path, reader: IO[bytes], length_bytes: int, sha256: str) -> None:
    digest = hashlib.sha256()
    part = path.with_name(f".{path.name}.part")
    with GrowingFile(part) as growing:
        while block := reader.read(BLOCK_BYTES):
            digest.update(block)
            growing.write(block)
            if growing.size_bytes > length_bytes:
                break
        if growing.size_bytes != length_bytes or digest.hexdigest() != sha256:
            raise Refused(f"{path.name} in the release is not as signed.")
        growing.commit(path)
