"""The only importer of soxr: sound at one rate to another, whole clips and streams; mono mix."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]


def mono(samples: NDArray[np.float32]) -> Samples:
    """(frames, channels) or (frames,) as mono; channels that carry nothing do not count.

    A stereo card with its microphone on one side keeps its level this way.
    """
    if samples.ndim == 1:
        return np.asarray(samples, np.float32)
    carrying = np.abs(samples).max(axis=0, initial=0.0) > 1e-6
    if not carrying.any():
        return np.zeros(len(samples), np.float32)
    return np.asarray(samples[:, carrying].mean(axis=1), np.float32)


def resample(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    """A whole mono clip at another rate."""
    if from_hz == to_hz:
        return samples
    return np.asarray(soxr.resample(samples, from_hz, to_hz, quality="HQ"), np.float32)


class Resampler:
    """A mono stream at another rate: feed blocks of any length, get what is ready."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._same = from_hz == to_hz
        self._stream = None if self._same else soxr.ResampleStream(from_hz, to_hz, 1, "float32")

    def feed(self, samples: Samples, last: bool = False) -> Samples:
        """The samples that became ready; `last` flushes the tail."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last), np.float32)
