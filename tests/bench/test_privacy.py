"""A visitor's words are found wherever they lie; the programme's own words accuse nobody."""

from __future__ import annotations

import json
from pathlib import Path

from cli.benches.privacy import leaks, traces

OWN = "龙井多少钱? How much is the Longjing?"


def test_words_are_found_in_logs_names_databases_and_escaped_json(tmp_path: Path) -> None:
    wanted = traces(["请问你们的厕所在哪里", "where is my lost umbrella"], OWN)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "ear.log").write_text("heard: Where IS my umbrella?")
    assert leaks(tmp_path, wanted), "whatever its case"
    (tmp_path / "a" / "ear.log").write_text("an umbrella stand for longjing")
    assert leaks(tmp_path, wanted) == []
    for number, data in enumerate((
            "…们的厕所在…".encode(), json.dumps("我问厕所在哪里").encode(),
            b"\x00\x01lost umbrella" + b"my lost umbrella")):
        (tmp_path / f"{number}.bin").write_bytes(data)
        assert leaks(tmp_path, wanted), data
        (tmp_path / f"{number}.bin").unlink()
    (tmp_path / "厕所在哪里.wav").touch()
    assert leaks(tmp_path, wanted)


def test_what_the_programme_itself_says_is_no_trace() -> None:
    assert traces(["龙井多少钱", "how much is the longjing"], OWN) == set()
