"""`vitrine device said`: the box's own word, and whether it holds."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import pytest

from device.cli import register
from device.paths import Places
from device.sync.speechlog import log_files
from tests.sim.said_box import BOX, SaidBox


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SaidBox:
    """An enrolled box that has said a few lines."""
    places = Places(tmp_path / "root")
    box = SaidBox(places.var / "proof")
    folder = places.etc / "identity"
    folder.mkdir(parents=True)
    (folder / "ca.pem").write_bytes(box.issuer.cert_pem)
    (folder / "tuf-root.json").write_bytes(b"{}")
    (folder / "box.json").write_bytes(msgspec.json.encode({
        "schema": 1, "chain": "tea", "box": BOX, "broker": {"host": "h", "port": 1},
        "content_url": "https://h/tuf", "enrol_url": "https://h/enrol", "desired_keys": []}))
    monkeypatch.setenv("VITRINE_ROOT", str(places.root))
    box.says(0, 5)
    box.says(5, 3, sign=True)
    return box


def said(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="vitrine")
    register(parser.add_subparsers())
    args = parser.parse_args(["device", "said", *words])
    return int(args.run(args))


def test_the_newest_lines_are_shown_with_their_label(
    shop: SaidBox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said("--last", "3") == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "NO AI LABEL" in lines[0] and "第7次" in lines[-1]
    assert said("--json") == 0
    assert len(msgspec.json.decode(capsys.readouterr().out)["said"]) == 8


def test_a_changed_line_on_the_box_is_found(
    shop: SaidBox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said("--verify") == 0
    assert "holds; 9 rows, signed to row 9" in capsys.readouterr().err
    (path,) = log_files(shop.folder)
    path.write_text(path.read_text().replace("第3次", "第4次"))
    assert said("--verify") == 1
    assert "BROKEN: Row 5 does not fit row 6" in capsys.readouterr().err
    assert said("--verify", "--json") == 1
    assert msgspec.json.decode(capsys.readouterr().out)["holds"] is False


def test_a_box_that_said_nothing_proves_nothing(
    shop: SaidBox, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in log_files(shop.folder):
        path.unlink()
    assert said("--verify") == 1 and "no log" in capsys.readouterr().err
