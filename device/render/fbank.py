"""Log filter-bank energies as speech recognisers (Kaldi, wenet) compute them, in numpy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
RATE_HZ = 16_000
WINDOW, HOP, FFT_SIZE = 400, 160, 512
BANDS = 80
LOW_HZ = 20.0
PREEMPHASIS = 0.97
_FLOOR = np.float32(np.finfo(np.float32).eps)


def fbank(samples: Floats) -> Floats:
    """(T, 80) natural logs of the power in 80 bands; T = n / 160, rounded.

    `samples` are in units of 16-bit steps (-32768..32767) at 16 kHz. Frame i is centred on sample
    i * 160 + 80; the ends are mirrored.
    """
    count = (len(samples) + HOP // 2) // HOP
    if count == 0:
        return np.zeros((0, BANDS), np.float32)
    before = WINDOW // 2 - HOP // 2
    after = max(0, (count - 1) * HOP - before + WINDOW - len(samples))
    padded = np.pad(samples.astype(np.float32), (before, after), mode="symmetric")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    level = frames - frames.mean(axis=1, keepdims=True)
    sharp = level.copy()
    sharp[:, 1:] -= np.float32(PREEMPHASIS) * level[:, :-1]
    sharp[:, 0] *= np.float32(1 - PREEMPHASIS)
    turn = 2 * np.pi * np.arange(WINDOW) / (WINDOW - 1)
    taper = ((0.5 - 0.5 * np.cos(turn)) ** 0.85).astype(np.float32)
    power = np.abs(np.fft.rfft(sharp * taper, FFT_SIZE))[:, :-1] ** 2
    return np.asarray(np.log(np.maximum(power.astype(np.float32) @ _bank(), _FLOOR)), np.float32)


@lru_cache(maxsize=1)
def _bank() -> Floats:
    """(256, 80) triangles of height 1 on the mel scale, 20 Hz to half the rate."""
    edges = np.linspace(_to_mel(LOW_HZ), _to_mel(RATE_HZ / 2), BANDS + 2)
    bins = np.array([_to_mel(i * RATE_HZ / FFT_SIZE) for i in range(FFT_SIZE // 2)])[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)


def _to_mel(hz: float) -> float:
    return float(1127.0 * np.log(1.0 + hz / 700.0))
