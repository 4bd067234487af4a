"""Brings a spoken clip to one loudness, limits its peaks and cuts the silence around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from device.tts.r128 import (
    SILENT_LUFS,
    integrated_lufs,
    momentary_max_lufs,
    oversampled_peaks,
)

Samples = NDArray[np.float32]

# The loudest at which the voices keep their peaks under the limit (true peaks of speech lie 14 to
# 20 dB over its loudness): a shop is louder than the living room that -23 LUFS is made for.
TARGET_LUFS = -21.0
# EBU R128 s1 for short pieces: no 400 ms louder than this. A shout is turned down as a whole.
MOMENTARY_MAX_LUFS = -15.0
# One dB under the -1 dBTP of R128: coding to Opus moves peaks by up to so much.
TRUE_PEAK_DBTP = -2.0
# Where a live voice is held (RMS): speech there has TARGET_LUFS.
TARGET_RMS_DBFS = -20.0
PEAK_LIMIT = 0.89
_BLOCK_MS = 20
# A whispered recording is brought up, the hiss of an empty one is not.
_GAIN_DB_MAX = 24.0
_SHOULDER_MS = 6
_ROUNDS = 3


def block_rms(samples: Samples, sample_rate_hz: int) -> NDArray[np.float64]:
    """RMS of consecutive 20 ms blocks (the last one may be short)."""
    size = sample_rate_hz * _BLOCK_MS // 1000
    count = -(-len(samples) // size)
    padded = np.zeros(count * size, np.float64)
    padded[: len(samples)] = samples
    return np.asarray(np.sqrt(np.mean(padded.reshape(count, size) ** 2, axis=1)))


def normalise(samples: Samples, rate_hz: int) -> Samples:
    """To TARGET_LUFS (EBU R128), no 400 ms over MOMENTARY_MAX_LUFS, peaks under TRUE_PEAK_DBTP.

    Also for clips under the 3 s of R128's short-term window: gated blocks of 400 ms are enough.
    A clip that needs more than 24 dB stays softer; a silent one is returned as it is.
    """
    total_db = 0.0
    result = samples
    for _ in range(_ROUNDS):  # what the limiter takes is given back: once is mostly enough
        level = integrated_lufs(result, rate_hz)
        if level == SILENT_LUFS:
            return samples
        wanted_db = min(
            TARGET_LUFS - level, MOMENTARY_MAX_LUFS - momentary_max_lufs(result, rate_hz))
        total_db = min(total_db + wanted_db, _GAIN_DB_MAX)
        result = limited((samples * np.float32(10 ** (total_db / 20))).astype(np.float32), rate_hz)
        if abs(wanted_db) < 0.05:
            break
    return result


def limited(samples: Samples, rate_hz: int, ceiling_dbtp: float = TRUE_PEAK_DBTP) -> Samples:
    """True peaks kept under the ceiling by turning the level down around them for some ms.

    The wave is not bent: no harmonics are added. What is 12 ms away from a peak stays as it is.
    """
    needed = 10 ** (ceiling_dbtp / 20) / np.maximum(oversampled_peaks(samples), 1e-9)
    if not len(samples) or needed.min() >= 1.0:
        return samples
    width = 2 * (rate_hz * _SHOULDER_MS // 1000) + 1
    held = np.pad(np.minimum(needed, 1.0), width // 2, constant_values=1.0)
    held = np.lib.stride_tricks.sliding_window_view(held, width).min(axis=1)
    # Each value of the mean is one of windows that all hold the peak: never above what it needs.
    taper = np.hanning(width + 2)[1:-1]
    smooth = np.convolve(np.pad(held, width // 2, mode="edge"), taper / taper.sum(), "valid")
    return np.asarray(samples * smooth, np.float32)


def limit(samples: Samples, peak: float = PEAK_LIMIT) -> Samples:
    """Peaks above 80 % of `peak` are bent softly below it; the rest stays exactly as it is."""
    knee = 0.8 * peak
    size = np.abs(samples)
    over = size > knee
    if not over.any():
        return samples
    bent = knee + (peak - knee) * np.tanh((size[over] - knee) / (peak - knee))
    limited = samples.copy()
    limited[over] = np.sign(samples[over]) * bent
    return limited


def speech_span(samples: Samples, sample_rate_hz: int) -> tuple[int, int]:
    """First and one-past-last sample of what is not silence; (0, 0) for a silent clip."""
    blocks = block_rms(samples, sample_rate_hz)
    loudest = float(blocks.max(initial=0.0))
    if loudest < 1e-5:
        return 0, 0
    loud = np.flatnonzero(blocks > loudest * 10 ** (-40 / 20))
    size = sample_rate_hz * _BLOCK_MS // 1000
    return int(loud[0]) * size, min(len(samples), (int(loud[-1]) + 1) * size)
