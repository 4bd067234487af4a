"""What is wrong with a microphone that delivers: silence, a dead channel, clipping. Pure.

Each is judged over some seconds of blocks as the card gives them, before they are mixed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

ZEROS_S = 5.0
DEAD_S = 10.0
WINDOW_S = 2.0
CLIPPED = 0.985
CLIPPED_SHARE = 0.002
CLIPPED_WINDOWS = 3
_DEAD = 1e-5
_ALIVE = 1e-3


class Health:
    """`note` every block; `fault` is one sentence, or None while all is well."""

    def __init__(self, name: str, rate_hz: int, zeros_are_fault: bool = True) -> None:
        self._name, self._rate_hz = name, rate_hz
        self._zeros_are_fault = zeros_are_fault
        self._zeros = 0
        self._dead: npt.NDArray[np.int64] | None = None
        self._frames = self._over = 0
        self._clipped_windows = 0

    def note(self, block: Samples) -> None:
        """(frames, channels) float32, full scale 1."""
        if not len(block):
            return
        peaks = np.abs(block).max(axis=0)
        loudest = float(peaks.max())
        self._zeros = self._zeros + len(block) if loudest == 0.0 else 0
        if self._dead is None or len(self._dead) != len(peaks):
            self._dead = np.zeros(len(peaks), np.int64)
        if loudest > _ALIVE:  # in a silent shop a quiet channel proves nothing
            self._dead = np.where(peaks < _DEAD, self._dead + len(block), 0)
        self._over += int(np.count_nonzero(np.abs(block) >= CLIPPED)) if loudest >= CLIPPED else 0
        self._frames += len(block)
        if self._frames >= WINDOW_S * self._rate_hz:
            clipped = self._over > CLIPPED_SHARE * self._frames
            self._clipped_windows = min(self._clipped_windows + 1, CLIPPED_WINDOWS) if clipped \
                else max(0, self._clipped_windows - 1)
            self._frames = self._over = 0

    @property
    def fault(self) -> str | None:
        """The gravest one."""
        if self._zeros_are_fault and self._zeros >= ZEROS_S * self._rate_hz:
            return (f"The microphone {self._name} delivers only zeros: it is muted, or this "
                    "program may not listen; check its switch and the system's privacy settings.")
        dead = self.dead_channels
        if dead:
            return (f"Channel {', '.join(map(str, dead))} of the microphone {self._name} is dead; "
                    "the others are used. Check its cable, or choose another microphone.")
        if self._clipped_windows >= CLIPPED_WINDOWS:
            return (f"The microphone {self._name} is too loud and clips; "
                    "turn its level down in the sound settings.")
        return None

    @property
    def dead_channels(self) -> tuple[int, ...]:
        """Numbers, from 1, of those that were silent for 10 s of sound on the others."""
        if self._dead is None or len(self._dead) < 2:
            return ()
        limit = DEAD_S * self._rate_hz
        return tuple(int(i) + 1 for i in np.flatnonzero(self._dead >= limit))
