"""Which recogniser a box gets: brought models, joined by language; damaged ones are a fault."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from device.asr.engines import expected, load, open_engine
from device.asr.folders import (
    SENSE_VOICE,
    TRANSDUCER,
    VOSK,
    WHISPER,
    Manifest,
    Measured,
    languages_in,
    layout,
    open_folder,
    pin,
    verify,
)
from device.asr.joined import Joined, Member
from device.asr.proof import prove
from device.asr.whisper import Whisper
from device.audio.soundfiles import read
from device.paths import assets_dir
from device.programme.load import load as load_programme
from ota.errors import Refused
from tests.sim.speech import CLIPS, noise, whisper
from tests.sim.tiny_speech import sense_voice, transducer

LOUD = noise(1.0, 0.3)


def no_whisper() -> Whisper:
    raise Refused("The default is not here.")


def member(engine: str, folder: Path, *languages: str, error_rate: float | None = None) -> Member:
    measured = () if error_rate is None else tuple(
        Measured(language=name, metric="WER", error_rate=error_rate, clips=9, rtf=0.1)
        for name in languages
    )  # fmt: skip
    return Member(open_engine(engine, folder, languages), languages, measured)


def pinned(folder: Path, engine: str, *languages: str) -> Path:
    manifest = Manifest(name=folder.name, engine=engine, languages=languages, licence="test",
                        files=pin(folder))  # fmt: skip
    (folder / "model.json").write_bytes(msgspec.json.encode(manifest))
    return folder


def test_a_model_is_known_by_its_files() -> None:
    assert layout(["am/final.mdl", "conf/mfcc.conf", "graph/Gr.fst"]) == VOSK
    zipformer = [f"{p}-epoch-99-avg-1.int8.onnx" for p in ("encoder", "decoder", "joiner")]
    assert layout([*zipformer, "tokens.txt"]) == TRANSDUCER
    assert layout(["model.int8.onnx", "tokens.txt"]) == SENSE_VOICE
    assert layout(["model.bin", "vocabulary.json", "tokenizer.json"]) == WHISPER
    assert layout(["tokens.txt", *zipformer[:2]]) == layout([]) == ""


def test_a_published_name_tells_the_languages() -> None:
    for name, languages in (
        ("vosk-model-small-cn-0.22", ("zh-CN",)),
        ("vosk-model-small-en-us-0.15", ("en-US",)),
        ("sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20", ("zh-CN", "en-US")),
        ("sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17",
         ("zh-CN", "en-US", "ja-JP", "ko-KR", "yue-HK")),
        ("my-model", ()),
    ):  # fmt: skip
        assert languages_in(name) == languages


def test_every_language_has_its_engine_and_whisper_has_the_rest(tmp_path: Path) -> None:
    tea = member(SENSE_VOICE, sense_voice(tmp_path / "sv"), "zh-CN")
    joined = Joined([tea], whisper)
    assert joined.transcribe(LOUD, ("zh-CN",)).text == "茶"
    assert "whisper" not in joined.name, "it was loaded for nothing"
    assert joined.knows("en-US") and not joined.knows("xq-QX")
    english = joined.transcribe(read(CLIPS / "go-forward-en.flac", 16_000), ("zh-CN", "en-US"))
    assert english.language == "en-US" and "forward" in english.text.lower()
    chinese = joined.transcribe(read(CLIPS / "banana-zh.flac", 16_000), ("zh-CN", "en-US"))
    assert chinese.language == "zh-CN" and set(chinese.text) == {"茶"}


def test_without_language_identification_the_surer_one_counts(tmp_path: Path) -> None:
    chinese = member(SENSE_VOICE, sense_voice(tmp_path / "sv"), "zh-CN")
    english = member(TRANSDUCER, transducer(tmp_path / "tr", streaming=True), "en-US")
    joined = Joined([chinese, english], no_whisper)
    assert joined.transcribe(LOUD, ("zh-CN", "en-US")).text == "tea"
    assert joined.transcribe(noise(1.0, 1e-5), ("zh-CN", "en-US")).rejected == "empty"
    assert joined.stream(("en-US",)) is not None
    assert joined.stream(("zh-CN", "en-US")) is None and joined.stream(("zh-CN",)) is None
    assert not joined.knows("ko-KR") and "default is not here" in str(joined.fault)
    with pytest.raises(Refused, match="ko-KR"):
        joined.transcribe(LOUD, ("ko-KR",))


def test_of_two_models_of_a_language_the_one_measured_better_is_asked(tmp_path: Path) -> None:
    worse = member(SENSE_VOICE, sense_voice(tmp_path / "a"), "en-US", error_rate=0.3)
    better = member(TRANSDUCER, transducer(tmp_path / "b", False), "en-US", error_rate=0.1)
    unknown = member(SENSE_VOICE, sense_voice(tmp_path / "c"), "en-US")
    joined = Joined([unknown, worse, better], no_whisper)
    assert joined._engine("en-US") is better.engine


def test_damaged_models_leave_the_default_and_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    vosk = tmp_path / "vosk-model-small-cn-0.22"
    for name in ("am/final.mdl", "conf/mfcc.conf", "conf/model.conf"):
        (vosk / name).parent.mkdir(parents=True, exist_ok=True)
        (vosk / name).write_bytes(b"cut off")
    altered = pinned(sense_voice(tmp_path / "altered"), SENSE_VOICE, "zh-CN")
    (altered / "tokens.txt").write_text("茶 0\n", encoding="utf-8")
    (tmp_path / ".half.part").mkdir()
    recogniser = load(assets_dir(), tmp_path)
    assert isinstance(recogniser, Whisper)
    fault = str(recogniser.fault)
    for words in ("empty is empty", "small-cn-0.22 is damaged", "tokens.txt of the model altered",
                  "The default recogniser is used"):  # fmt: skip
        assert words in fault
    assert ".half" not in fault


def test_a_good_model_is_used_beside_a_bad_one(tmp_path: Path) -> None:
    pinned(sense_voice(tmp_path / "tea"), SENSE_VOICE, "zh-CN", "en-US")
    (tmp_path / "zh-nothing").mkdir()
    (tmp_path / "zh-nothing/readme").write_text("hello")
    recogniser = load(tmp_path / "no-assets", tmp_path)
    assert isinstance(recogniser, Joined) and recogniser.name == "tea"
    assert "no speech model that is known" in str(recogniser.fault)
    recogniser.warm_up()
    assert recogniser.transcribe(LOUD, ("en-US", "zh-CN")).text == "茶"


def test_what_model_json_may_not_say(tmp_path: Path) -> None:
    folder = pinned(sense_voice(tmp_path / "m"), SENSE_VOICE, "zh-CN")
    path = folder / "model.json"
    good = json.loads(path.read_bytes())
    for change, words in (
        ({"engine": "vosk"}, "names the engine vosk"),
        ({"schema": 2}, "schema 2"),
        ({"languages": []}, "cannot be read"),
        ({"files": {"x": {"bytes": 1, "sha256": "short"}}}, "cannot be read"),
    ):
        path.write_text(json.dumps(good | change))
        with pytest.raises(Refused, match=words):
            open_folder(folder)
    path.write_text("{")
    with pytest.raises(Refused, match="cannot be read"):
        open_folder(folder)
    outside = {"../x": {"bytes": 1, "sha256": "0" * 64}}
    path.write_text(json.dumps(good | {"files": outside}))
    with pytest.raises(Refused, match="leaves"):
        verify(folder, open_folder(folder)[0])


def test_an_engine_that_is_not_installed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "device.asr.vosk", raising=False)
    monkeypatch.setitem(sys.modules, "vosk", None)
    with pytest.raises(Refused, match=r"requirements/engines\.txt"):
        open_engine(VOSK, tmp_path, ("zh-CN",))


def test_a_model_that_hangs_is_left(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="damaged or too large"):
        prove(SENSE_VOICE, sense_voice(tmp_path / "m"), ("zh-CN",), limit_s=0.02)


def test_each_language_is_told_the_programme_as_its_engine_takes_it(tmp_path: Path) -> None:
    programme = {
        "schema": 1, "id": "tea", "version": 1, "languages": ["zh-CN"],
        "answers": [{"id": "a", "ask": {"zh-CN": ["茶多少钱？"]}, "say": {"zh-CN": "三元"}}],
        "fallback": {"say": {"zh-CN": "请问店员"}},
    }  # fmt: skip
    (tmp_path / "programme.json").write_text(json.dumps(programme), encoding="utf-8")
    joined = Joined([member(SENSE_VOICE, sense_voice(tmp_path / "sv"), "zh-CN")], no_whisper)
    assert expected(joined, load_programme(tmp_path)) == {"zh-CN": "茶多少钱？"}
    assert joined.fault is None
