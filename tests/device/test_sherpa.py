"""sherpa-onnx by its real library, with tiny networks in its formats: what a model brings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from device.asr.engines import open_engine
from device.asr.folders import SENSE_VOICE, TRANSDUCER
from device.asr.proof import prove
from device.asr.recogniser import Recogniser, Samples, Streams
from device.asr.sherpa import language_of
from ota.errors import Refused
from tests.sim.speech import noise
from tests.sim.tiny_speech import sense_voice, transducer

QUIET = noise(1.0, 1e-5)
LOUD = noise(0.5, 0.3)
TWICE: Samples = np.concatenate([QUIET, LOUD, QUIET, LOUD, QUIET])
BOTH = ("zh-CN", "en-US")

KINDS: dict[str, Callable[[Path], tuple[str, Path]]] = {
    "sense-voice": lambda at: (SENSE_VOICE, sense_voice(at / "m")),
    "transducer": lambda at: (TRANSDUCER, transducer(at / "m", streaming=False)),
    "streaming": lambda at: (TRANSDUCER, transducer(at / "m", streaming=True)),
}


def opened(kind: str, at: Path, languages: tuple[str, ...] = BOTH) -> Recogniser:
    engine, folder = KINDS[kind](at)
    return open_engine(engine, folder, languages)


def test_sense_voice_tells_the_language_and_the_words(tmp_path: Path) -> None:
    found = opened("sense-voice", tmp_path).transcribe(TWICE, BOTH)
    assert (found.text, found.language, found.rejected) == ("茶茶", "zh-CN", "")
    assert found.end_ms == 4000.0 and found.took_ms > 0


def test_sense_voice_for_one_language_is_told_so(tmp_path: Path) -> None:
    found = opened("sense-voice", tmp_path, ("en-US",)).transcribe(TWICE, ("en-GB",))
    assert (found.text, found.language) == ("tea tea", "en-GB")


def test_speech_in_another_language_than_the_programmes_is_no_text(tmp_path: Path) -> None:
    three = ("en-US", "ko-KR", "zh-CN")
    found = opened("sense-voice", tmp_path, three).transcribe(TWICE, ("en-US", "ko-KR"))
    assert found.text == "" and found.rejected == "language"


@pytest.mark.parametrize("kind", ["transducer", "streaming"])
def test_a_transducer_hears_and_scores(kind: str, tmp_path: Path) -> None:
    found = opened(kind, tmp_path).transcribe(TWICE, BOTH)
    assert (found.text, found.language) == ("tea", "en-US")
    assert -0.2 < found.log_prob < 0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_too_short_too_long_and_no_number(kind: str, tmp_path: Path) -> None:
    recogniser = opened(kind, tmp_path)
    recogniser.warm_up()
    for nothing in (np.zeros(0, np.float32), LOUD[:900], np.zeros(16_000, np.float32), QUIET):
        assert recogniser.transcribe(nothing, BOTH).rejected == "empty"
    ten_minutes = np.tile(TWICE, 150)
    found = recogniser.transcribe(ten_minutes, BOTH)
    assert found.end_ms == 600_000.0 and len(found.text) <= 30
    recogniser.transcribe(np.full(16_000, np.nan, np.float32), BOTH)
    with pytest.raises(Refused, match="fr-FR"):
        recogniser.transcribe(LOUD, ("fr-FR",))


def test_only_the_streaming_one_listens_along_and_begins_anew(tmp_path: Path) -> None:
    assert not isinstance(opened("transducer", tmp_path / "whole"), Streams)
    recogniser = opened("streaming", tmp_path / "chunks")
    assert isinstance(recogniser, Streams)
    stream = recogniser.stream(BOTH)
    assert stream is not None and recogniser.stream(("fr-FR",)) is None
    texts = [stream.partial(TWICE[i : i + 512]) for i in range(0, len(TWICE), 512)]
    assert texts[0] == "" and texts[-1] == "tea"
    assert texts.index("tea") * 512 < 2 * 16_000, "it waited for the end"
    stream.reset()
    assert stream.partial(QUIET) == ""


def test_a_model_that_would_end_the_process_ends_a_child(tmp_path: Path) -> None:
    folder = sense_voice(tmp_path / "m")
    prove(SENSE_VOICE, folder, BOTH)
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole.replace(b"vocab_size", b"vocab_sizf"))
    with pytest.raises(Refused, match="damaged"):
        prove(SENSE_VOICE, folder, BOTH)
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Refused, match="damaged"):
        open_engine(SENSE_VOICE, folder, BOTH)


def test_a_texts_script_tells_the_language() -> None:
    assert language_of("你好 hello", ("en-US", "zh-CN")) == "zh-CN"
    assert language_of("hello", ("zh-CN", "en-US")) == "en-US"
    assert language_of("커피", ("zh-CN", "ko-KR")) == "ko-KR"
    assert language_of("こんにちは 世界", ("zh-CN", "ja-JP")) == "ja-JP"
    assert language_of("", ("zh-CN", "en-US")) == "zh-CN"
