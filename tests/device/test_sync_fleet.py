"""The whole way, with nothing simulated but the player: console, broker, enrolment, agent."""

from __future__ import annotations

import argparse
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.messages import Command, CommandDone
from device.paths import Places
from fleet.cli import register
from ota.clock import monotonic_s, utc_now
from provisioning.enrol import enrol
from tests.device.box_process import BoxProcess
from tests.fleet.rig import Fleet, small_programme, wait_until

BOX = "demo-001"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(tmp_path / "fleet", small_programme(tmp_path / "first"))
    made.up()
    yield made
    made.down()


def found_box(fleet: Fleet) -> dict[str, object]:
    status, body = fleet.ask(f"/api/v1/boxes/{BOX}")
    assert status == 200, body
    return dict(body)


def test_from_the_ticket_to_a_new_price_and_back_to_the_console(
    fleet: Fleet, tmp_path: Path
) -> None:
    places = Places(tmp_path / "b")
    enrol(places, fleet.ticket(BOX), utc_now())
    box = BoxProcess(places)
    try:
        box.start()
        first = box.heard_ready()
        assert first.programme_id == "tea-shop"
        box.plays("tea-shop", first.version)
        wait_until(lambda: fleet.console.line.is_up, 20)
        folder = Path(first.path)
        document = json.loads((folder / "programme.json").read_text())
        document["products"][0]["price"] = "¥139"
        status, kept = fleet.ask("/api/v1/programmes/tea-shop", {"document": document}, "PUT")
        assert status == 200 and not [f for f in kept["faults"] if f["severity"] == "error"], kept
        start_s = monotonic_s()
        status, published = fleet.ask("/api/v1/programmes/tea-shop/publish", {"note": "dearer"})
        assert status == 200 or status == 201, published
        second = box.told_to_play(first.version + 1)
        print(f"publish to the box: {monotonic_s() - start_s:.2f} s")
        text = (Path(second.path) / "programme.json").read_text()
        assert "¥139" in text and "¥128" not in text
        assert "¥128" in (folder / "programme.json").read_text()  # the old one still plays
        box.plays("tea-shop", second.version)
        wait_until(
            lambda: (found_box(fleet)["reported"]["programme"] or {}).get("version")  # type: ignore
            == second.version, 30, "the console's view")
        box.happened("said-1", kind="played", segment="welcome", version=2, said="欢迎来到茶铺。",
                     label=True, label_px=54)
        wait_until(lambda: fleet.ask(f"/api/v1/events?box={BOX}&kind=played")[1]["events"], 15,
                   "the event")
        proved(fleet)
        orders(fleet, box)
    finally:
        box.close()


def proved(fleet: Fleet) -> None:
    """The console shows what was said, and its rows are judged good by the box's own signature."""
    with urllib.request.urlopen(f"{fleet.http}/screens/{BOX}", timeout=10) as page:
        html = page.read().decode()
    assert "欢迎来到茶铺。" in html and "AI 54 px" in html
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["fleet", "export", "--verify", "--url", fleet.http,
                              "--ca", str(fleet.ca)])
    assert args.run(args) == 0
    rows = fleet.ask("/api/v1/proof")[1]["proof"]
    assert [row["kind"] for row in rows] == ["proof-began", "played"]
    assert rows[1]["detail"]["n"] == 2


def orders(fleet: Fleet, box: BoxProcess) -> None:
    """A command through the console's API to the player and back."""
    status, sent = fleet.ask(f"/api/v1/boxes/{BOX}/commands",
                             {"name": "volume", "args": {"volume": 0.3}})
    assert status in (200, 201, 202), sent
    command = box.heard(Command)
    assert isinstance(command, Command) and command.args == {"volume": 0.3}
    box.player.publish(CommandDone(id=command.id, ok=True, result={"volume": 0.3}))
    wait_until(lambda: fleet.ask(f"/api/v1/commands/{command.id}")[1]["ok"], 15, "the answer")
