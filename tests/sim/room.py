"""A microphone in a room where one says what is to be heard: as fast as the ear reads."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from device.audio.capture import CHUNK_SAMPLES, RATE_HZ, Chunk
from ota.clock import monotonic_ns, sleep_s


class Room:
    """A source of the ear. `now_ns` goes on with the sound that is read, not with the clock."""

    is_room = False
    fault: str | None = None
    level_dbfs: float | None = -50.0

    def __init__(self) -> None:
        self._chunks: deque[NDArray[np.float32]] = deque()
        self.now_ns = monotonic_ns()
        self._random = np.random.default_rng(1)

    def hears(self, *sounds: NDArray[np.float32], quiet_s: float = 1.2) -> None:
        """Each sound, and a quiet shop after it."""
        quiet = np.zeros(int(quiet_s * RATE_HZ), np.float32)
        room = np.concatenate([part for sound in sounds for part in (sound, quiet)])
        room = room + 0.0005 * self._random.standard_normal(len(room))
        for start in range(0, len(room) - CHUNK_SAMPLES + 1, CHUNK_SAMPLES):
            self._chunks.append(room[start : start + CHUNK_SAMPLES].astype(np.float32))

    @property
    def over(self) -> bool:
        """Was everything heard?"""
        return not self._chunks

    def read(self, timeout_s: float) -> Chunk | None:
        """The next 32 ms at once; after the last one, nothing."""
        if not self._chunks:
            sleep_s(min(timeout_s, 0.005))
            return None
        self.now_ns = max(self.now_ns + 32_000_000, monotonic_ns())
        return Chunk(self._chunks.popleft(), self.now_ns)

    def close(self) -> None:
        """Nothing to release."""
