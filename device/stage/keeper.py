"""What stays when the player does not: the last good picture, and the sign that it presents.

The sign is a file lock held by the presenting process: the kernel drops it the moment the
process dies, however it dies. `vitrine-safe` and the preview watch it and show the picture.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from device.paths import Places
from device.render.dirty import Box
from device.render.pixels import Picture, jpeg_bytes, picture_from_bytes
from device.stage.discretion import veil
from ota.clock import monotonic_s
from ota.errors import VitrineError
from ota.files import read_bounded, write_durable

PICTURE_S_MIN = 30.0
PICTURE_BYTES_MAX = 8 << 20
JPEG_QUALITY = 90
CLOSE_S = 2.0


def last_picture_path(places: Places) -> Path:
    """Where the last good frame is kept, over restarts and power cuts."""
    return places.var / "safe" / "last.jpg"


def presence_path(places: Places) -> Path:
    """The file whose lock says that a player presents."""
    return places.run / "presenting.lock"


class Presence:
    """Held by the presenting process from its first frame to its end."""

    def __init__(self, places: Places) -> None:
        path = presence_path(places)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def hold(self) -> None:
        """Say that this process presents; watchers hold the lock for microseconds only."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def close(self) -> None:
        """Give it back."""
        os.close(self._descriptor)


def somebody_presents(places: Places) -> bool:
    """Does a living player present now?"""
    try:
        descriptor = os.open(presence_path(places), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def last_picture(places: Places) -> Picture | None:
    """The last good frame as BGRA, None where there is none that can be read."""
    try:
        path = last_picture_path(places)
        return picture_from_bytes(read_bounded(path, PICTURE_BYTES_MAX), path.name)
    except (OSError, VitrineError):
        return None


def last_picture_ns(places: Places) -> int:
    """When the last good frame was written, in ns; 0 where there is none."""
    try:
        return last_picture_path(places).stat().st_mtime_ns
    except OSError:
        return 0


class PictureKeeper:
    """Saves a frame when asked, not more often than PICTURE_S_MIN, off the present thread."""

    def __init__(self, places: Places) -> None:
        self._path = last_picture_path(places)
        self._wanted = threading.Event()
        self._newest: tuple[Picture, Sequence[Box]] | None = None
        self._last_s = -PICTURE_S_MIN
        self._queue: queue.Queue[Picture | None] = queue.Queue(1)
        self._thread = threading.Thread(target=self._work, name="keeper", daemon=True)

    def start(self) -> PictureKeeper:
        """Begin; the first frames of a run are asked for at once."""
        self._thread.start()
        return self

    def want(self) -> None:
        """The next frame is a good one to keep (a sentence has ended)."""
        if monotonic_s() - self._last_s >= PICTURE_S_MIN:
            self._wanted.set()

    def presented(self, canvas: Picture, private: Sequence[Box] = ()) -> None:
        """Called for each frame; copies it only when one is wanted and nothing in it is private."""
        self._newest = canvas, private
        if self._wanted.is_set() and not private and not self._queue.full():
            self._wanted.clear()
            self._last_s = monotonic_s()
            self._queue.put_nowait(canvas.copy())

    def close(self) -> None:
        """End with the newest frame kept: whoever follows takes over from just that picture.

        To be called by the presenting thread while its sink is still open.
        """
        if not self._thread.is_alive():
            return
        with suppress(queue.Full):  # a disk that hangs must not hold up the end
            if self._newest is not None:
                canvas = self._newest[0].copy()
                veil(canvas, self._newest[1])
                self._queue.put(canvas, timeout=CLOSE_S)
            self._queue.put(None, timeout=CLOSE_S)
            self._thread.join(CLOSE_S)

    def _work(self) -> None:
        while (canvas := self._queue.get()) is not None:
            try:
                write_durable(self._path, jpeg_bytes(canvas, JPEG_QUALITY))
            except (VitrineError, OSError):
                # A full disk costs the safe picture, never the live one.
                continue
