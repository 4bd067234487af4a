"""The command line as people meet it: help with examples, sentences instead of tracebacks."""

from __future__ import annotations

import argparse
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import build_parser, main
from cli.shop import LOOPBACK, Shop, choose_ports
from device.paths import repository_root
from ota.errors import Refused


def parsers(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, str]]:
    yield name, parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for part, child in action.choices.items():
                yield from parsers(child, f"{name} {part}")


ALL = dict(parsers(build_parser(), "vitrine"))


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_command_shows_an_example(name: str) -> None:
    assert "example" in ALL[name], name


CONTRACT = (
    "demo", "test", "bench", "render", "ask", "programme",
    "avatar", "models", "device", "ota", "provision", "fleet",
)


@pytest.mark.parametrize("wanted", CONTRACT)
def test_every_command_of_the_contract_is_there(wanted: str) -> None:
    assert f"vitrine {wanted}" in ALL


def test_a_wrong_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["no-such-thing"])
    assert left.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


def test_an_unknown_option_is_wrong_usage() -> None:
    with pytest.raises(SystemExit) as left:
        main(["bench", "--no-such-option"])
    assert left.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["demo", "--speak", "/no/such/question.wav"], "/no/such/question.wav"),
        (["demo", "--seconds", "0"], "--seconds"),
        (["render", "--audio", "/no/such.wav", "--out", "/tmp/never.mp4"], "/no/such.wav"),
        (["programme", "check", "/no/such/programme"], "/no/such/programme"),
        (["avatar", "check", "/no/such/avatar"], "/no/such/avatar"),
        (["ask", "--programme", "/no/such/programme", "--text", "茶"], "/no/such/programme"),
    ],
)
def test_a_mistake_gets_a_sentence_and_exit_code_1(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if arguments[0] == "demo":
        arguments = [*arguments, "--root", str(tmp_path)]
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert word in told.err + told.out
    assert "Traceback" not in told.err


def test_a_broken_recording_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF this is no sound")
    assert main(["demo", "--speak", str(broken), "--root", str(tmp_path / "d")]) == 1
    assert "broken.wav" in capsys.readouterr().err


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with Shop(tmp_path, print, True), pytest.raises(Refused, match="already running"):
        Shop(tmp_path, print, True)


def test_a_fresh_start_forgets_a_demo_and_nothing_else(tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "box"
    mine.mkdir(parents=True)
    with pytest.raises(Refused, match="left alone"):
        Shop(tmp_path / "mine", print, True, fresh=True)
    assert mine.exists()
    root = tmp_path / "demo"
    with Shop(root, print, True, fresh=True) as shop:
        shop.state.mkdir()
        (shop.state / "fleet.json").write_text("{}")
        shop.places.etc.mkdir(parents=True)
        with pytest.raises(Refused, match="already running"):
            Shop(root, print, True, fresh=True)
        assert shop.state.exists(), "a running demo loses nothing"
    with Shop(root, print, True, fresh=True) as shop:
        assert not shop.state.exists() and not shop.places.etc.exists()


def test_taken_ports_are_passed_over() -> None:
    usual = choose_ports()
    with socket.create_server((LOOPBACK, usual.console)):
        assert choose_ports().console == usual.console + 1


def test_the_front_door_answers_quickly_and_without_network(tmp_path: Path) -> None:
    script = repository_root() / "vitrine"
    assert subprocess.run(["sh", "-n", str(script)], timeout=10).returncode == 0
    if not (repository_root() / ".venv" / ".vitrine").is_dir():
        pytest.skip("this Python environment was not made by the launcher")
    done = subprocess.run(
        [str(script), "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "http_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout
