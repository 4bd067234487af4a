"""The only importer of sherpa_onnx: SenseVoice, and zipformer transducers, whole or streaming.

The library ends the process on some damaged models: `device.asr.proof` runs them first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sherpa_onnx

from device.asr.folders import SENSE_VOICE, onnx
from device.asr.recogniser import SAMPLE_RATE_HZ, Samples, Transcript
from device.asr.script import simplified
from ota.clock import monotonic_s
from ota.errors import Refused

_SECONDS_MIN = 0.1
_SECONDS_MAX = 30.0
_TAIL_S = 0.6
# SenseVoice gives no probabilities: neither surely right nor doubted.
_UNSCORED = -0.4
_METADATA_BYTES = 1 << 20
_CHUNKED = b"decode_chunk_len"


def load(engine: str, folder: Path, languages: Sequence[str], threads: int = 1) -> Sherpa:
    """The engine with the model in `folder`. Raises Refused when a file of it is damaged."""
    names = [p.name for p in folder.iterdir() if p.is_file()]
    tokens = str(folder / "tokens.txt")
    try:
        if engine == SENSE_VOICE:
            # With one language the model need not guess; with several it does.
            code = _code(languages[0]) if len(languages) == 1 else "auto"
            model = sherpa_onnx.OfflineRecognizer.from_sense_voice(
                str(folder / onnx(names, "model")), tokens, num_threads=threads, language=code,
                use_itn=True,
            )  # fmt: skip
            return SenseVoice(model, languages, folder.name)
        parts = {p: str(folder / onnx(names, p)) for p in ("encoder", "decoder", "joiner")}
        if streams(folder / onnx(names, "encoder")):
            online = sherpa_onnx.OnlineRecognizer.from_transducer(
                tokens=tokens, num_threads=threads, **parts
            )
            return StreamingTransducer(online, languages, folder.name)
        model = sherpa_onnx.OfflineRecognizer.from_transducer(
            tokens=tokens, num_threads=threads, **parts
        )
        return Transducer(model, languages, folder.name)
    except (RuntimeError, ValueError) as error:
        raise Refused(f"The sherpa model in {folder} is damaged; bring it again.") from error


def streams(encoder: Path) -> bool:
    """True when an encoder is one for chunks: its metadata, at the file's end, name their length.

    Raises Refused when the file cannot be read.
    """
    try:
        with encoder.open("rb") as file:
            file.seek(max(0, encoder.stat().st_size - _METADATA_BYTES))
            return _CHUNKED in file.read()
    except OSError as error:
        raise Refused(f"{encoder} cannot be read ({error.strerror}); bring it again.") from error


def language_of(text: str, languages: Sequence[str]) -> str:
    """Which of `languages` a text is written in, by its script; the first where that is open."""
    kinds = {"ja": "\u3040-\u30ff", "ko": "\uac00-\ud7a3", "zh": "\u3400-\u9fff"}
    for code, (first, last) in ((c, r.split("-")) for c, r in kinds.items()):
        named = [name for name in languages if _code(name) == code]
        if named and any(first <= letter <= last for letter in text):
            return named[0]
    latin = [name for name in languages if _code(name) not in (*kinds, "yue")]
    return latin[0] if latin and any(c.isascii() and c.isalpha() for c in text) else languages[0]


class Sherpa:
    """What all three have in common; see `device.asr.recogniser.Recogniser`."""

    fault: str | None = None

    def __init__(self, model: Any, languages: Sequence[str], name: str) -> None:
        self._model = model
        self._languages = tuple(languages)
        self.name = name

    def knows(self, language: str) -> bool:
        """True for the languages the model was brought for, whatever their region."""
        return any(_code(language) == _code(name) for name in self._languages)

    def warm_up(self) -> None:
        """One decode of silence."""
        self.transcribe(np.zeros(SAMPLE_RATE_HZ, np.float32), self._languages)

    def transcribe(
        self,
        samples_16k: Samples,
        languages: Sequence[str],
        prompt: Mapping[str, str] | None = None,
    ) -> Transcript:
        """One utterance, up to 30 s (what is longer is cut); these models take no prompt."""
        wanted = [name for name in languages if self.knows(name)]
        if not wanted:
            raise Refused(f"The recogniser {self.name} knows none of {', '.join(languages)}.")
        began_s = monotonic_s()
        samples = np.nan_to_num(samples_16k[: int(_SECONDS_MAX * SAMPLE_RATE_HZ)])
        found = Transcript("", wanted[0], 0.0, rejected="empty")
        if len(samples) >= _SECONDS_MIN * SAMPLE_RATE_HZ and samples.any():
            found = self._hear(samples.astype(np.float32), wanted)
        return Transcript(
            found.text, found.language, found.log_prob, (monotonic_s() - began_s) * 1000.0,
            found.rejected, 0.0, len(samples_16k) * 1000.0 / SAMPLE_RATE_HZ,
        )  # fmt: skip

    def _hear(self, samples: Samples, languages: Sequence[str]) -> Transcript:
        raise NotImplementedError

    def _offline(self, samples: Samples) -> Any:
        stream = self._model.create_stream()
        stream.accept_waveform(SAMPLE_RATE_HZ, samples)
        self._model.decode_stream(stream)
        return stream.result


class SenseVoice(Sherpa):
    """SenseVoice Small: Chinese, Cantonese, English, Japanese, Korean; it tells the language."""

    def _hear(self, samples: Samples, languages: Sequence[str]) -> Transcript:
        result = self._offline(samples)
        told = str(result.lang).strip("<|>")
        if told == "nospeech":
            return Transcript("", languages[0], _UNSCORED, rejected="noise")
        same = [n for n in languages if _code(n) == told]
        # What it takes for Cantonese is written as Chinese, and is mostly a Mandarin speaker.
        near = [n for n in languages if told == "yue" and _code(n) == "zh"]
        log_prob = _mean(result.ys_log_probs)
        if told and told != "auto" and not same and not near and len(languages) > 1:
            return Transcript("", languages[0], log_prob, rejected="language")
        language = (same or near or [language_of(result.text, languages)])[0]
        return _transcript(str(result.text), language, log_prob)


class Transducer(Sherpa):
    """A zipformer transducer that hears an utterance whole."""

    def _hear(self, samples: Samples, languages: Sequence[str]) -> Transcript:
        result = self._offline(samples)
        text = str(result.text)
        return _transcript(text, language_of(text, languages), _mean(result.ys_log_probs))


class StreamingTransducer(Sherpa):
    """A zipformer transducer that hears chunk by chunk."""

    def _hear(self, samples: Samples, languages: Sequence[str]) -> Transcript:
        stream = self._model.create_stream()
        stream.accept_waveform(SAMPLE_RATE_HZ, samples)
        stream.accept_waveform(
            SAMPLE_RATE_HZ, np.zeros(int(_TAIL_S * SAMPLE_RATE_HZ), np.float32)
        )
        stream.input_finished()
        _decode(self._model, stream)
        result = self._model.get_result_all(stream)
        text = str(result.text)
        return _transcript(text, language_of(text, languages), _mean(result.ys_probs))

    def stream(
        self, languages: Sequence[str], prompt: Mapping[str, str] | None = None
    ) -> SherpaStream | None:
        """A stream, where the model knows all of `languages`."""
        if not languages or not all(self.knows(name) for name in languages):
            return None
        return SherpaStream(self._model)


class SherpaStream:
    """See `device.asr.recogniser.Streaming`."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._stream = model.create_stream()

    def partial(self, samples_16k: Samples) -> str:
        """The words so far."""
        self._stream.accept_waveform(SAMPLE_RATE_HZ, np.nan_to_num(samples_16k))
        _decode(self._model, self._stream)
        return _plain(str(self._model.get_result(self._stream)))

    def reset(self) -> None:
        """A new utterance begins: nothing of the one before may be heard into it."""
        self._stream = self._model.create_stream()


def _decode(model: Any, stream: Any) -> None:
    """All frames that have come; ends, as each step takes some."""
    while model.is_ready(stream):
        model.decode_stream(stream)


def _transcript(text: str, language: str, log_prob: float) -> Transcript:
    plain = _plain(text)
    if not any(c.isalnum() for c in plain):
        return Transcript("", language, log_prob, rejected="empty")
    return Transcript(simplified(plain) if _code(language) == "zh" else plain, language, log_prob)


def _plain(text: str) -> str:
    """One line; models that were trained on capitals say everything in them."""
    line = " ".join(text.split())
    return line.lower() if line.isupper() else line


def _mean(log_probs: Sequence[float]) -> float:
    return float(np.mean(log_probs)) if len(log_probs) else _UNSCORED


def _code(language: str) -> str:
    return language.split("-")[0].lower()
