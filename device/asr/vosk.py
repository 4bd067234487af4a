"""The only importer of vosk: Kaldi models with grammars, word confidences and partial results.

A grammar of the programme's phrases is decoded first (0.03 s a second of sound); only when
what it gives is no phrase of the programme is the utterance decoded openly (0.6 s a second).
The library is native and young: `device.asr.proof` runs a model in a child before it comes here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import vosk

from device.asr.grammar import UNKNOWN, Grammar, grammar
from device.asr.recogniser import SAMPLE_RATE_HZ, Samples, Transcript
from device.asr.script import simplified
from ota.clock import monotonic_s
from ota.errors import Broken, Refused

_SECONDS_MAX = 30.0
_LOG_PROB_MIN = -0.6
_GRAMMAR_LOG_PROB_MIN = -0.5
_VOICED_SHARE_MIN = 0.25
_CONFIDENCE_FLOOR = 1e-3
_LOUD = 32_767
# Noises that models write as words: [unk], [1], <spoken_noise>.
_NO_WORD = re.compile(r"^[\[<].*[\]>]$")


class _Model(vosk.Model):  # type: ignore[misc]
    """At the process's end Python takes the library down before its objects."""

    def __del__(self) -> None:
        if getattr(vosk, "_c", None) is not None:
            super().__del__()


class _Decoder(vosk.KaldiRecognizer):  # type: ignore[misc]
    """As `_Model`."""

    def __del__(self) -> None:
        if getattr(vosk, "_c", None) is not None:
            super().__del__()


@dataclass(frozen=True)
class Words:
    """What one decoding gave: words with their posterior probabilities, and how long they last."""

    words: tuple[str, ...]
    confidences: tuple[float, ...]
    voiced_s: float

    @property
    def log_prob(self) -> float:
        """Mean log of the words' confidences; 0 for none."""
        logs = [log(max(c, _CONFIDENCE_FLOOR)) for c in self.confidences]
        return sum(logs) / len(logs) if logs else 0.0


def read_words(result: str) -> Words:
    """Of Vosk's JSON result; noises written in brackets are left out, `[unk]` stays."""
    found = [
        w for w in json.loads(result).get("result", [])
        if w["word"] == UNKNOWN or not _NO_WORD.match(w["word"])
    ]  # fmt: skip
    return Words(
        tuple(str(w["word"]) for w in found),
        tuple(float(w["conf"]) for w in found),
        sum(float(w["end"]) - float(w["start"]) for w in found),
    )


def judge(words: Words, seconds: float, language: str) -> Transcript:
    """The transcript of an open decoding, empty when it is likely noise.

    Confidence does not tell much: white noise gives short words at 1.0. Words that fill little of
    what the voice detector passed are noise, too; some noise still passes both.
    """
    said = [w for w in words.words if w != UNKNOWN]
    if not said:
        return Transcript("", language, words.log_prob, rejected="empty")
    if words.log_prob < _LOG_PROB_MIN or words.voiced_s < _VOICED_SHARE_MIN * seconds:
        return Transcript("", language, words.log_prob, rejected="noise")
    return Transcript(written(said, language), language, words.log_prob)


def written(words: Sequence[str], language: str) -> str:
    """Words as they are written: Chinese and Japanese without spaces."""
    if language.split("-")[0] in ("zh", "yue", "ja"):
        text = re.sub(r"(?<=[^\x00-\x7f])\s+|\s+(?=[^\x00-\x7f])", "", " ".join(words))
        return simplified(text) if language.startswith("zh") else text
    return " ".join(words)


