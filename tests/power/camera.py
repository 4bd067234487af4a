"""Photographs of a folder: what is on the disk when the process dies before a storage call.

A process that dies loses nothing that it wrote, so one run, photographed before each of its calls,
shows all its deaths. What a lost page cache does is shown by the block level (`drill.py`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CALLS = (
    "open", "write", "rename", "replace", "mkdir", "unlink", "rmdir", "fsync", "ftruncate", "link",
    "symlink", "remove", "truncate", "sendfile", "copy_file_range",
)  # fmt: skip
# A path in the folder: ("file", bytes), ("link", target), ("folder", b"") or ("twin", other path).
Photo = dict[str, tuple[str, bytes]]
Told = frozenset[str]


def photograph(root: Path, pool: dict[bytes, bytes] | None = None) -> Photo:
    """All names and bytes below `root`; equal bytes are kept once in `pool`."""
    found: Photo = {}
    twins: dict[int, str] = {}
    pool = {} if pool is None else pool
    above = len(str(root)) + 1  # a photograph is taken of thousands of names: no paths are computed
    for entry in sorted(_below(str(root)), key=lambda entry: entry.path):
        name = entry.path[above:]
        if entry.is_symlink():
            found[name] = ("link", os.fsencode(Path(entry.path).readlink()))
        elif entry.is_dir():
            found[name] = ("folder", b"")
        else:
            state = entry.stat()
            if state.st_nlink > 1 and state.st_ino in twins:
                found[name] = ("twin", twins[state.st_ino].encode())
                continue
            twins[state.st_ino] = name
            with open(entry.path, "rb", 0) as file:  # noqa: PTH123  (twice as fast as pathlib)
                data = file.read()
            found[name] = ("file", pool.setdefault(data, data))
    return found


def develop(photo: Photo, root: Path) -> None:
    """Make `root` what was photographed."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    top = str(root)
    for name, (kind, data) in photo.items():
        path = f"{top}/{name}"
        if kind == "folder":
            os.mkdir(path)  # noqa: PTH102
        elif kind == "link":
            os.symlink(os.fsdecode(data), path)  # noqa: PTH211
        elif kind == "twin":
            os.link(f"{top}/{data.decode()}", path)
        else:
            with open(path, "wb") as file:  # noqa: PTH123
                file.write(data)


def name_of(photo: Photo) -> int:
    """The same for the same names and bytes."""
    return hash(frozenset(photo.items()))


@dataclass
class Camera:
    """Takes a photograph of `root` before each storage call of this process.

    `taken` holds what differs, each with what the flow had promised by then (`tell`); `calls`
    counts all. With `torn` each write is also photographed when half of it is done.
    """

    root: Path
    torn: bool = True
    calls: int = 0
    taken: list[tuple[Photo, Told]] = field(default_factory=list)
    _seen: set[tuple[int, Told]] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    _pool: dict[bytes, bytes] = field(default_factory=dict)

    def tell(self, promise: str) -> None:
        """The flow says what from now on must be true after any cut."""
        self._told.add(promise)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Photograph what is done inside, and at its end."""
        real = {name: getattr(os, name) for name in CALLS}
        try:
            for name, call in real.items():
                setattr(os, name, self._wrapped(name, call))
            yield
        finally:
            for name, call in real.items():
                setattr(os, name, call)
        self._take()

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if name == "open" and not given[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return real(*given, **named)
            self.calls += 1
            self._take()
            if name == "write" and self.torn and len(given[1]) > 1:
                half = bytes(given[1])[: len(given[1]) // 2]
                done = int(real(given[0], half))
                self._take()
                return done  # the caller writes the rest: our writers loop
            return real(*given, **named)

        return call

    def _take(self) -> None:
        photo = photograph(self.root, self._pool)
        key = (name_of(photo), frozenset(self._told))
        if key not in self._seen:
            self._seen.add(key)
            self.taken.append((photo, key[1]))


def _below(folder: str) -> Iterable[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path)
