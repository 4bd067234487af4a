"""The one durable write of the box, and the bounded read beside it.

Write, fsync the file, rename, fsync the directory: after a power cut a reader finds
the old bytes or the new ones, never a mixture and never an empty file.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ota.errors import Refused, Retry

TEMPORARY_SUFFIX = ".part"
_HASH_BLOCK_BYTES = 1 << 20


def write_durable(path: Path, data: bytes, mode: int = 0o644, sole: bool = False) -> None:
    """Replace `path` by `data` so that no power cut can tear it.

    `sole`: nobody else writes this path now, so what cuts left of earlier writes is removed; a
    box that is switched off every evening must not fill its disk. Raises Retry when the disk is
    full or read-only; the old file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    with _disk_errors_for(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if sole:
            _remove_leftovers(path)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)


def link_durable(target: str | Path, link: Path) -> None:
    """Point the symlink `link` at `target` in one atomic, durable step."""
    temporary = link.with_name(f".{link.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    with _disk_errors_for(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.symlink_to(target)
            temporary.replace(link)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(link.parent)


def is_file(path: Path) -> bool:
    """Is there a file of this name? No name is too strange to ask for."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def lies_in(path: Path, folder: Path) -> bool:
    """Is `path`, with every link followed, below `folder`? False for impossible names."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def read_bounded(path: Path, bytes_max: int) -> bytes:
    """The bytes of `path`; raises Refused when it is larger than `bytes_max`."""
    with path.open("rb") as source:
        data = source.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise Refused(f"{path} is larger than the allowed {bytes_max} bytes; check what wrote it.")
    return data


def sha256_file(path: Path, from_disk: bool = False, bytes_max: int | None = None) -> str:
    """Hex SHA-256 of a file or device of any size, or of its first `bytes_max` bytes.

    With `from_disk` the page cache is asked to forget the file, before and after: what is judged
    is what lies on the disk, and what is in use stays in the cache.
    """
    digest = hashlib.sha256()
    with path.open("rb") as source:
        if from_disk:
            os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        left = sys.maxsize if bytes_max is None else bytes_max
        while block := source.read(min(left, _HASH_BLOCK_BYTES)):
            digest.update(block)
            left -= len(block)
        if from_disk:
            os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return digest.hexdigest()


def sync_directory(directory: Path) -> None:
    """Make renames inside `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(directory: Path) -> None:
    """Remove the temporary files that power cuts left in `directory` (not below it).

    Only for a directory with one writer, and only by that one.
    """
    if directory.is_dir():
        for path in directory.glob(f".*{TEMPORARY_SUFFIX}"):
            path.unlink(missing_ok=True)


def copy_durable(source: Path, destination: Path) -> None:
    """Copy a file of any size; the copy is seen whole or not at all. Raises Retry (disk full)."""
    part = destination.with_name(f".{destination.name}{TEMPORARY_SUFFIX}")
    with GrowingFile(part) as growing, source.open("rb") as reader:
        growing.restart()
        while block := reader.read(_HASH_BLOCK_BYTES):
            growing.write(block)
        growing.commit(destination)


def _remove_leftovers(path: Path) -> None:
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY_SUFFIX}"):
        left.unlink(missing_ok=True)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextmanager
def _disk_errors_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Retry(f"The disk is full: {path} was not written; free some space.") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise Retry(f"{path} cannot be written; check the disk and its permissions.") from error
        raise


class GrowingFile:
    """A file that is written over many sittings and becomes `destination` only when whole.

    Use as a context manager; `commit` makes it durable under its final name. Raises Retry when
    the disk is full or read-only.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def __enter__(self) -> GrowingFile:
        with _disk_errors_for(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            if self.path.is_symlink():  # whoever laid it there wants us to write elsewhere
                self.path.unlink()
            self._descriptor = os.open(self.path, flags, 0o644)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def descriptor(self) -> int:
        """The open file's own number, for `os.fsync`."""
        return self._descriptor

    @property
    def size_bytes(self) -> int:
        """Bytes written so far, those of earlier sittings included."""
        return os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Append."""
        with _disk_errors_for(self.path):
            _write_all(self._descriptor, data)

    def restart(self) -> None:
        """Forget what was written."""
        self.cut_back(0)

    def cut_back(self, length_bytes: int) -> None:
        """Forget what was written after the first `length_bytes`."""
        with _disk_errors_for(self.path):
            os.ftruncate(self._descriptor, length_bytes)

    def commit(self, destination: Path) -> None:
        """fsync, rename to `destination` (same file system), fsync the directory."""
        with _disk_errors_for(destination):
            os.fsync(self._descriptor)
            self.path.replace(destination)
            sync_directory(destination.parent)
