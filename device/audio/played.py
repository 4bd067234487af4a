"""The played sound as a 16 kHz signal that can be read at any moment, also between two samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.audio.reference import RATE_HZ, Playing, ReferenceReader
from device.audio.resample import Resampler, windows

Samples = npt.NDArray[np.float32]
Positions = npt.NDArray[np.float64]

HEARD_HZ = 16_000
_RATIO = RATE_HZ // HEARD_HZ
KEPT_SAMPLES = 4 * HEARD_HZ
_FRAMES_MAX = 2 * RATE_HZ
_TAPS = 32
_PHASES = 512


class Played:
    """`follow` each chunk; positions are 16 kHz samples of the player's timeline.

    `lost` counts the times that a piece was overwritten before it was read.
    """

    def __init__(self, folder: Path) -> None:
        self._reader = ReferenceReader(folder)
        self._run: int | None = None
        self._next_frame = 0
        self._resampler = Resampler(RATE_HZ, HEARD_HZ)
        self._kept = np.zeros(0, np.float32)
        self._end = 0
        self.lost = 0

    def follow(self, now_ns: int) -> Playing | None:
        """Take what was played since; None when nobody plays."""
        playing = self._reader.look(now_ns)
        if playing is None:
            self._run = None
            return None
        if playing.run != self._run or playing.begin > self._next_frame:
            self.lost += playing.run == self._run
            self._begin_anew(playing)
        frames = playing.end - self._next_frame
        if frames > 0:
            block = self._reader.frames(self._next_frame, frames)
            if block is None:
                self.lost += 1
                self._run = None
                return None
            self._next_frame = playing.end
            ready = self._resampler.feed(block)
            self._end += len(ready)
            self._kept = np.concatenate([self._kept, ready])[-KEPT_SAMPLES:]
        return playing

    def at(self, positions: Positions) -> Samples:
        """The sound at these rising positions (one step apart or nearly); zeros where unknown."""
        whole = np.floor(positions).astype(np.int64)
        first, last = int(whole[0]) - _TAPS // 2 + 1, int(whole[-1]) + _TAPS // 2 + 1
        piece = self.piece(first, last - first)
        phase = np.minimum((positions - whole) * _PHASES + 0.5, _PHASES).astype(np.int64)
        rows = windows(piece, len(piece) - _TAPS + 1, _TAPS)[whole - int(whole[0])]
        found: Samples = np.einsum("ij,ij->i", rows, _KERNELS[phase])
        return found

    def piece(self, first: int, count: int) -> Samples:
        """`count` samples from position `first`; zeros where unknown."""
        found = np.zeros(count, np.float32)
        begin = self._end - len(self._kept)
        low, high = max(first, begin), min(first + count, self._end)
        if low < high:
            found[low - first : high - first] = self._kept[low - begin : high - begin]
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    def _begin_anew(self, playing: Playing) -> None:
        self._run = playing.run
        first = max(playing.begin, playing.end - _FRAMES_MAX)
        first += -first % _RATIO
        self._next_frame = first
        self._resampler = Resampler(RATE_HZ, HEARD_HZ)
        self._kept = np.zeros(0, np.float32)
        self._end = first // _RATIO


def _kernels() -> Samples:
    """Windowed sinc (Kaiser, beta 8) between samples, one row a phase; each row sums to one."""
    offsets = np.arange(_TAPS) - (_TAPS // 2 - 1)
    away = offsets[None, :] - np.arange(_PHASES + 1)[:, None] / _PHASES
    window = np.i0(8.0 * np.sqrt(np.maximum(0.0, 1.0 - (away / (_TAPS / 2)) ** 2)))
    rows = np.sinc(away) * window
    kernels: Samples = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return kernels


_KERNELS = _kernels()
