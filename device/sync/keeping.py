"""What stays on the disk: room for what comes, and a slow look at whether what is here is whole.

What is playing, what was good at the last start, and what the wanted programme needs is never
removed to make room.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from device.programme.schema import INDEX_FILE
from device.sync.bringing import files_of
from ota.box.store import Store
from ota.fetch import DISK_RESERVE_BYTES, DiskFull
from ota.files import sha256_file

# A minute's share of the scrub: 4 GiB are looked at in four hours, at 0.1 % of a core.
SCRUB_BYTES = 16 << 20


@dataclass(frozen=True)
class Lying:
    """A file of the store: the content it is or will be, its size, and when it came."""

    sha256: str
    length_bytes: int
    came_s: float


def hashes_in(folder: Path) -> set[str]:
    """The files of a programme folder by hash, its index among them; none without an index."""
    files = files_of(folder)
    hashes = {entry.sha256 for entry in files.values()}
    return hashes | {sha256_file(folder / INDEX_FILE)} if files else hashes


def choose(lying: Sequence[Lying], needed: Collection[str], bytes_over: int) -> list[str]:
    """What to remove so that `bytes_over` come free: what nobody needs, the oldest first.

    Nothing when that would not be enough: then nothing is thrown away in vain.
    """
    chosen: list[str] = []
    for each in sorted(lying, key=lambda each: each.came_s):
        if bytes_over <= 0:
            break
        if each.sha256 not in needed:
            chosen.append(each.sha256)
            bytes_over -= each.length_bytes
    return chosen if bytes_over <= 0 else []


def make_room(
    store: Store, length_bytes: int, folders: Sequence[Path], kept: Collection[str],
    needed: Collection[str],
) -> None:
    """Have `length_bytes` free, within the store's limit and on the disk.

    `kept` names the folders that stay, `needed` are hashes of what is about to be used. Folders
    that nobody plays go first, then files of no folder. Raises Retry when it is not enough.
    """
    if length_bytes <= 0 or _bytes_over(store, length_bytes) <= 0:
        return
    staying = [folder for folder in folders if folder.name in kept]
    in_use = set(needed).union(*(hashes_in(folder) for folder in staying))
    for folder in folders:
        if folder not in staying:
            shutil.rmtree(folder, ignore_errors=True)
    for sha256 in choose(lying_in(store), in_use, _bytes_over(store, length_bytes)):
        store.remove(sha256)
    store.make_room(length_bytes)
    if _bytes_over(store, length_bytes) > 0:
        raise DiskFull(
            f"The disk has no room for {length_bytes >> 20} MB; what is playing stays. Remove "
            "something that is not Vitrine's."
        )


def _bytes_over(store: Store, length_bytes: int) -> int:
    """How many bytes too many `length_bytes` more would be; not above 0 when they fit."""
    free_bytes = store.disk_free_bytes() - DISK_RESERVE_BYTES
    return max(length_bytes - store.free_bytes(), length_bytes - free_bytes)


def lying_in(store: Store) -> list[Lying]:
    """All files of the store, half-loaded ones with them."""
    found = []
    for path in store.files():
        try:
            state = path.stat()
        except OSError:
            continue
        name = path.name.lstrip(".").split(".")[0]
        found.append(Lying(name, state.st_size, state.st_mtime))
    return found


class Scrub:
    """Reads the store again, a little at a time and past the cache, round and round."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Not always the same files first: a box may be switched off every night.
        self._at = f"{random.randrange(256):02x}"

    def look(self, bytes_max: int = SCRUB_BYTES) -> list[str]:
        """The next files, at least one; returns the rotten ones, which are gone now."""
        names = list(self._store.names())
        ahead = [name for name in names if name > self._at] or names
        rotten = []
        read_bytes = 0
        for name in ahead:
            if read_bytes >= bytes_max:
                break
            self._at = name
            read_bytes += self._store.length_bytes(name)
            if not self._store.verify(name, from_disk=True):
                rotten.append(name)
        return rotten


def leave_only(store: Store, folders: Sequence[Path], kept: Collection[str]) -> int:
    """Remove programme folders that are not `kept`, and their files; returns freed folders."""
    unused = [folder for folder in folders if folder.name not in kept]
    needed = {sha for folder in folders if folder.name in kept for sha in hashes_in(folder)}
    for folder in unused:
        for sha256 in hashes_in(folder) - needed:
            store.remove(sha256)
        shutil.rmtree(folder, ignore_errors=True)
    return len(unused)
