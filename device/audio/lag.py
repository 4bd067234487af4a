"""By how much is the echo late? Cross-correlation of microphone and played sound. Pure.

Generalised cross-correlation with phase transform (Knapp and Carter 1976) between 300 and 6000 Hz,
averaged over the last pieces: each frequency counts the same, so the direct sound stands out of a
reverberant room and a near talker only adds noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

RATE_HZ = 16_000
PIECE_SAMPLES = 8_192
LATE_SAMPLES_MAX = 12_000  # 750 ms: a television's own processing takes up to 300
EARLY_SAMPLES_MAX = 4_000  # 250 ms: clocks that promise too late a sound
REFERENCE_SAMPLES = PIECE_SAMPLES + LATE_SAMPLES_MAX + EARLY_SAMPLES_MAX
_FFT_SAMPLES = 32_768
_LOW_HZ, _HIGH_HZ = 300, 6_000
_KEEP = 0.6
SURE = 7.0
_NEAR_SAMPLES = 6
_NEAR_SHARE = 0.5
_OWN_SAMPLES = 48  # a voice's own periods begin at 2.5 ms
_QUIET, _TINY = 1e-8, 1e-12


@dataclass(frozen=True)
class Lag:
    """The microphone is `samples` later than the reference; `sharpness` is peak over RMS, `lead`
    peak over the next one that is not of its own neighbourhood."""

    samples: float
    sharpness: float
    lead: float

    @property
    def sure(self) -> bool:
        """Does it stand out of what chance gives?"""
        return self.sharpness >= SURE


class LagFinder:
    """`add` pieces of half a second, all at the same distance; `best` is their lag. `lately`: only
    the last quarter of a second of each counts."""

    def __init__(self, lately: bool = False) -> None:
        low, high = (hz * _FFT_SAMPLES // RATE_HZ for hz in (_LOW_HZ, _HIGH_HZ))
        self._band = slice(low, high)
        self._sum = np.zeros(high - low, np.complex64)
        length = PIECE_SAMPLES // 2 if lately else PIECE_SAMPLES
        self._window = np.zeros(PIECE_SAMPLES, np.float32)
        self._window[-length:] = np.hanning(length)
        self.pieces = 0

    def forget(self) -> None:
        """The distance is another now."""
        self._sum[:] = 0
        self.pieces = 0

    def add(self, heard: Samples, played: Samples, way: Samples | None = None) -> bool:
        """`heard` has PIECE_SAMPLES; `played` REFERENCE_SAMPLES, of which the piece after the
        first LATE_SAMPLES_MAX is of the same time. False when one of the two is silent.

        With the echo's `way` (an impulse response) lags count from what it makes of `played`."""
        counted = heard * self._window
        if np.mean(counted * counted) < _QUIET or np.mean(played * played) < _QUIET:
            return False
        far = np.fft.rfft(played, _FFT_SAMPLES)[self._band]
        if way is not None:
            far = far * np.fft.rfft(way, _FFT_SAMPLES)[self._band]
        near = np.fft.rfft(counted, _FFT_SAMPLES)[self._band]
        cross = near.conj() * far
        size = np.abs(cross)
        cross /= size + 0.05 * size.mean() + _TINY
        self._sum = (_KEEP * self._sum + (1 - _KEEP) * cross).astype(np.complex64)
        self.pieces += 1
        return True

    def best(self, near: float | None = None) -> Lag | None:
        """The lag; `near` an expected one, which a stronger reflection does not outdo."""
        if not self.pieces:
            return None
        spectrum = np.zeros(_FFT_SAMPLES // 2 + 1, np.complex64)
        spectrum[self._band] = self._sum
        # played[LATE + k] = heard[k + lag]: the peak is at LATE - lag.
        found = np.fft.irfft(spectrum, _FFT_SAMPLES)[: LATE_SAMPLES_MAX + EARLY_SAMPLES_MAX]
        rms = float(np.sqrt(np.mean(found * found)))
        if rms <= 0.0:
            return None
        peak = int(np.argmax(found))
        if near is not None:
            at = round(LATE_SAMPLES_MAX - near)
            first = min(max(0, at - _NEAR_SAMPLES), len(found) - 1)
            around = found[first : at + _NEAR_SAMPLES + 1]
            if len(around) and around.max() >= _NEAR_SHARE * found[peak]:
                peak = first + int(np.argmax(around))
        late = LATE_SAMPLES_MAX - (peak + _between(found, peak))
        others = np.delete(found, slice(max(0, peak - _OWN_SAMPLES), peak + _OWN_SAMPLES + 1))
        lead = float(found[peak] / max(float(others.max()), 1e-9))
        return Lag(late, float(found[peak]) / rms, lead)


def _between(values: npt.NDArray[np.floating], peak: int) -> float:
    """Where a parabola through the peak and its neighbours has its top, -0.5..0.5."""
    if not 0 < peak < len(values) - 1:
        return 0.0
    left, middle, right = (float(v) for v in values[peak - 1 : peak + 2])
    bend = left - 2 * middle + right
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))
