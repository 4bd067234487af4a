"""Whisper-base through CTranslate2 with our own short-window decode (docs/speech.md).

The encoder sees the utterance plus 3 s, at least 10 s: under that Whisper repeats itself; the
usual 30 s window costs three times the time and gains nothing. Text that repeats is decoded
again with the full window; text that the model itself doubts is thrown away. Greedy search
comes first, the beam only where that is in doubt and no question that is known: it takes twice
the time. A short question, which is matched by sound and meaning, is first looked at through 5 s or
more and without the prompt, whose tokens take as long as the words: as many are answered right
(docs/speech.md), in half the time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import tokenizers

from device.asr.mel import log_mel
from device.asr.recogniser import SAMPLE_RATE_HZ, Samples, Transcript
from device.asr.script import simplified, without_repeats
from device.paths import bound_onednn
from ota.clock import monotonic_s
from ota.errors import Broken, Refused

_FOLDER = "whisper-base"
_FILES = ("model.bin", "config.json", "tokenizer.json")
_WINDOW_MIN_S = 10.0
_WINDOW_MAX_S = 30.0
_AFTER_S = 3.0
_TOKENS_PER_S = 9
_TOKENS_MIN = 12
_PROMPT_TOKENS_MAX = 180
_LOG_PROB_MIN = -0.9
_DOUBT = -0.55
_SURE = -0.15
_SHORT_S, _SHORT_SURE, _SHORT_WINDOW_S = 3.5, -0.5, 5.0
_BEAM = 5
_SKETCH_WINDOW_S = 5.0
_LANGUAGE_SURE = 0.9
_LOOP_RATIO = 1.8
_LOOP_BYTES_MIN = 30
# What Whisper says to music and silence: sign-offs of the subtitled videos it learned from.
_SIGN_OFFS = (
    "字幕", "订阅", "点赞", "谢谢观看", "感谢观看", "下期", "明镜", "amara.org",
    "thanks for watching", "thank you for watching", "subscribe", "subtitles by",
)  # fmt: skip


@dataclass(frozen=True)
class _Decoded:
    text: str
    log_prob: float
    no_speech: float
    capped: bool

    @property
    def loops(self) -> bool:
        data = self.text.encode()
        repeats = len(data) > _LOOP_BYTES_MIN and len(data) > _LOOP_RATIO * len(zlib.compress(data))
        return repeats or self.capped

    @property
    def is_sure(self) -> bool:
        """Sure enough of a short utterance."""
        return self.log_prob >= _SHORT_SURE and not _reason_to_reject(self, self.text)


@dataclass(frozen=True)
class _Said:
    """An utterance, the language it is in, and the programme's words in that language."""

    samples: Samples
    duration_s: float
    language: str
    words: str


