"""The loudness of the samples: a change glides, so that nobody hears a click."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

GLIDE_S = 0.3


class Gain:
    """One stream's loudness; `apply` belongs to the audio callback and allocates one ramp.

    `glide_s` is the time from silence to full loudness.
    """

    def __init__(self, rate_hz: int, start: float = 1.0, glide_s: float = GLIDE_S) -> None:
        self._now, self._step = start, 1.0 / (glide_s * rate_hz)

    def apply(self, block: npt.NDArray[np.float32], wanted: float) -> None:
        """Scale float32 samples in place, on the way to `wanted` (0..1) where it is another."""
        if self._now == wanted:
            if wanted != 1.0:
                block *= np.float32(wanted)
            return
        step = self._step if wanted > self._now else -self._step
        ramp = self._now + step * np.arange(1, len(block) + 1)
        bounds = (self._now, wanted) if step > 0 else (wanted, self._now)
        ramp = np.clip(ramp, *bounds)
        block *= ramp.astype(np.float32)
        self._now = float(ramp[-1]) if len(ramp) else self._now
