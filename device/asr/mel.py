"""Whisper's log-mel spectrogram (80 bands, 25 ms window, 10 ms hop) in numpy.

Source: Radford et al. 2022 and the published feature extractor: Hann window, 400-point FFT,
Slaney mel filters to 8 kHz, log10, floor 8 below the maximum, (x + 4) / 4.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_RATE_HZ = 16_000
_FFT = 400
HOP = 160
_BANDS = 80


def log_mel(samples: Floats, frames: int) -> Floats:
    """(80, frames) of mono 16 kHz samples, padded with silence or cut to `frames` hops."""
    wanted = frames * HOP
    padded = np.zeros(wanted + _FFT, np.float32)
    padded[_FFT // 2 : _FFT // 2 + min(len(samples), wanted)] = samples[:wanted]
    windows = sliding_window_view(padded, _FFT)[:wanted:HOP]
    spectrum = np.fft.rfft(windows * _window(), axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    logs = np.log10(np.maximum(_filters() @ power.T, 1e-10))
    logs = np.maximum(logs, logs.max() - 8.0)
    return np.ascontiguousarray((logs + 4.0) / 4.0, dtype=np.float32)


@lru_cache(maxsize=1)
def _window() -> Floats:
    return np.hanning(_FFT + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=1)
def _filters() -> Floats:
    """Slaney-normalised triangles, (80, 201)."""
    bins_hz = np.linspace(0.0, _RATE_HZ / 2, _FFT // 2 + 1)
    edges_hz = _mel_to_hz(np.linspace(0.0, _hz_to_mel(_RATE_HZ / 2), _BANDS + 2))
    width = np.diff(edges_hz)
    slopes = edges_hz[:, None] - bins_hz[None, :]
    rising = -slopes[:-2] / width[:-1, None]
    falling = slopes[2:] / width[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    triangles *= (2.0 / (edges_hz[2:] - edges_hz[:-2]))[:, None]
    return triangles.astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    """Slaney: linear below 1 kHz (3 mel per 200 Hz), logarithmic above."""
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = 1000 * np.exp((np.maximum(mel, 15) - 15) * np.log(6.4) / 27)
    return np.where(mel < 15, 200 * mel / 3, above)
