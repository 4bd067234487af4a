"""What the loudspeaker plays, sample by sample, from the player to the ear: a ring in a file.

The only samples that cross processes. The writer runs in the audio callback: no lock, no system
call, a few microseconds. Two headers are written in turn, each with its checksum: a writer killed
in the middle leaves the other one valid. A new player makes a new file; the reader follows.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.audio.clock import MediaClock
from ota.clock import monotonic_ns
from ota.errors import Retry

Samples = npt.NDArray[np.float32]

FILE_NAME = "played.ring"
RATE_HZ = 48_000
RING_FRAMES = 1 << 18  # 5.5 s
_MAGIC = b"VTRPLAY1"
_HEAD = struct.Struct("<8sIIQqqqq")
_SUM = struct.Struct("<I")
_SLOT_BYTES = 128
_DATA_AT = 4096
FILE_BYTES = _DATA_AT + 4 * RING_FRAMES
STALE_NS = 1_000_000_000
_LOOK_EVERY_NS = 500_000_000


@dataclass(frozen=True)
class Playing:
    """One header: frames `begin` up to `end` are known; `end` is audible at `end_ns` (monotonic).

    `run` names the writer: another one counts from zero again.
    """

    number: int
    run: int
    begin: int
    end: int
    end_ns: int
    rate_hz: int

    def frame_at(self, at_ns: int) -> float:
        """The frame that is audible at `at_ns`, where the device's clock is to be believed."""
        return self.end + (at_ns - self.end_ns) * self.rate_hz / 1e9


class ReferenceWriter:
    """`write` is the speaker's tap: each block after its gain, with the frame it begins at.

    Raises Retry when the file cannot be made.
    """

    def __init__(self, folder: Path, clock: MediaClock) -> None:
        self._path = folder / FILE_NAME
        self._clock = clock
        self._number = 0
        self._run = monotonic_ns()
        self._begin = self._end = -1
        part = self._path.with_name(f"{FILE_NAME}.{os.getpid()}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._map, self._inode = _made(part)
            part.replace(self._path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise Retry(
                f"{self._path} could not be made; the ear will be deaf while the avatar speaks."
            ) from error
        self._ring = np.frombuffer(self._map, np.float32, RING_FRAMES, _DATA_AT)

    def write(self, index: int, block: Samples) -> None:
        """Frames `index` and on: at most one ring; a gap before them was silence."""
        if not 0 <= index - self._end <= RING_FRAMES - len(block) or self._end < 0:
            self._begin = self._end = index
        if index > self._end:
            self._put(self._end, np.zeros(index - self._end, np.float32))
        self._put(index, block)
        self._end = index + len(block)
        self._begin = max(self._begin, self._end - RING_FRAMES)
        self._number += 1
        end_ns = int(self._clock.when_s(self._end / RATE_HZ) * 1e9)
        head = _HEAD.pack(
            _MAGIC, RATE_HZ, RING_FRAMES, self._number, self._run, self._begin, self._end, end_ns
        )
        at = self._number % 2 * _SLOT_BYTES
        self._map[at : at + len(head) + 4] = head + _SUM.pack(zlib.crc32(head))

    def close(self) -> None:
        """Let the file go, if it is still ours: the ear sees at once that nobody plays."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _put(self, index: int, block: Samples) -> None:
        at = index % RING_FRAMES
        first = min(len(block), RING_FRAMES - at)
        self._ring[at : at + first] = block[:first]
        self._ring[: len(block) - first] = block[first:]


class ReferenceReader:
    """The ear's end: `look` for who plays, then `frames`. Never raises for what it finds."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._map: mmap.mmap | None = None
        self._inode = -1
        self._looked_ns: int | None = None

    def look(self, now_ns: int) -> Playing | None:
        """The newest whole header; None without a player, or when it gave no sound for 1 s."""
        if self._looked_ns is None or not 0 <= now_ns - self._looked_ns < _LOOK_EVERY_NS:
            self._looked_ns = now_ns
            self._reopen()
        playing = self._head()
        if playing is None or now_ns - playing.end_ns > STALE_NS:
            return None
        return playing

    def frames(self, first: int, count: int) -> Samples | None:
        """`count` frames from `first`; None when the ring does not hold all of them any more."""
        if self._map is None or not 0 < count <= RING_FRAMES:
            return None
        ring = np.frombuffer(self._map, np.float32, RING_FRAMES, _DATA_AT)
        found = np.take(ring, np.arange(first, first + count), mode="wrap")
        now = self._head()  # after the copy: what was overwritten meanwhile shows in `begin`
        if now is None or first < now.begin or first + count > now.end:
            return None
        return found if bool(np.isfinite(found).all()) else None

    def close(self) -> None:
        """Let go of the file."""
        self._map = None

    def _head(self) -> Playing | None:
        if self._map is None:
            return None
        heads = (_parsed(self._map[at : at + _SLOT_BYTES]) for at in (0, _SLOT_BYTES))
        return max((h for h in heads if h is not None), key=lambda h: h.number, default=None)

    def _reopen(self) -> None:
        """Map the file that has the name now; a short one is not mapped: reading past its end
        would end this process."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                if status.st_ino == self._inode and self._map is not None:
                    return
                self._map, self._inode = None, status.st_ino
                if status.st_size == FILE_BYTES:
                    self._map = mmap.mmap(file.fileno(), FILE_BYTES, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            self._map = None


def _made(path: Path) -> tuple[mmap.mmap, int]:
    """A file with all its blocks: a hole in a full file system would be a SIGBUS later."""
    with path.open("w+b") as file:
        os.posix_fallocate(file.fileno(), 0, FILE_BYTES)
        os.fchmod(file.fileno(), 0o600)
        return mmap.mmap(file.fileno(), FILE_BYTES), os.fstat(file.fileno()).st_ino


def _parsed(slot: bytes) -> Playing | None:
    head = slot[: _HEAD.size]
    if zlib.crc32(head) != _SUM.unpack_from(slot, _HEAD.size)[0]:
        return None
    magic, rate_hz, ring, number, run, begin, end, end_ns = _HEAD.unpack(head)
    if magic != _MAGIC or ring != RING_FRAMES or rate_hz != RATE_HZ or not begin <= end:
        return None
    return Playing(number, run, begin, end, end_ns, rate_hz)
