"""`vitrine ask`: one question, written or recorded, through the very ear and conversation."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.audio.resample import resample
from device.audio.soundfiles import write_wav
from device.conversation import cli
from device.paths import assets_dir
from device.programme.load import load
from device.tts.kokoro import Voice
from ota.errors import Refused

ROOT = Path(__file__).resolve().parents[2]
TEA_SHOP = ROOT / "programmes" / "tea-shop"


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    cli.register(parser.add_subparsers())
    parsed = parser.parse_args(["ask", "--json", *arguments])
    assert parsed.run(parsed) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.fixture(scope="module")
def voice() -> Iterator[Voice]:
    yield Voice.load(assets_dir())


def test_a_written_question(capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, "--programme", str(TEA_SHOP), "--text", "请问龙井多少钱")
    product = load(TEA_SHOP).product("longjing")
    assert product is not None and product.price is not None
    assert answer["answer_id"] == "price-longjing" and answer["show"] == "longjing"
    assert product.price.strip("¥") in answer["say"]
    assert answer["score"] > 0.9 and answer["latency_ms"]["answer"] < 500


def test_a_question_without_an_answer_gets_the_fallback(capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, "--programme", str(TEA_SHOP), "--text", "附近有地铁站吗")
    assert answer["answer_id"] is None
    assert answer["say"] == "这个问题，我还答不上来。请问一下身边的店员，好吗？"


def test_a_programme_can_be_asked_before_its_first_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(TEA_SHOP / "programme.json", tmp_path)
    answer = ask(capsys, "--programme", str(tmp_path), "--text", "when do you close")
    assert answer["answer_id"] == "hours" and answer["language"] == "en-US"


@pytest.mark.parametrize(
    ("text", "language", "speaker", "rate_hz", "wanted"),
    [
        ("你们几点关门？", "zh-CN", "zm_yunxi", 48_000, "hours"),
        ("普洱茶多少钱？", "zh-CN", "zf_xiaoxiao", 8_000, "price-puer"),
        ("How much is the jasmine tea?", "en-US", "am_michael", 44_100, "price-jasmine"),
        ("Where can I park my car?", "en-US", "am_michael", 16_000, None),
    ],
)
def test_a_recorded_question(
    voice: Voice, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    text: str, language: str, speaker: str, rate_hz: int, wanted: str | None,
) -> None:  # fmt: skip
    """A voice that is not the kiosk's own, at the rate of some recorder."""
    speech = voice.synthesise(text, language, voice=speaker)
    quiet = np.zeros(rate_hz // 2, np.float32)
    sound = resample(speech.samples, speech.sample_rate_hz, rate_hz)
    write_wav(tmp_path / "q.wav", np.concatenate([quiet, sound, quiet]), rate_hz)
    answer = ask(capsys, "--programme", str(TEA_SHOP), "--audio", str(tmp_path / "q.wav"))
    assert answer["answer_id"] == wanted, answer
    assert answer["transcript"] and answer["say"]
    assert answer["language"] == language
    assert set(answer["latency_ms"]) == {"load", "hear", "recognise", "answer", "total"}


def test_noise_is_not_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(2).normal(size=32_000).astype(np.float32) * 0.05
    write_wav(tmp_path / "noise.wav", noise, 16_000)
    answer = ask(capsys, "--programme", str(TEA_SHOP), "--audio", str(tmp_path / "noise.wav"))
    assert answer["answer_id"] is None and answer["say"] is None
    assert answer["why"] == "no words were heard"


def test_clear_words_about_a_bad_recording_or_programme(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "silence.wav", np.zeros(16_000, np.float32), 16_000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF....")
    for name, words in (("silence.wav", "silent"), ("broken.wav", "not a sound file"),
                        ("absent.wav", "no sound file")):  # fmt: skip
        with pytest.raises(Refused, match=words):
            ask(capsys, "--programme", str(TEA_SHOP), "--audio", str(tmp_path / name))
    with pytest.raises(Refused, match="right folder"):
        ask(capsys, "--programme", str(tmp_path), "--text", "hello")
