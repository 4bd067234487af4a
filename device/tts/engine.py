"""The seam of speech synthesis: what any engine gives, whoever asks - a build, a box, a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from device.tts.loudness import normalise, speech_span

Samples = NDArray[np.float32]
Timing = tuple[str, float, float]

LEAD_MS, TAIL_MS = 40, 120
FADE_MS = 5


@dataclass(frozen=True)
class Speech:
    """One spoken line: mono float32 samples in -1..1, and what is said when.

    phonemes: (symbol, start_ms, end_ms), marks and spaces included as symbols; words: (text,
    start_ms, end_ms). Both () where the engine has no times.
    """

    samples: Samples
    sample_rate_hz: int
    phonemes: tuple[Timing, ...] = ()
    words: tuple[Timing, ...] = ()

    @property
    def duration_ms(self) -> float:
        """Length of the clip."""
        return len(self.samples) * 1000.0 / self.sample_rate_hz


class SpeechLike(Protocol):
    """As much of Speech as a build needs."""

    @property
    def samples(self) -> Samples: ...

    @property
    def sample_rate_hz(self) -> int: ...

    @property
    def phonemes(self) -> tuple[Timing, ...]: ...

    @property
    def words(self) -> tuple[Timing, ...]: ...


class Engine(Protocol):
    """A synthesiser, loaded or on demand. Not for use by two threads at once."""

    @property
    def engine(self) -> str:
        """Name and version: part of every clip's name, another one means other clips."""

    @property
    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """The names of its voices by language, the one to take by itself first."""

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> SpeechLike:
        """Speak `text` as it is written; prices, dates and signs are read in `language`.

        Levelled by `device.tts.loudness`. Raises Refused when it cannot be said.
        """


def trimmed(samples: Samples, rate_hz: int) -> tuple[Samples, float]:
    """Speech without the silence around it, levelled and faded; and how many ms were cut ahead."""
    first, last = speech_span(samples, rate_hz)
    start = max(0, first - rate_hz * LEAD_MS // 1000)
    end = min(len(samples), last + rate_hz * TAIL_MS // 1000)
    cut = normalise(samples[start:end].copy(), rate_hz)
    fade = min(len(cut), rate_hz * FADE_MS // 1000)
    if fade:
        ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
        cut[:fade] *= ramp
        cut[-fade:] *= ramp[::-1]
    return cut, start * 1000.0 / rate_hz
