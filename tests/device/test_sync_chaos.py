"""Events while broker and agent are killed at random: each arrives, and the console counts it once.

The player's own teller speaks, the agent is a real process killed with -9 at any moment (also
while it has heard and not yet written), mosquitto is killed with -9, and the console's own inbox
and database do the counting.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from device import messages as m
from device.bus import Bus
from device.stage.teller import Teller
from fleet import mqtt as console_mqtt
from fleet.inbox import SUBSCRIBED, Inbox
from fleet.live import Hub
from fleet.store.boxes import Boxes
from fleet.store.database import Database
from fleet.store.proof import Proof
from ota.clock import Deadline, monotonic_s, utc_now
from ota.trust.proof import verify
from tests.device.box_process import BoxProcess
from tests.sim.chain import CHAIN, Chain

BOX = "shanghai-001"
# A teller gives up the oldest of 2048: hours of talk, and here a second.
WAITING_MAX = 1500
ROOT = f"vitrine/1/{CHAIN}"


class Player:
    """The director's teller on the bus, which is all that a player does here."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.teller = Teller(bus.publish)
        self.told = 0

    def say(self, count: int) -> None:
        for _ in range(count):
            detail = {"segment": f"s-{self.told}", "complete": True, "programme": "storm",
                      "language": "zh-CN", "version": 1}
            self.teller.tell("played", detail, f"e-{self.told}")
            self.told += 1
            self.listen()
            while self.teller.waiting > WAITING_MAX:  # faster than a shop ever speaks
                self.listen(0.05)

    def listen(self, seconds: float = 0.0) -> None:
        while (message := self._bus.receive(seconds)) is not None:
            if isinstance(message, m.Kept):
                self.teller.kept(message)
            seconds = 0.0
        self.teller.turn()


@contextmanager
def counting(chain: Chain, path: Path) -> Iterator[Database]:
    """The console's own line, inbox and database."""
    database = Database(path)
    Boxes(database).enrolled(BOX, "storm", "", utc_now())
    folder = chain.places.console
    lines: list[console_mqtt.Line] = []
    inbox = Inbox(database, Hub(), ROOT, lambda arrived: lines[0].ack(arrived), lambda: None)
    address = console_mqtt.Address("127.0.0.1", chain.broker_port, chain.authority.ca_path,
                                   folder / "cert.pem", folder / "key.pem")
    lines.append(console_mqtt.Line(
        address, "console", [f"{ROOT}/+/{leaf}" for leaf in SUBSCRIBED], inbox.put,
        inbox.line_is_up))
    inbox.start()
    lines[0].start()
    try:
        yield database
    finally:
        lines[0].stop()
        inbox.stop()
        database.close()


def counts(database: Database) -> dict[str, int]:
    rows = database.all("select line, sum(count) n from played group by line")
    return {row["line"]: int(row["n"]) for row in rows}


def storm(tmp_path: Path, events: int, seed: int, burst: int, gentle_s: float) -> dict[str, int]:
    """Tell so many events while both are killed at random; the console's counts at the end."""
    dice = random.Random(seed)
    kills = {"broker": 0, "agent": 0}
    with Chain(tmp_path / "fleet") as chain:
        box = BoxProcess(chain.enrol(tmp_path / "b", BOX))
        chain.broker_up()
        with counting(chain, tmp_path / "console.db") as database:
            try:
                box.start()
                player = Player(box.player)
                begun_s = monotonic_s()
                while player.told < events:
                    player.say(min(dice.randint(burst // 4, burst), events - player.told))
                    fate = dice.random()
                    if fate < 0.3 or not kills["broker"]:
                        kills["broker"] += 1
                        chain.broker_kill()
                        _meanwhile(player, dice.random() * gentle_s)
                        chain.broker_up()
                    if fate > 0.6 or not kills["agent"]:
                        kills["agent"] += 1
                        _meanwhile(player, dice.random() * gentle_s)
                        box.kill()  # whatever it has heard and not written yet dies with it
                        box.start()
                    _meanwhile(player, dice.random() * gentle_s)
                deadline = Deadline(90 + events / 50)
                while len(counts(database)) < events:
                    assert not deadline.passed, f"{len(counts(database))} of {events}: {kills}"
                    player.listen(0.2)
                print(f"{events} events, {kills}, {monotonic_s() - begun_s:.0f} s")
                found = counts(database)
                assert not box.log.exists() or "Traceback" not in box.log.read_text()
                _proof_holds(database, chain, events)
                return found
            finally:
                box.close()


def _meanwhile(player: Player, seconds: float) -> None:
    deadline = Deadline(seconds)
    while not deadline.passed:
        player.listen(min(0.02, deadline.left_s))


def _proof_holds(database: Database, chain: Chain, events: int) -> None:
    """What the console has is one unbroken log, whatever was killed over it."""
    rows, after = [], ("", "", 0, 0, "")
    while page := Proof(database).page(BOX, after):
        rows += [row.as_json() for row in page]
        after = page[-1].place
    verdict = verify(BOX, rows[0]["detail"]["log"], rows, chain.authority.ca_pem)
    assert verdict.holds, verdict.findings
    said = {row["id"] for row in rows if row["kind"] == "played"}
    assert len(said) == events


def expected(events: int) -> dict[str, int]:
    return {f"segment/s-{number}": 1 for number in range(events)}


def test_five_hundred_events_are_each_counted_once(tmp_path: Path) -> None:
    assert storm(tmp_path, 500, 7, 400, 0.2) == expected(500)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", [5, 6])
def test_ten_thousand_events_with_broker_and_agent_killed_at_random(
    tmp_path: Path, seed: int
) -> None:
    assert storm(tmp_path, 10_000, seed, 500, 1.5) == expected(10_000)