class Vosk:
    """A loaded Kaldi model of one language; see `device.asr.recogniser`."""

    fault: str | None = None

    def __init__(self, model: Any, language: str, name: str, grammars: bool) -> None:
        self._model = model
        self._language = language
        self.name = name
        self._grammars = grammars
        self._made: tuple[str, Grammar | None] = ("", None)

    @classmethod
    def load(cls, folder: Path, languages: Sequence[str], name: str = "") -> Vosk:
        """Load a model folder (1 to 2 s of CPU). Raises Refused when it is damaged."""
        vosk.SetLogLevel(-1)
        try:
            model = _Model(str(folder))
        except Exception as error:  # the library has no class of its own for it
            raise Refused(f"The Vosk model in {folder} is damaged; bring it again.") from error
        # Only models whose graph is composed while decoding can take other words.
        grammars = any((folder / "graph" / f).is_file() for f in ("HCLr.fst", "HCLGr.fst"))
        return cls(model, languages[0], name or folder.name, grammars)

    def warm_up(self) -> None:
        """One decode of silence."""
        self.transcribe(np.zeros(SAMPLE_RATE_HZ, np.float32), (self._language,))

    def knows(self, language: str) -> bool:
        """True for the model's one language, whatever its region."""
        return language.split("-")[0] == self._language.split("-")[0]

    def takes_phrases(self, language: str) -> bool:
        """True where the model can have a grammar."""
        return self._grammars and self.knows(language)

    def transcribe(
        self,
        samples_16k: Samples,
        languages: Sequence[str],
        prompt: Mapping[str, str] | None = None,
    ) -> Transcript:
        """One utterance, up to 30 s (what is longer is cut); see the protocol."""
        language = self._wanted(languages)
        began_s = monotonic_s()
        samples = samples_16k[: int(_SECONDS_MAX * SAMPLE_RATE_HZ)]
        seconds = len(samples) / SAMPLE_RATE_HZ
        found = Transcript("", language, 0.0, rejected="empty")
        if seconds >= 0.05 and samples.any():
            found = self._hear(samples, seconds, language, (prompt or {}).get(language, ""))
        return Transcript(
            found.text, language, found.log_prob, (monotonic_s() - began_s) * 1000.0,
            found.rejected, 0.0, len(samples_16k) * 1000.0 / SAMPLE_RATE_HZ,
        )  # fmt: skip

    def stream(
        self, languages: Sequence[str], prompt: Mapping[str, str] | None = None
    ) -> VoskStream | None:
        """A stream with the prompt's grammar (0.03 s a second), else open (0.6 s a second)."""
        known = [name for name in languages if self.knows(name)]
        if len(known) != len(languages) or not known:
            return None
        made = self._grammar((prompt or {}).get(known[0], ""), known[0])
        return VoskStream(self._recogniser(made), known[0])

    def _hear(self, samples: Samples, seconds: float, language: str, words: str) -> Transcript:
        sound = pcm16(samples)
        made = self._grammar(words, language)
        if made is not None:
            heard = _decode(self._recogniser(made), sound)
            if made.could_say(heard.words) and heard.log_prob >= _GRAMMAR_LOG_PROB_MIN:
                found = judge(heard, seconds, language)
                if found.text:
                    return found
        return judge(_decode(self._recogniser(None), sound), seconds, language)

    def _grammar(self, words: str, language: str) -> Grammar | None:
        if not self._grammars or not words:
            return None
        if self._made[0] != words:
            self._made = (words, grammar(words, language, self._has))
        return self._made[1]

    def _has(self, word: str) -> bool:
        return bool(self._model.vosk_model_find_word(word) >= 0)

    def _recogniser(self, made: Grammar | None) -> Any:
        given = (self._model, SAMPLE_RATE_HZ, *((made.json,) if made else ()))
        try:
            recogniser = _Decoder(*given)
        except Exception as error:  # as above
            raise Broken("The recogniser failed; it will be started again.") from error
        recogniser.SetWords(True)
        return recogniser

    def _wanted(self, languages: Sequence[str]) -> str:
        for language in languages:
            if self.knows(language):
                return language
        raise Refused(
            f"The recogniser {self.name} knows {self._language} only, not {', '.join(languages)}."
        )


class VoskStream:
    """See `device.asr.recogniser.Streaming`."""

    def __init__(self, recogniser: Any, language: str) -> None:
        self._recogniser = recogniser
        self._language = language
        self._before: list[str] = []

    def partial(self, samples_16k: Samples) -> str:
        """The words so far; an end that the engine finds by itself is not the utterance's."""
        if self._recogniser.AcceptWaveform(pcm16(samples_16k)):
            self._before += read_words(self._recogniser.Result()).words
            now: list[str] = []
        else:
            now = str(json.loads(self._recogniser.PartialResult()).get("partial", "")).split()
        said = [w for w in (*self._before, *now) if not _NO_WORD.match(w)]
        return written(said, self._language)

    def reset(self) -> None:
        """A new utterance begins."""
        self._recogniser.Reset()
        self._before = []


def pcm16(samples: Samples) -> bytes:
    """Mono float samples as 16-bit little-endian bytes; what is no number is silence."""
    finite = np.nan_to_num(np.clip(samples, -1.0, 1.0))
    return (finite * _LOUD).astype("<i2").tobytes()


def _decode(recogniser: Any, sound: bytes) -> Words:
    recogniser.AcceptWaveform(sound)
    return read_words(recogniser.FinalResult())
