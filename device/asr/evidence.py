"""Is what the voice detector hears at its beginning a voice, or a cough, a clap, a dropped tray?

The detector alone takes a voiced cough for speech as often as not. Two things tell it apart: a
voice is periodic for most of its first syllable (autocorrelation, Rabiner 1977), and it does not
begin with its loudest moment: a cough is an explosion and then fades. Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.asr.vad import CHUNK_MS

Samples = NDArray[np.float32]

_RATE_HZ = 16_000
_PITCH_HZ = (70.0, 400.0)
_FLOOR_DB = -120.0


@dataclass(frozen=True)
class EvidenceSettings:
    """`pitch` 0..1: a window this periodic is voiced. A voice is certain after `quick_ms` with
    `pitched_min` voiced windows in them and no louder burst `fall_db` above within `before_ms`;
    whatever else goes on for `slow_ms` is certain too: whispering, a crowd."""

    pitch: float = 0.5
    quick_ms: int = 64
    pitched_min: int = 1
    fall_db: float = 4.0
    before_ms: int = 416
    slow_ms: int = 224


class Evidence:
    """Fed with every chunk while nobody is certainly speaking."""

    def __init__(self, settings: EvidenceSettings | None = None) -> None:
        self._settings = settings or EvidenceSettings()
        chunks = self._settings.before_ms // CHUNK_MS
        self._levels_db: deque[float] = deque(maxlen=chunks)
        self._pitched: deque[bool] = deque(maxlen=chunks)
        self._last: Samples = np.zeros(0, np.float32)

    def feed(self, chunk: Samples, is_voice: bool) -> None:
        """One chunk; its pitch is looked for only where the detector hears a voice."""
        self._levels_db.append(level_db(chunk))
        window = np.concatenate([self._last, chunk])
        self._pitched.append(is_voice and periodicity(window) >= self._settings.pitch)
        self._last = chunk

    def certain(self, voice_ms: int) -> bool:
        """Is it a voice, after `voice_ms` of what the detector takes for one?"""
        s = self._settings
        if voice_ms >= s.slow_ms:
            return True
        if voice_ms < s.quick_ms or sum(self._recent(voice_ms)) < s.pitched_min:
            return False
        # Two windows, so that the pause between two pitch pulses is no fall.
        now_db = max(list(self._levels_db)[-2:])
        return now_db > max(self._levels_db) - s.fall_db

    def _recent(self, voice_ms: int) -> list[bool]:
        return list(self._pitched)[-max(1, voice_ms // CHUNK_MS) :]


def level_db(samples: Samples) -> float:
    """RMS in dB of full scale, -120 at the least."""
    return max(_FLOOR_DB, 10.0 * float(np.log10(np.mean(samples * samples) + 1e-13)))


def periodicity(samples: Samples) -> float:
    """The highest normalised autocorrelation at a pitch of 70 to 400 Hz, 0..1."""
    if len(samples) < 2 * _RATE_HZ // int(_PITCH_HZ[0]):
        return 0.0
    centred = samples - samples.mean()
    spectrum = np.fft.rfft(centred, 2 * len(centred))
    correlation = np.fft.irfft(spectrum * spectrum.conj())[: len(centred)]
    if correlation[0] <= 0.0:
        return 0.0
    lags = np.arange(int(_RATE_HZ / _PITCH_HZ[1]), int(_RATE_HZ / _PITCH_HZ[0]))
    # The overlap shrinks with the lag: without this, low voices look unvoiced.
    shares = correlation[lags] / correlation[0] * len(centred) / (len(centred) - lags)
    return float(np.clip(shares.max(), 0.0, 1.0))