class Whisper:
    """A loaded Whisper model; see `device.asr.recogniser.Recogniser`."""

    name = "whisper-base int8"
    fault: str | None = None

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._start = _token(tokenizer, "<|startoftranscript|>")
        self._task = [
            _token(tokenizer, "<|transcribe|>"),
            _token(tokenizer, "<|notimestamps|>"),
        ]
        self._previous = _token(tokenizer, "<|startofprev|>")

    @classmethod
    def load(cls, assets: Path, threads: int = 1, name: str = _FOLDER) -> Whisper:
        """Load `assets`/`name` as int8 (1.3 s). Raises Refused when it is not there."""
        folder = assets / name
        for name in _FILES:
            if not (folder / name).is_file():
                raise Refused(
                    f"The recogniser file {folder / name} is missing; run ./vitrine models fetch."
                )
        bound_onednn()
        try:
            model = ctranslate2.models.Whisper(
                str(folder), device="cpu", compute_type="int8", intra_threads=threads
            )
            tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except (RuntimeError, ValueError, OSError) as error:
            raise Refused(f"The recogniser in {folder} is damaged; fetch it again.") from error
        return cls(model, tokenizer)

    def knows(self, language: str) -> bool:
        """True for the 99 languages of the model, by their BCP 47 name."""
        return self._tokenizer.token_to_id(_code(language)) is not None

    def language_of(self, samples_16k: Samples, languages: Sequence[str]) -> str:
        """Which of `languages` is spoken (0.2 s): for recognisers that cannot tell."""
        encoded = self._encode(samples_16k, _WINDOW_MIN_S)
        return self._language(encoded, self._known(languages))[0]

    def warm_up(self) -> None:
        """One decode of silence: the first one is slower than the rest."""
        self.transcribe(np.zeros(SAMPLE_RATE_HZ, np.float32), ("en-US",))

    def transcribe(
        self,
        samples_16k: Samples,
        languages: Sequence[str],
        prompt: Mapping[str, str] | None = None,
    ) -> Transcript:
        """One utterance, up to 30 s (what is longer is cut); see the protocol."""
        found = self.transcribe_unless(
            samples_16k, languages, prompt, lambda: False, _nothing
        )
        assert found is not None  # nobody gave it up
        return found

    def transcribe_unless(
        self, samples_16k: Samples, languages: Sequence[str],
        prompt: Mapping[str, str] | None, given_up: Callable[[], bool],
        enough: Callable[[str, str], bool],
    ) -> Transcript | None:  # fmt: skip
        """`transcribe`, given up between its stages when `given_up()`; None then.

        A first text (and language) that is `enough` is not searched for better ones.
        """
        started_s = monotonic_s()
        found = self._transcribe(
            samples_16k, self._known(languages), prompt or {}, given_up, enough
        )
        return found and _timed(found, samples_16k, started_s)

    def sketch(
        self, samples_16k: Samples, languages: Sequence[str], given_up: Callable[[], bool]
    ) -> Transcript | None:
        """A quick look at an utterance that goes on: short window, greedy, no prompt.

        The language is "" while it is not sure. None when it was given up.
        """
        started_s = monotonic_s()
        if given_up():
            return None
        encoded = self._encode(samples_16k, _SKETCH_WINDOW_S)
        if given_up():
            return None
        language, sure = self._language(encoded, self._known(languages))
        said = _Said(samples_16k, len(samples_16k) / SAMPLE_RATE_HZ, language, "")
        decoded = self._decode(encoded, said, "", beam=1)
        rejected = _reason_to_reject(decoded, decoded.text)
        found = Transcript(
            "" if rejected else _written(decoded.text, language), language if sure else "",
            decoded.log_prob, rejected=rejected,
        )  # fmt: skip
        return _timed(found, samples_16k, started_s)

    def _transcribe(
        self, samples: Samples, languages: Sequence[str], prompt: Mapping[str, str],
        given_up: Callable[[], bool], enough: Callable[[str, str], bool],
    ) -> Transcript | None:  # fmt: skip
        if len(samples) < SAMPLE_RATE_HZ // 20:
            return Transcript("", languages[0], 0.0, rejected="empty")
        duration_s = len(samples) / SAMPLE_RATE_HZ
        short = duration_s <= _SHORT_S
        if given_up():
            return None
        encoded = self._encode(samples, _SHORT_WINDOW_S if short else _WINDOW_MIN_S)
        if given_up():
            return None
        language, _ = self._language(encoded, languages)
        said = _Said(samples, duration_s, language, prompt.get(language, ""))
        way = self._short if short else self._long
        return way(said, encoded, given_up, enough)

    def _short(
        self, said: _Said, encoded: Any, given_up: Callable[[], bool],
        enough: Callable[[str, str], bool],
    ) -> Transcript | None:  # fmt: skip
        """A question: without the prompt where it is known at once; the beam for what is
        doubtful both ways."""
        bare = None
        if said.words and enough is not _nothing:
            bare = self._decode(encoded, said, "", beam=1)
            if bare.is_sure and enough(_written(bare.text, said.language), said.language):
                return _judged(bare, said.language)
            if given_up():
                return None
        decoded = self._decode(encoded, said, said.words, beam=1)
        if given_up():
            return None
        if decoded.is_sure:
            return _judged(decoded, said.language)
        if bare is not None and bare.is_sure:  # it was the prompt that did not fit
            return _judged(bare, said.language)
        encoded = self._encode(said.samples, _WINDOW_MIN_S)
        return self._settled(said, encoded, self._decode(encoded, said, said.words))

    def _long(
        self, said: _Said, encoded: Any, given_up: Callable[[], bool],
        enough: Callable[[str, str], bool],
    ) -> Transcript | None:  # fmt: skip
        decoded = self._decode(encoded, said, said.words, beam=1)
        if given_up():
            return None
        if decoded.log_prob < _SURE and not decoded.loops:
            known = enough(_written(decoded.text, said.language), said.language)
            if decoded.log_prob < _DOUBT or not known:
                decoded = self._decode(encoded, said, said.words)
        return self._settled(said, encoded, decoded)

    def _settled(self, said: _Said, encoded: Any, decoded: _Decoded) -> Transcript:
        """What repeats itself is decoded anew, and what the prompt may have made up is doubted."""
        if decoded.loops:
            encoded = self._encode(said.samples, _WINDOW_MAX_S)
            decoded = self._decode(encoded, said, "")
        if said.words and decoded.log_prob < _DOUBT:
            # With a prompt, noise comes out as one of its phrases; without it, as nothing likely.
            bare = self._decode(encoded, said, "")
            if bare.log_prob < _LOG_PROB_MIN:
                return Transcript("", said.language, bare.log_prob, rejected="noise")
        return _judged(decoded, said.language)

    def _encode(self, samples: Samples, window_min_s: float) -> Any:
        after_s = len(samples) / SAMPLE_RATE_HZ + _AFTER_S
        frames = ceil(min(_WINDOW_MAX_S, max(window_min_s, after_s)) * 50) * 2
        mel = log_mel(samples, frames)[None]
        try:
            return self._model.encode(ctranslate2.StorageView.from_array(mel))
        except RuntimeError as error:
            raise Broken(f"The recogniser failed ({error}); it will be started again.") from error

    def _language(self, encoded: Any, languages: Sequence[str]) -> tuple[str, bool]:
        """The likeliest of them, and whether it has nine tenths of what they have together."""
        if len(languages) == 1:
            return languages[0], True
        likely = dict(self._model.detect_language(encoded)[0])
        shares = {name: float(likely.get(_code(name), 0.0)) for name in languages}
        best = max(languages, key=lambda name: shares[name])
        return best, shares[best] >= _LANGUAGE_SURE * sum(shares.values())

    def _known(self, languages: Sequence[str]) -> Sequence[str]:
        for language in languages:
            if not self.knows(language):
                raise Refused(f"The recogniser does not know the language {language}.")
        if not languages:
            raise Refused("The recogniser needs at least one language; the programme names none.")
        return languages

    def _decode(self, encoded: Any, said: _Said, words: str, beam: int = _BEAM) -> _Decoded:
        code = _token(self._tokenizer, _code(said.language))
        head = [self._start, code, *self._task]
        if words:
            ids = self._tokenizer.encode(" " + words, add_special_tokens=False).ids
            head = [self._previous, *ids[:_PROMPT_TOKENS_MAX], *head]
        length_max = min(448, len(head) + int(said.duration_s * _TOKENS_PER_S) + _TOKENS_MIN)
        try:
            result = self._model.generate(
                encoded, [head], beam_size=beam, max_length=length_max, suppress_blank=True,
                return_scores=True, return_no_speech_prob=True,
            )[0]  # fmt: skip
        except RuntimeError as error:
            raise Broken(f"The recogniser failed ({error}); it will be started again.") from error
        ids = result.sequences_ids[0]
        return _Decoded(
            text=" ".join(str(self._tokenizer.decode(ids, skip_special_tokens=True)).split()),
            log_prob=float(result.scores[0]),
            no_speech=float(result.no_speech_prob),
            capped=len(head) + len(ids) >= length_max,
        )


