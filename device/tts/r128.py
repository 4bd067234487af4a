"""Loudness as EBU R128 counts it: integrated, momentary and true peak of mono sound (pure).

ITU-R BS.1770-4: K-weighting (a shelf for the head, a high pass), blocks of 400 ms every 100 ms,
a gate at -70 LUFS and one 10 LU under what passes it. Mono counts as one channel: 997 Hz at
-20 dBFS is -23.0 LUFS.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]

SILENT_LUFS = -120.0
_BLOCK_MS, _STEP_MS = 400, 100
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, 10.0
_OFFSET_DB = -0.691
_OVERSAMPLING = 4
_TAPS_A_PHASE = 24
# The high pass at 38 Hz has died away after this much silence.
_TAIL_MS = 500
_RATE_HZ_MIN = 8_000


def integrated_lufs(samples: Samples, rate_hz: int) -> float:
    """Gated loudness of the whole clip; SILENT_LUFS when nothing passes the gates.

    A clip under 400 ms is one short block: what is there is counted, without silence around it.
    """
    powers = _block_powers(samples, rate_hz)
    loud = powers[_lufs(powers) > _ABSOLUTE_GATE_LUFS]
    if not len(loud):
        return SILENT_LUFS
    gate = float(_lufs(loud.mean())) - _RELATIVE_GATE_LU
    return float(_lufs(loud[_lufs(loud) > gate].mean()))


def momentary_max_lufs(samples: Samples, rate_hz: int) -> float:
    """The loudest 400 ms."""
    powers = _block_powers(samples, rate_hz)
    return float(_lufs(powers).max(initial=SILENT_LUFS))


def true_peak_dbtp(samples: Samples) -> float:
    """The highest point of the wave between the samples, four times oversampled."""
    return float(20 * np.log10(max(float(oversampled_peaks(samples).max(initial=0.0)), 1e-6)))


def oversampled_peaks(samples: Samples) -> Floats:
    """(n,) the largest size of the wave from each sample up to the next (BS.1770-4, annex 2)."""
    peaks = np.abs(np.asarray(samples, np.float64))
    for phase in _phases():
        # A phase's filter is centred between sample i and i + 1.
        between = np.convolve(samples, phase, "full")[_TAPS_A_PHASE // 2 - 1 :][: len(samples)]
        peaks = np.maximum(peaks, np.abs(between))
    return peaks


@lru_cache(maxsize=1)
def _phases() -> tuple[Floats, ...]:
    """Windowed-sinc interpolators at 1/4, 2/4 and 3/4 between two samples."""
    taps = np.arange(_TAPS_A_PHASE) - (_TAPS_A_PHASE // 2 - 1)
    result = []
    for step in range(1, _OVERSAMPLING):
        at = step / _OVERSAMPLING - taps
        window = np.cos(np.pi * at / (_TAPS_A_PHASE + 1)) ** 2
        phase = np.sinc(at) * window
        # convolve() runs its second argument backwards.
        result.append((phase / phase.sum())[::-1])
    return tuple(result)


def _lufs(power: Floats | float) -> Floats:
    return np.asarray(_OFFSET_DB + 10 * np.log10(np.maximum(power, 1e-12)))


def _block_powers(samples: Samples, rate_hz: int) -> Floats:
    """Mean square of the K-weighted sound in each block of 400 ms."""
    if not len(samples):
        return np.zeros(0)
    if rate_hz < _RATE_HZ_MIN:
        raise ValueError(f"loudness needs {_RATE_HZ_MIN} Hz or more, not {rate_hz}")
    weighted = k_weighted(samples, rate_hz)
    block, step = rate_hz * _BLOCK_MS // 1000, rate_hz * _STEP_MS // 1000
    sums = np.concatenate([[0.0], np.cumsum(weighted**2)])
    if len(weighted) <= block:
        return np.array([sums[-1] / len(weighted)])
    starts = np.arange(0, len(weighted) - block + 1, step)
    return np.asarray((sums[starts + block] - sums[starts]) / block)


def k_weighted(samples: Samples, rate_hz: int) -> Floats:
    """The sound as the ear weighs it, as long as `samples`.

    Both filters at once in the frequency domain, with room for their tail.
    """
    size = len(samples) + rate_hz * _TAIL_MS // 1000
    size = 1 << (size - 1).bit_length()
    spectrum = np.fft.rfft(np.asarray(samples, np.float64), size)
    z = np.exp(-2j * np.pi * np.arange(len(spectrum)) / size)
    for b, a in k_filters(rate_hz):
        spectrum *= (b[0] + z * (b[1] + z * b[2])) / (a[0] + z * (a[1] + z * a[2]))
    return np.fft.irfft(spectrum, size)[: len(samples)]


def k_filters(rate_hz: int) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    """(b, a) of the shelf and of the high pass; at 48 kHz those of BS.1770-4's tables 1 and 2.

    For other rates the same analogue filters (their values as published with libebur128).
    """
    k = float(np.tan(np.pi * 1681.974450955533 / rate_hz))
    q, high = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = (
        ((high + middle * k / q + k * k) / a0, 2 * (k * k - high) / a0,
         (high - middle * k / q + k * k) / a0),
        (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0),
    )  # fmt: skip
    k, q = float(np.tan(np.pi * 38.13547087602444 / rate_hz)), 0.5003270373238773
    a0 = 1 + k / q + k * k
    high_pass = ((1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0))
    return shelf, high_pass
