"""The mel spectrogram that Wav2Lip networks were trained on, in numpy: 80 steps a second."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
RATE_HZ = 16_000
FFT_SIZE, HOP = 800, 200
BANDS = 80
LOW_HZ, HIGH_HZ = 55.0, 7600.0
PREEMPHASIS = 0.97
REFERENCE_DB, FLOOR_DB = 20.0, -100.0
# Mel values lie in -LIMIT..LIMIT; silence is -LIMIT.
LIMIT = 4.0
WINDOW_STEPS = 16
_BLOCK = 256
# The Slaney mel scale: linear below 1 kHz, logarithmic above.
_HZ_PER_MEL, _KNEE_HZ, _KNEE_MEL = 200.0 / 3, 1000.0, 15.0
_LOG_STEP = np.log(6.4) / 27.0


def mel_steps(samples_16k: Floats) -> Floats:
    """(T, 80) values -4..4 of mono sound at 16 kHz; T = 1 + n // 200.

    Step i is centred on sample i * 200, the ends are mirrored. Empty sound gives (0, 80).
    """
    count = len(samples_16k)
    if count == 0:
        return np.zeros((0, BANDS), np.float32)
    sharp = np.array(samples_16k, np.float32)
    sharp[1:] -= np.float32(PREEMPHASIS) * samples_16k[:-1]
    half = FFT_SIZE // 2
    # Too short to mirror: the missing samples are silence.
    short = max(0, half + 1 - count)
    padded = np.pad(np.pad(sharp, (0, short)), half, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SIZE)[::HOP][: 1 + count // HOP]
    bank = mel_bank()
    taper = np.hanning(FFT_SIZE + 1)[:-1].astype(np.float32)
    result = np.empty((len(frames), BANDS), np.float32)
    for start in range(0, len(frames), _BLOCK):
        block = frames[start : start + _BLOCK] * taper
        loud = np.abs(np.fft.rfft(block)).astype(np.float32) @ bank
        result[start : start + _BLOCK] = scaled(loud)
    return result


def scaled(loud: Floats) -> Floats:
    """Mel magnitudes as -LIMIT..LIMIT: decibels below the reference, clipped at the floor."""
    level_db = 20.0 * np.log10(np.maximum(loud, 10 ** (FLOOR_DB / 20))) - REFERENCE_DB
    spread = 2 * LIMIT * (level_db - FLOOR_DB) / -FLOOR_DB - LIMIT
    return np.asarray(np.clip(spread, -LIMIT, LIMIT), np.float32)


@lru_cache(maxsize=1)
def mel_bank() -> Floats:
    """(401, 80) triangles on the Slaney scale, each of unit area in hertz."""
    edges_hz = _to_hz(np.linspace(_to_mel(LOW_HZ), _to_mel(HIGH_HZ), BANDS + 2))
    bins_hz = np.linspace(0, RATE_HZ / 2, FFT_SIZE // 2 + 1)[:, None]
    rising = (bins_hz - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz) / (edges_hz[2:] - edges_hz[1:-1])
    area = 2.0 / (edges_hz[2:] - edges_hz[:-2])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * area, np.float32)


def window_starts(frames: int, steps: int, fps: int = 25) -> NDArray[np.int64]:
    """(frames,) the first mel step of each frame's window; the last windows end with the sound."""
    first = (np.arange(frames) * (RATE_HZ / HOP) / fps + 1e-9).astype(np.int64)
    return np.minimum(first, max(0, steps - WINDOW_STEPS))


def _to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _HZ_PER_MEL
    return float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _HZ_PER_MEL, above)