def _nothing(text: str, language: str) -> bool:
    """No text is `enough`: nobody knows the questions."""
    return False


def _timed(found: Transcript, samples: Samples, started_s: float) -> Transcript:
    return replace(
        found,
        took_ms=(monotonic_s() - started_s) * 1000.0,
        end_ms=len(samples) * 1000.0 / SAMPLE_RATE_HZ,
    )


def _judged(decoded: _Decoded, language: str) -> Transcript:
    text = _written(decoded.text, language)
    rejected = _reason_to_reject(decoded, text)
    return Transcript("" if rejected else text, language, decoded.log_prob, rejected=rejected)


def _written(text: str, language: str) -> str:
    return without_repeats(simplified(text) if language.startswith("zh") else text)


def _reason_to_reject(decoded: _Decoded, text: str) -> str:
    if not any(c.isalnum() for c in text):
        return "empty"
    if decoded.log_prob < _LOG_PROB_MIN:
        return "noise"
    if decoded.loops:
        return "loop"
    if decoded.no_speech > 0.6 and any(words in text.lower() for words in _SIGN_OFFS):
        return "noise"
    return ""


def _code(language: str) -> str:
    return f"<|{language.split('-')[0].lower()}|>"


def _token(tokenizer: Any, name: str) -> int:
    number = tokenizer.token_to_id(name)
    if number is None:
        raise Refused(f"The recogniser's vocabulary has no {name}; fetch the model again.")
    return int(number)
