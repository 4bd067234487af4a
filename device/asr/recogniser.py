"""The seam of all recognisers: samples of one utterance in, a transcript out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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

    @property
    def name(self) -> str:
        """What to call it in the ear's state."""
        ...

    @property
    def fault(self) -> str | None:
        """A sentence when it is not the recogniser that this box should have; else None."""
        ...

    def warm_up(self) -> None:
        """Decode a little silence: the first time is slower than the rest."""
        ...

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


class Streaming(Protocol):
    """What somebody says, while it is said. One stream, used by one thread.

    It is apart from `Recogniser.transcribe`, which another thread may be in at the same time.
    """

    def partial(self, samples_16k: Samples) -> str:
        """Take the next samples (mono, 16 kHz) and give the words of the utterance so far."""
        ...

    def reset(self) -> None:
        """A new utterance begins."""
        ...


@runtime_checkable
class Streams(Protocol):
    """A recogniser that can also listen along (Vosk, a streaming zipformer)."""

    def stream(
        self, languages: Sequence[str], prompt: Mapping[str, str] | None = None
    ) -> Streaming | None:
        """A new stream for speech in `languages`; None where these cannot be listened along to."""
        ...


@runtime_checkable
class TakesPhrases(Protocol):
    """A recogniser whose prompt is every phrase of the programme, one a line: a grammar."""

    def takes_phrases(self, language: str) -> bool:
        """True when the prompt of this language should be `vocabulary.phrases`."""
        ...
