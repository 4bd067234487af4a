"""A chain's own recorded lines: heard instead of the synthesiser, and checked before they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from device.audio.soundfiles import read
from device.programme.build import build
from device.programme.check import check
from device.programme.lines import line_clips
from device.programme.load import load_index
from device.tts.loudness import TARGET_LUFS
from device.tts.r128 import integrated_lufs, true_peak_dbtp
from tests.sim.hummer import SMALL, Hummer, write


def record(path: Path, seconds: float, rate_hz: int = 44_100, level: float = 0.02) -> None:
    """A person's line in stereo, softly recorded, with silence before and after."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    sound = level * np.sin(2 * np.pi * 180 * t) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t))
    quiet = np.zeros(rate_hz // 3)
    one = np.concatenate([quiet, sound, quiet])
    soundfile.write(path, np.stack([one, one], 1), rate_hz)


def programme(**answer: Any) -> dict[str, Any]:
    """One answer with whatever the test says of it."""
    return {**SMALL, "answers": [{**SMALL["answers"][0], **answer}]}


LINE = {"zh-CN": "茶台在里面。请这边走。", "en-US": "Here."}


def test_a_recording_is_heard_instead_of_the_synthesiser(tmp_path: Path) -> None:
    record(tmp_path / "voice" / "a.wav", 1.1)
    record(tmp_path / "voice" / "b.flac", 1.0, 16_000)
    write(tmp_path, programme(say=LINE, recording={"zh-CN": ["voice/a.wav", "voice/b.flac"]})
          | {"products": [], "segments": SMALL["segments"][:1]})
    voice = Hummer()
    index = build(tmp_path, voice)
    assert not any("茶台" in text or "这边" in text for text in voice.said)
    assert "Here." in voice.said, "a language without a recording is synthesised"
    first, second = (index.speech[f"answer/where/zh-CN/{n}"] for n in (0, 1))
    assert (first.text, first.by, second.by) == ("茶台在里面。", "recording", "recording")
    assert first.starts_ms == (), "the player hears the words from the clip"
    assert index.speech["answer/where/en-US/0"].by == ""
    for clip in (first, second):
        samples = read(tmp_path / clip.file, 48_000)
        assert integrated_lufs(samples, 48_000) == pytest.approx(TARGET_LUFS, abs=0.3)
        assert true_peak_dbtp(samples) < -1.0
        assert clip.duration_ms < 1400
    assert {"voice/a.wav", "voice/b.flac"} <= set(index.files)

    again = Hummer()
    build(tmp_path, again)
    assert again.said == [] and load_index(tmp_path) == index
    record(tmp_path / "voice" / "a.wav", 1.5)
    fresh = build(tmp_path, again)
    assert again.said == [], "a new recording is a new clip, and nothing else is"
    assert fresh.speech["answer/where/zh-CN/0"].file != first.file
    assert fresh.speech["answer/where/zh-CN/1"] == second


def test_one_recording_may_say_the_whole_line(tmp_path: Path) -> None:
    record(tmp_path / "voice" / "all.wav", 3.0)
    write(tmp_path, programme(say=LINE, recording={"zh-CN": ["voice/all.wav"]})
          | {"products": [], "segments": SMALL["segments"][:1]})
    index = build(tmp_path, Hummer())
    clips = line_clips(index, "answer", "where", "zh-CN", LINE["zh-CN"])
    assert [clip.text for _, clip in clips] == [LINE["zh-CN"]]


@pytest.mark.parametrize(
    ("say", "files", "says", "severity"),
    [
        ("在这里。", ["voice/no.wav"], "is not there", "error"),
        ("在这里。", ["../a.wav"], "leaves", "error"),
        ("在这里。", ["speech/a.wav"], "built", "error"),
        ("在这里。", ["voice/a.txt"], "not a sound file", "error"),
        ("在这里。", ["voice/silent.wav"], "silent", "error"),
        ("在这里。", ["voice/tick.wav"], "lasts 0.1 s", "error"),
        ("在这里。", ["voice/a.wav", "voice/a.wav"], "1 sentences and 2 recordings", "error"),
        ("欢迎来到{store}。", ["voice/a.wav"], "differs between stores", "error"),
        ("龙井{tea.price}。", ["voice/a.wav"], "goes on saying", "warning"),
        ("在" * 60 + "。", ["voice/a.wav"], "right one", "warning"),
        ("这一句话有点长。" * 12, ["voice/a.wav"], "cannot be interrupted", "error"),
    ],
)
def test_a_recording_that_cannot_be_right_is_named(
    tmp_path: Path, say: str, files: list[str], says: str, severity: str
) -> None:
    (tmp_path / "assets").mkdir()
    record(tmp_path / "voice" / "a.wav", 1.0)
    (tmp_path / "voice" / "a.txt").write_text("no sound")
    soundfile.write(tmp_path / "voice" / "silent.wav", np.zeros(16_000), 16_000)
    soundfile.write(tmp_path / "voice" / "tick.wav", np.ones(1_600) * 0.1, 16_000)
    write(tmp_path, programme(say={"zh-CN": say, "en-US": "Here."}, recording={"zh-CN": files})
          | {"products": [{"id": "tea", "name": {"zh-CN": "茶", "en-US": "Tea"}, "price": "¥1"}]})
    found = [each for each in check(tmp_path, warnings=True) if "recording" in each.field]
    assert any(says in each.sentence_en and each.severity == severity for each in found), found
    written = (tmp_path / "programme.json").read_text(encoding="utf-8").splitlines()
    at = next(n for n, line in enumerate(written, 1) if '"recording"' in line)
    assert all(at <= each.line <= at + 5 for each in found)


def test_a_recording_of_a_line_that_is_not_there(tmp_path: Path) -> None:
    record(tmp_path / "voice" / "a.wav", 1.0)
    write(tmp_path, programme(say={"zh-CN": "在这里。"}, recording={"en-US": ["voice/a.wav"]})
          | {"products": [], "segments": SMALL["segments"][:1]})
    assert any("no line in en-US" in each.sentence_en for each in check(tmp_path))
