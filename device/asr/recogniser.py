"""The seam of all recognisers: samples of one utterance in, a transcript out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SAMPLE_RATE_HZ = 16_000


@dataclass(frozen=True)
class Transcript:
    """What one utterance said. `text` is empty when nothing trustworthy was heard.

    log_prob is the mean log-probability of the tokens (nearer 0 is surer); `rejected` says why
    the text is empty ("noise", "loop", "empty"); start_ms and end_ms are the utterance's place
    in its recording (0 and its length when it is alone); took_ms is the decoding time.
    """

    text: str
    language: str
    log_prob: float
    took_ms: float = 0.0
    rejected: str = ""
    start_ms: float = 0.0
    end_ms: float = 0.0


class Recogniser(Protocol):
    """One engine. Not for use by two threads at once."""

    name: str

    def knows(self, language: str) -> bool:
        """True when `transcribe` may be asked for this language."""
        ...

    def transcribe(
        self,
        samples_16k: Samples,
        languages: Sequence[str],
        prompt: Mapping[str, str] | None = None,
    ) -> Transcript:
        """Recognise one utterance (mono, 16 kHz, -1..1) in one of `languages`.

        languages: BCP 47 as programmes name them (zh-CN, en-US); the engine picks among them.
        prompt: words to expect, by language. Raises Refused for an unknown language.
        """
        ...
