"""Brings a spoken clip to one loudness, limits its peaks and cuts the silence around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

TARGET_RMS_DBFS = -20.0
PEAK_LIMIT = 0.89
_BLOCK_MS = 20
_ACTIVE_BELOW_LOUDEST_DB = 30.0
_GAIN_DB_MAX = 18.0


def block_rms(samples: Samples, sample_rate_hz: int) -> NDArray[np.float64]:
    """RMS of consecutive 20 ms blocks (the last one may be short)."""
    size = sample_rate_hz * _BLOCK_MS // 1000
    count = -(-len(samples) // size)
    padded = np.zeros(count * size, np.float64)
    padded[: len(samples)] = samples
    return np.asarray(np.sqrt(np.mean(padded.reshape(count, size) ** 2, axis=1)))


def normalise(samples: Samples, sample_rate_hz: int) -> Samples:
    """To -20 dBFS RMS over the blocks that hold speech, peaks limited to -1 dBFS.

    Speech blocks are those within 30 dB of the loudest (the gate of EBU R128 is close to it).
    A silent clip is returned as it is.
    """
    blocks = block_rms(samples, sample_rate_hz)
    loudest = float(blocks.max(initial=0.0))
    if loudest < 1e-5:
        return samples
    active = blocks[blocks > loudest * 10 ** (-_ACTIVE_BELOW_LOUDEST_DB / 20)]
    level_db = 20 * np.log10(float(np.sqrt(np.mean(active**2))))
    gain_db = min(TARGET_RMS_DBFS - level_db, _GAIN_DB_MAX)
    return limit((samples * np.float32(10 ** (gain_db / 20))).astype(np.float32))


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
