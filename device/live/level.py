"""An operator's voice at the loudness of the script, from what was heard so far only (pure).

A clip is levelled by its whole; a stream has no whole. The level is that of the last seconds of
speech, speech is what stands above the room's noise, and the gain moves slowly.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from device.render.logmel import OPEN_DB
from device.tts.loudness import TARGET_RMS_DBFS, limit

Samples = NDArray[np.float32]
START_DB = -28.0
FLOOR_DB, ABOVE_NOISE_DB = -55.0, 10.0
SPEECH_CHUNKS, SPEECH_CHUNKS_MIN, NOISE_CHUNKS = 150, 10, 250
WITHIN_DB = 20.0
GAIN_DB_MIN, GAIN_DB_MAX, STEP_DB = -12.0, 18.0, 0.15
GATE_ABOVE_NOISE_DB = 9.0


@dataclass
class VoiceLevel:
    """feed() brings chunks of about 20 ms to the script's loudness. Levels are dBFS RMS."""

    gain_db: float = TARGET_RMS_DBFS - START_DB
    speech_db: float = START_DB
    _speech: deque[float] = field(default_factory=lambda: deque(maxlen=SPEECH_CHUNKS))
    _all: deque[float] = field(default_factory=lambda: deque(maxlen=NOISE_CHUNKS))

    def feed(self, samples: Samples) -> tuple[Samples, bool]:
        """The chunk as it is to sound, and whether nobody speaks in it."""
        level_db = float(10 * np.log10(float(np.mean(samples**2)) + 1e-12))
        quiet = level_db < max(FLOOR_DB, self.noise_db + ABOVE_NOISE_DB)
        self._all.append(level_db)
        if not quiet:
            self._speech.append(level_db)
            if len(self._speech) >= SPEECH_CHUNKS_MIN:
                self.speech_db = _loud_part_db(self._speech)
        before_db = self.gain_db
        wanted_db = min(GAIN_DB_MAX, max(GAIN_DB_MIN, TARGET_RMS_DBFS - self.speech_db))
        self.gain_db += min(STEP_DB, max(-STEP_DB, wanted_db - before_db))
        ramp = np.linspace(before_db, self.gain_db, len(samples), dtype=np.float32)
        return limit((samples * 10 ** (ramp / 20)).astype(np.float32)), quiet

    @property
    def noise_db(self) -> float:
        """The quietest of the last seconds: the room and the microphone."""
        return min(self._all, default=-120.0)

    @property
    def sounding_db(self) -> float:
        """The level of speech after the gain."""
        return self.speech_db + self.gain_db

    @property
    def gate_db(self) -> float:
        """What the mouth's gate takes for the level of speech: it must not open for noise."""
        return max(self.sounding_db,
                   min(-20.0, self.noise_db + self.gain_db) + GATE_ABOVE_NOISE_DB - OPEN_DB)


def _loud_part_db(levels_db: deque[float]) -> float:
    """The mean level of what lies within 20 dB of the loudest."""
    top_db = max(levels_db)
    loud = [10 ** (level / 10) for level in levels_db if level > top_db - WITHIN_DB]
    return float(10 * np.log10(sum(loud) / len(loud)))
