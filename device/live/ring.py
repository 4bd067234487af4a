"""The last seconds of a live voice on the sound timeline: written ahead, read by two threads."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
FRAMES = 48_000 * 4
RAMP_FRAMES = 96
FADE_FRAMES = 384


class Ring:
    """Frames of the timeline at 48 kHz, silence where nothing was written. Thread-safe."""

    def __init__(self) -> None:
        self._data = np.zeros(FRAMES, np.float32)
        self._lock = threading.Lock()
        self._first = self._end = 0

    @property
    def end(self) -> int:
        """One past the newest frame that was written."""
        return self._end

    def write(self, start: int, samples: Samples) -> None:
        """Put a chunk at `start`, not before `end`; a gap before it is silence, without a click."""
        with self._lock:
            if start < self._end or len(samples) > FRAMES // 2:
                return
            if start > self._end:
                samples = samples.copy()
                ramp = min(RAMP_FRAMES, len(samples))
                samples[:ramp] *= np.linspace(0.0, 1.0, ramp, dtype=np.float32)
                if start - self._end >= FRAMES or self._end == 0:
                    self._first = start
                else:
                    self._put(self._end, np.zeros(start - self._end, np.float32))
            self._put(start, samples)
            self._end = start + len(samples)
            self._first = max(self._first, self._end - FRAMES)

    def read(self, start: int, frames: int) -> Samples | None:
        """`frames` of the timeline from `start`; None where all of it is silence."""
        with self._lock:
            first, last = max(start, self._first), min(start + frames, self._end)
            if first >= last:
                return None
            found = np.zeros(frames, np.float32)
            found[first - start : last - start] = self._data[np.arange(first, last) % FRAMES]
            return found

    def cut(self, at: int) -> int:
        """Forget everything from `at` on, faded out over 8 ms; returns where sound ends."""
        with self._lock:
            last = min(self._end, at + FADE_FRAMES)
            if last > at:
                places = np.arange(at, last) % FRAMES
                self._data[places] *= np.linspace(1.0, 0.0, last - at, dtype=np.float32)
            self._end = min(self._end, last)
            return max(at, last)

    def _put(self, start: int, samples: Samples) -> None:
        self._data[np.arange(start, start + len(samples)) % FRAMES] = samples
