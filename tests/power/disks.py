"""A disk whose writes are logged, and a disk that is made what a power cut may have left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.power import mounts
from tests.power.states import PAGE_BYTES, Pages

DISK_BYTES = 64 << 20
SERVER = Path(__file__).with_name("logged_disk.py")
# Small tables: a state is written anew for each look at it.
MAKE = (
    "mkfs.ext4", "-q", "-F", "-b", "4096", "-N", "1024", "-J", "size=4", "-E",
    "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
)  # fmt: skip
END_S = 20


def make_disk(path: Path) -> None:
    """An empty ext4 of `DISK_BYTES`."""
    with path.open("wb") as file:
        file.truncate(DISK_BYTES)
    search = f"{os.environ.get('PATH', '')}:/sbin:/usr/sbin"
    tool = shutil.which(MAKE[0], path=search) or MAKE[0]
    subprocess.run([tool, *MAKE[1:], str(path)], check=True)


@contextmanager
def plain(path: Path, point: Path) -> Iterator[Path]:
    """The disk in `path`, mounted."""
    device = mounts.attach(path)
    mounts.mount(mounts.loop_name(device), point, "ext4")
    try:
        yield point
    finally:
        mounts.unmount(point)
        os.close(device)


class LoggedFile:
    """A disk in a file at `path` that begins as `base`; what reaches it is logged to `log`."""

    def __init__(self, base: Path, log: Path, point: Path) -> None:
        point.mkdir(exist_ok=True)
        self._point, self.path = point, point / "disk"
        fuse = os.open("/dev/fuse", os.O_RDWR)
        self._server = subprocess.Popen(
            [sys.executable, "-S", str(SERVER), str(fuse), str(base), str(log)],
            pass_fds=[fuse], env={**os.environ, "PYTHONPATH": ""},
        )  # fmt: skip
        told = f"fd={fuse},rootmode=40000,user_id=0,group_id=0"
        mounts.mount("logged", point, "fuse", told)
        os.close(fuse)
        self._notes = os.open(point / "mark", os.O_WRONLY)

    def tell(self, promise: str) -> None:
        """A note in the log, after all that was written before it."""
        os.write(self._notes, promise.encode())

    def close(self) -> None:
        """The log is whole; nobody may use the disk any more."""
        os.close(self._notes)
        # Its last user lets it go a moment later.
        for _ in range(200):
            try:
                mounts.unmount(self._point)
                break
            except OSError:
                mounts.pause()
        self._server.wait(END_S)


class Logged:
    """A mounted disk that begins as `base` and logs to `log`. A context manager."""

    def __init__(self, base: Path, log: Path, work: Path, options: str) -> None:
        self.point = work / "logged"
        self.point.mkdir(exist_ok=True)
        self._file = LoggedFile(base, log, work / "fuse")
        self._device = mounts.attach(self._file.path)
        mounts.mount(mounts.loop_name(self._device), self.point, "ext4", options)

    def __enter__(self) -> Logged:
        return self

    def tell(self, promise: str) -> None:
        """A note in the log, after all that was written before it."""
        self._file.tell(promise)

    def __exit__(self, *_: object) -> None:
        mounts.unmount(self.point)
        os.close(self._device)
        self._file.close()


class Replayed:
    """A disk in memory that becomes one state after another."""

    def __init__(self, path: Path, point: Path, options: str) -> None:
        point.mkdir(exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, DISK_BYTES)
        self._device = mounts.attach(path)
        self._point, self._options = point, options

    @contextmanager
    def mounted(self, pages: Pages) -> Iterator[Path]:
        """The disk as these pages, mounted as a box does it: the journal is replayed.

        Raises OSError when it cannot be mounted.
        """
        os.ftruncate(self._file, 0)
        os.ftruncate(self._file, DISK_BYTES)
        for offset, data in _runs(pages):
            os.pwrite(self._file, data, offset)
        mounts.forget_cache(self._device)
        mounts.mount(mounts.loop_name(self._device), self._point, "ext4", self._options)
        try:
            yield self._point
        finally:
            mounts.unmount(self._point)

    def close(self) -> None:
        """Let the loop device go."""
        os.close(self._device)
        os.close(self._file)


def _runs(pages: Pages) -> Iterator[tuple[int, bytes]]:
    """Neighbouring pages together: (offset, bytes)."""
    begin, run = -1, []
    for number in sorted(pages):
        if run and number != begin + len(run):
            yield begin * PAGE_BYTES, b"".join(run)
            run = []
        if not run:
            begin = number
        run.append(pages[number])
    if run:
        yield begin * PAGE_BYTES, b"".join(run)
