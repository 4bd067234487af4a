"""Recognisers on the shelf: brought, tried, pinned, measured and taken away, as people do it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cli.main import main
from device.audio.soundfiles import write_wav
from models.speech.errors import distance, metric, units
from models.speech.recordings import read_recordings
from ota.errors import Refused
from tests.sim.speech import noise
from tests.sim.tiny_speech import sense_voice


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VITRINE_ROOT", str(tmp_path / "root"))
    return tmp_path / "root/opt/vitrine/models/asr"


def told(capsys: pytest.CaptureFixture[str], *command: str) -> dict[str, object]:
    assert main(["models", *command, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def refused(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    assert main(["models", *command]) == 1
    return capsys.readouterr().err


def test_a_model_is_added_measured_and_removed(
    tmp_path: Path, shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = sense_voice(tmp_path / "sense-voice-zh-en")
    added = told(capsys, "add", str(source), "--name", "tea", "--licence", "Model licence 1.1")
    assert added["languages"] == ["zh-CN", "en-US"] and added["engine"] == "sherpa-sense-voice"
    manifest = json.loads((shelf / "tea/model.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == {"model.onnx", "tokens.txt"}
    assert manifest["licence"] == "Model licence 1.1"
    assert "already" in refused(capsys, "add", str(source), "--name", "tea", "--licence", "x")

    quiet = noise(0.5, 1e-5)
    write_wav(tmp_path / "tea.wav", np.concatenate([quiet, noise(0.5, 0.3), quiet]), 16_000)
    (tmp_path / "references.tsv").write_text(
        "# file\tlanguage\twords\ntea.wav\tzh-CN\t茶。\ntea.wav\tzh-CN\t喝茶\n", encoding="utf-8"
    )
    compared = told(capsys, "compare", "--speech", str(tmp_path), "--only", "tea", "--write",
                    "--words", "--markdown", str(tmp_path / "page.md"))  # fmt: skip
    (row,) = compared["rows"]  # type: ignore[misc]
    assert (row["metric"], row["clips"], row["wrong"]) == ("CER", 2, 1)
    assert row["error_rate"] == pytest.approx(1 / 3) and 0 < row["rtf"] < 5
    assert row["rss_bytes"] > 20_000_000
    assert [h["heard"] for h in compared["heard"]["tea"]] == ["茶", "茶"]  # type: ignore[index]
    assert "| tea | zh-CN | CER 33.3 % | 2 | 1 |" in (tmp_path / "page.md").read_text()

    known = told(capsys, "list", "--verify")["recognisers"]
    tea = next(r for r in known if r["name"] == "tea")  # type: ignore[attr-defined]
    assert tea["state"] == "whole" and tea["used"] and tea["measured"][0]["clips"] == 2
    (shelf / "tea/tokens.txt").write_text("x")
    assert main(["models", "list"]) == 0
    assert "add it again" in capsys.readouterr().out
    told(capsys, "remove", "tea")
    assert list(shelf.iterdir()) == []
    assert "there: none" in refused(capsys, "remove", "tea")


def test_what_cannot_be_used_is_not_added(
    tmp_path: Path, shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/a.txt").write_text("a")
    vosk = tmp_path / "vosk-model-small-cn"
    (vosk / "am").mkdir(parents=True)
    (vosk / "conf").mkdir()
    (vosk / "am/final.mdl").write_bytes(b"cut off")
    (vosk / "conf/mfcc.conf").write_text("")
    nameless = sense_voice(tmp_path / "nameless")
    for folder, words in (
        (tmp_path / "none", "no model folder"),
        (tmp_path / "empty", "is empty"),
        (tmp_path / "letters", "no speech model that is known"),
        (vosk, "damaged"),
        (nameless, "--languages"),
    ):
        assert words in refused(capsys, "add", str(folder), "--licence", "MIT")
    assert "--licence" in refused(capsys, "add", str(nameless), "--languages", "zh-CN")
    odd = refused(capsys, "add", str(nameless), "--languages", "Chinese", "--licence", "MIT")
    assert "--languages" in odd
    odd = refused(capsys, "add", str(nameless), "--languages", "zh-CN", "--licence", "MIT",
                  "--name", "../x")  # fmt: skip
    assert "--name" in odd
    assert not shelf.exists() or list(shelf.iterdir()) == []


def test_a_list_of_recordings_with_a_fault_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "references.tsv"
    with pytest.raises(Refused, match="divided by tabs"):
        read_recordings(tmp_path)
    write_wav(tmp_path / "a.wav", noise(0.1, 0.1), 16_000)
    for line, words in (
        ("a.wav zh-CN 茶", "line 2: needs a file"),
        ("a.wav\tChinese\t茶", "line 2: Chinese is no language"),
        ("b.wav\tzh-CN\t茶", "line 2: there is no"),
        ("", "names no recording"),
    ):
        path.write_text(f"#\n{line}\n", encoding="utf-8")
        with pytest.raises(Refused, match=words):
            read_recordings(path)
    path.write_bytes("a.wav\tzh-CN\t茶".encode("gb18030"))
    with pytest.raises(Refused, match="UTF-8"):
        read_recordings(path)


def test_nobody_to_compare_is_said(
    tmp_path: Path, shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_wav(tmp_path / "a.wav", noise(0.1, 0.1), 16_000)
    (tmp_path / "references.tsv").write_text("a.wav\tfr-FR\tbonjour\n")
    assert "nobody" in refused(capsys, "compare", "--speech", str(tmp_path), "--only", "nobody")
    assert main(["models", "compare", "--speech", str(tmp_path), "--only", "whisper-base"]) == 1
    assert "No recording is in its languages" in capsys.readouterr().out


def test_errors_are_counted_as_people_speak() -> None:
    assert (metric("zh-CN"), metric("en-US"), metric("ko-KR")) == ("CER", "WER", "CER")
    assert units("龍井¥128。", "zh-CN") == list("龙井一百二十八元")
    assert units("It's 10 metres!", "en-US") == ["it's", "ten", "metres"]
    assert units("나에게 커피", "ko-KR") == list("나에게커피")
    for wanted, heard, wrong in (("abc", "abc", 0), ("abc", "", 3), ("", "ab", 2), ("kitten",
                                 "sitting", 3), ("ab", "ba", 2)):  # fmt: skip
        assert distance(wanted, heard) == wrong
