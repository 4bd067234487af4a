"""Kokoro-82M (int8 ONNX): text to speech with the time of every phoneme.

The model file carries its duration predictor as a second output (models/registry.json adds
it as a literal tail), so that timings cost nothing. The graph has no random node: the same
text, voice and speed give the same samples.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from device.infer.ort import Session, open_session
from device.tts.engine import Samples, Speech, Timing, trimmed
from device.tts.phonemes import Phonemiser, Spoken
from device.tts.sentences import split
from device.tts.text import normalise as normalise_text
from ota.errors import Refused

SAMPLE_RATE_HZ = 24_000
# Part of every clip's name: raise the number when the same text would sound otherwise.
ENGINE = "kokoro-82m-int8/2"
# The first is taken where a programme names none.
VOICES: Mapping[str, tuple[str, ...]] = {
    "zh-CN": ("zf_xiaobei", "zf_xiaoxiao", "zm_yunxi"),
    "en-US": ("af_heart", "am_michael"),
}
# The first letter of a voice file is its language.
_LANGUAGES = {"z": "zh-CN", "a": "en-US"}
_MODEL = "kokoro/kokoro-timed.int8.onnx"
_VOCABULARY = "kokoro/vocab.json"
_VOICE = "kokoro/voices/{name}.bin"
_DURATIONS = "/encoder/Clip_output_0"
_STYLE_ROWS = 510
_SYMBOLS_MAX = 400
_FRAME_SAMPLES = 600
_PAUSE_MS = 220
_TEXT_CHARS_MAX = 2000


class Voice:
    """A loaded synthesiser; not for use by two threads at once."""

    engine = ENGINE

    def __init__(
        self,
        session: Session,
        vocabulary: dict[str, int],
        styles: dict[str, Samples],
        phonemiser: Phonemiser,
    ) -> None:
        self._session = session
        self._vocabulary = vocabulary
        self._styles = styles
        self._phonemiser = phonemiser

    @classmethod
    def load(cls, assets: Path, threads: int = 1) -> Voice:
        """Load model, voices and dictionaries (about 2 s, 330 MB RSS).

        Raises Refused when the models are not in `assets` (run `python -m models.fetch`).
        """
        model, vocabulary = assets / _MODEL, assets / _VOCABULARY
        styles = {p.stem: _style(p) for p in sorted(assets.glob(_VOICE.format(name="*")))}
        missing = [p for p in (model, vocabulary) if not p.is_file()]
        missing += [assets / _VOICE.format(name=v) for v, *_ in VOICES.values() if v not in styles]
        if missing:
            raise Refused(
                f"The speech model file {missing[0]} is missing; run ./vitrine models fetch."
            )
        numbers = json.loads(vocabulary.read_text(encoding="utf-8"))["vocab"]
        session = open_session(model, threads, gives_back=True)
        return cls(session, numbers, styles, Phonemiser(assets / "cache"))

    @property
    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """See Engine; a voice file that was added is offered for the language of its letter."""
        known = {language: list(names) for language, names in VOICES.items()}
        for name in self._styles:
            language = _LANGUAGES.get(name[0])
            if language and name not in known[language]:
                known[language].append(name)
        return {
            language: tuple(n for n in names if n in self._styles)
            for language, names in known.items()
        }

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> Speech:
        """Speak `text` (digits, prices and signs are read in `language`: zh-CN or en-US).

        Raises Refused for a text without anything sayable, an unknown language or voice,
        or a text over 2,000 characters.
        """
        name = voice or VOICES.get(language, (None,))[0]
        if name is None or name not in self._styles:
            raise Refused(
                f"There is no voice for {voice or language}; have: {', '.join(self._styles)}."
            )
        if len(text) > _TEXT_CHARS_MAX:
            raise Refused(f"The text has {len(text)} characters; at most {_TEXT_CHARS_MAX} a line.")
        parts = [
            self._speak(chunk, self._styles[name], min(2.0, max(0.5, speed)))
            for sentence in split(text, language)
            for chunk in _chunks(self._phonemiser.words(normalise_text(sentence, language)))
        ]
        if not parts:
            raise Refused(f"There is nothing to say in the line {text[:40]!r}.")
        return _joined(parts)

    def _speak(self, words: list[Spoken], style: Samples, speed: float) -> Speech:
        symbols, owners = _symbols(words, self._vocabulary)
        tokens = np.zeros((1, len(symbols) + 2), np.int64)
        tokens[0, 1:-1] = [self._vocabulary[s] for s in symbols]
        outputs = self._session.run(
            {
                "tokens": tokens,
                "style": style[min(len(symbols), _STYLE_ROWS) - 1],
                "speed": np.array([speed], np.float32),
            }
        )
        samples = np.asarray(outputs["audio"], np.float32).reshape(-1)
        frames = np.asarray(outputs[_DURATIONS]).reshape(-1)
        ends = np.cumsum(frames) * (_FRAME_SAMPLES * 1000.0 / SAMPLE_RATE_HZ)
        spans = [(float(ends[i]), float(ends[i + 1])) for i in range(len(symbols))]
        phonemes = tuple((s, a, b) for s, (a, b) in zip(symbols, spans, strict=True))
        return _trimmed(samples, phonemes, _word_spans(words, owners, spans))


def _style(path: Path) -> Samples:
    rows = np.fromfile(path, dtype="<f4")
    if rows.size != _STYLE_ROWS * 256:
        raise Refused(f"{path} is no voice of this synthesiser; run ./vitrine models fetch.")
    return rows.reshape(_STYLE_ROWS, 1, 256)


def _chunks(words: list[Spoken]) -> Iterator[list[Spoken]]:
    """At most 400 symbols a piece (the model takes 510), cut at a mark where there is one."""
    piece: list[Spoken] = []
    length = 0
    for word in words:
        at_mark = bool(piece) and not piece[-1].is_word and length > _SYMBOLS_MAX * 2 // 3
        if piece and (at_mark or length + len(word.symbols) + 1 > _SYMBOLS_MAX):
            yield piece
            piece, length = [], 0
        piece.append(word)
        length += len(word.symbols) + 1
    if any(w.is_word for w in piece):
        yield piece


def _symbols(words: list[Spoken], vocabulary: dict[str, int]) -> tuple[list[str], list[int]]:
    """The symbols of the words with spaces between them, and each symbol's word (-1: none)."""
    symbols: list[str] = []
    owners: list[int] = []
    for index, word in enumerate(words):
        if symbols and word.is_word and symbols[-1] != " ":
            symbols.append(" ")
            owners.append(-1)
        known = [s for s in word.symbols if s in vocabulary]
        symbols.extend(known)
        owners.extend([index] * len(known))
    return symbols[: _STYLE_ROWS - 2], owners[: _STYLE_ROWS - 2]


