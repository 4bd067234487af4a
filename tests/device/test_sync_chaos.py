"""Ten thousand events while broker and agent are killed at random: each arrives and counts once."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path

import pytest

from ota.clock import sleep_s
from tests.device.box_process import BoxProcess
from tests.sim.chain import Chain, Console, wait_until

BOX = "shanghai-001"
EVENTS = 10_000


def take(console: Console, got: dict[str, int]) -> None:
    while not console.heard.empty():
        arrived = console.heard.get()
        console.line.ack(arrived)
        if arrived.topic.endswith("/event"):
            event_id = str(json.loads(arrived.payload)["id"])
            got[event_id] = got.get(event_id, 0) + 1


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [5, 6])
def test_ten_thousand_events_with_broker_and_agent_killed_at_random(
    tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    got: dict[str, int] = {}
    with Chain(tmp_path / "fleet") as chain:
        box = BoxProcess(chain.enrol(tmp_path / "b", BOX))
        try:
            chain.broker_up()
            console = chain.console_up()
            chain.desire(BOX, 1, programme=chain.publish(1))
            box.start()
            box.told_to_play(1)
            sent = 0
            while sent < EVENTS:
                for _ in range(dice.randint(100, 500)):
                    box.happened(f"e-{sent}")
                    sent += 1
                take(console, got)
                fate = dice.random()
                if fate < 0.35:
                    chain.broker_kill()
                    sleep_s(dice.random() * 2)
                    chain.broker_up()
                elif fate < 0.6:
                    last = f"e-{sent - 1}"
                    # What the bus still holds dies with the agent: wait until it is written.
                    wait_until(lambda last=last: is_written(console, got, box, last), 60)
                    box.kill()
                    while box.player.receive(0.0) is not None:
                        continue
                    box.start()
                    box.told_to_play(1, 40)

            def all_there() -> bool:
                take(console, got)
                return {f"e-{n}" for n in range(sent)} <= set(got)

            wait_until(all_there, 90, "the last event")
        finally:
            box.close()


def is_written(console: Console, got: dict[str, int], box: BoxProcess, event_id: str) -> bool:
    take(console, got)
    if event_id in got:
        return True
    path = f"file:{box.places.var / 'outbox.db'}?mode=ro"
    with sqlite3.connect(path, uri=True) as db:
        return db.execute("SELECT 1 FROM held WHERE id = ?", (event_id,)).fetchone() is not None
