"""Is the picture alive? Told by the pixels that were presented, never by a thread that says so.

An avatar moves even when it rests, and video has noise: some of a thousand pixels change from one
fifth of a second to the next. When none does for seconds, decoder, compositor or screen hang. A
picture of which not one of these pixels is brighter than black is none, though it may be presented
25 times a second: the safe picture lies above the player's when a screen is to be dark.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable

from device.render.pixels import Picture
from ota.clock import monotonic_s

SAMPLE_EVERY_FRAMES = 5
SAMPLES_A_SIDE = 32
LOOK_S = 0.5
FROZEN_LOOKS_MAX = 16
BLACK_MAX = 16
# The watchdog is fed only while the picture is no older than this.
ALIVE_S = 2.0


class Liveness:
    """`note` belongs to the present loop, the rest to anybody. `still`: nothing has to move."""

    def __init__(self) -> None:
        self.still = False
        self.changes = 0
        self.black = False
        self._frames = 0
        self._sample = 0
        self._changed_s: float | None = None

    def note(self, canvas: Picture) -> None:
        """A frame was presented: this is what stands in the screen's memory."""
        self._frames += 1
        if self._frames % SAMPLE_EVERY_FRAMES and self._changed_s is not None:
            return
        self.black = is_black(canvas)
        sample = sampled(canvas)
        if self.still or sample != self._sample or self._changed_s is None:
            self._sample, self._changed_s = sample, monotonic_s()
            self.changes += 1

    def frozen_s(self) -> float:
        """Seconds since the presented picture last changed; 0 before the first frame."""
        return 0.0 if self._changed_s is None else monotonic_s() - self._changed_s

    @property
    def alive(self) -> bool:
        """A frame was presented, the picture moves, and it is not black."""
        return self._changed_s is not None and self.frozen_s() < ALIVE_S and not self.black


def sampled(canvas: Picture) -> int:
    """A checksum of some pixels, spread over the whole picture."""
    return zlib.crc32(_some_of(canvas).tobytes())


def is_black(canvas: Picture) -> bool:
    """Is none of these pixels brighter than black?"""
    return bool(_some_of(canvas).max() <= BLACK_MAX)


def _some_of(canvas: Picture) -> Picture:
    down = max(1, canvas.shape[0] // SAMPLES_A_SIDE)
    along = max(1, canvas.shape[1] // SAMPLES_A_SIDE)
    return canvas[down // 2 :: down, along // 2 :: along, :3]


class Patience:
    """Counts looks without a change. Looks and not seconds: a process that was stopped as a
    whole, picture and watcher, is no frozen picture."""

    def __init__(self, looks_max: int = FROZEN_LOOKS_MAX) -> None:
        self._looks_max, self._looks, self._seen = looks_max, 0, 0

    def is_over(self, changes: int) -> bool:
        """One look; True when the picture must be given up. Before the first change: never."""
        self._looks = self._looks + 1 if changes == self._seen else 0
        self._seen = changes
        return changes > 0 and self._looks >= self._looks_max


class PictureGuard:
    """Watches one Liveness from a thread of its own, and calls `frozen` once."""

    def __init__(
        self, liveness: Liveness, frozen: Callable[[], None], look_s: float = LOOK_S
    ) -> None:
        self._liveness, self._frozen, self._look_s = liveness, frozen, look_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    def start(self) -> PictureGuard:
        """Begin to watch."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Watch no longer."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _watch(self) -> None:
        patience = Patience()
        while not self._stop.wait(self._look_s):
            if patience.is_over(self._liveness.changes):
                self._frozen()
                return


def frozen_detail(seconds: float) -> dict[str, str]:
    """What is told of a picture that stood still."""
    return {"from": "player", "fault": "picture-frozen", "what": (
        f"画面停住 {seconds:.0f} 秒,播放重新启动 / "
        f"The picture stood still for {seconds:.0f} s; the player starts again.")}