def _word_spans(
    words: list[Spoken], owners: list[int], spans: list[tuple[float, float]]
) -> tuple[Timing, ...]:
    timings = []
    for index, word in enumerate(words):
        own = [span for owner, span in zip(owners, spans, strict=True) if owner == index]
        if own and word.is_word:
            timings.append((word.text, own[0][0], own[-1][1]))
    return tuple(timings)


def _trimmed(samples: Samples, phonemes: tuple[Timing, ...], words: tuple[Timing, ...]) -> Speech:
    """Cut the model's long silence before and after, and move the timings with it."""
    cut, shift_ms = trimmed(samples, SAMPLE_RATE_HZ)
    length_ms = len(cut) * 1000.0 / SAMPLE_RATE_HZ
    return Speech(
        cut, SAMPLE_RATE_HZ,
        _moved(phonemes, -shift_ms, length_ms), _moved(words, -shift_ms, length_ms),
    )  # fmt: skip


def _moved(timings: tuple[Timing, ...], by_ms: float, length_ms: float) -> tuple[Timing, ...]:
    return tuple(
        (what, min(length_ms, max(0.0, a + by_ms)), min(length_ms, max(0.0, b + by_ms)))
        for what, a, b in timings
    )


def _joined(parts: list[Speech]) -> Speech:
    pause = np.zeros(SAMPLE_RATE_HZ * _PAUSE_MS // 1000, np.float32)
    pieces: list[Samples] = []
    phonemes: list[Timing] = []
    words: list[Timing] = []
    at_ms = 0.0
    for part in parts:
        if pieces:
            pieces.append(pause)
            at_ms += _PAUSE_MS
        phonemes += [(s, a + at_ms, b + at_ms) for s, a, b in part.phonemes]
        words += [(w, a + at_ms, b + at_ms) for w, a, b in part.words]
        pieces.append(part.samples)
        at_ms += part.duration_ms
    return Speech(np.concatenate(pieces), SAMPLE_RATE_HZ, tuple(phonemes), tuple(words))
