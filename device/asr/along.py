"""Partial texts from an engine that listens along (Vosk, a streaming zipformer).

The ear asks for looks at all of a turn so far (`device.asr.partials.Sketching`); a stream is given
only what is new in it, so that each second is decoded once. Used by the decoder's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from device.asr.recogniser import (
    SAMPLE_RATE_HZ,
    Recogniser,
    Samples,
    Streaming,
    Streams,
    Transcript,
)
from ota.clock import monotonic_s

_PIECE = SAMPLE_RATE_HZ // 5  # between two pieces a look can be given up
_SAME = 512


class Along:
    """`Sketching` for an engine with streams. Looks are open, never by the programme's grammar:
    what is shown to a visitor as their words must not be forced into the programme's."""

    def __init__(self, recogniser: Recogniser, streams: Streams) -> None:
        self._recogniser, self._streams = recogniser, streams
        self._stream: Streaming | None = None
        self._languages: tuple[str, ...] = ()
        self._fed = np.zeros(0, np.float32)
        self._text = ""

    def sketch(
        self, samples_16k: Samples, languages: Sequence[str], given_up: Callable[[], bool]
    ) -> Transcript | None:
        """The words so far; None when given up, or where no stream hears these languages."""
        began_s = monotonic_s()
        if not self._goes_on(samples_16k, languages):
            self._begin(languages)
        if self._stream is None:
            return None
        for at in range(len(self._fed), len(samples_16k), _PIECE):
            if given_up():
                return None
            self._text = self._stream.partial(samples_16k[at : at + _PIECE])
            self._fed = samples_16k[: at + _PIECE]
        took_ms = (monotonic_s() - began_s) * 1000.0
        language = languages[0] if len(languages) == 1 else ""  # a stream does not tell which
        return Transcript(self._text, language, 0.0, took_ms)

    def transcribe_unless(
        self, samples_16k: Samples, languages: Sequence[str],
        prompt: Mapping[str, str] | None, given_up: Callable[[], bool],
        enough: Callable[[str, str], bool],
    ) -> Transcript | None:
        """The whole utterance by the engine's own way: it has no stages to give up between."""
        del enough
        return None if given_up() else self._recogniser.transcribe(samples_16k, languages, prompt)

    def _goes_on(self, samples: Samples, languages: Sequence[str]) -> bool:
        """Is this the turn that the stream has heard the beginning of?"""
        heard = len(self._fed)
        return (
            self._stream is not None and heard > 0 and tuple(languages) == self._languages
            and len(samples) >= heard
            and np.array_equal(samples[:_SAME], self._fed[:_SAME])
            and np.array_equal(samples[heard - _SAME : heard], self._fed[-_SAME:])
        )

    def _begin(self, languages: Sequence[str]) -> None:
        if self._stream is None or tuple(languages) != self._languages:
            self._languages = tuple(languages)
            self._stream = self._streams.stream(languages)
        else:
            self._stream.reset()
        self._fed, self._text = np.zeros(0, np.float32), ""


def along(recogniser: Recogniser) -> Along | None:
    """The adapter, where the engine can listen along at all."""
    return Along(recogniser, recogniser) if isinstance(recogniser, Streams) else None
