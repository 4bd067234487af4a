"""A roll-out from the console's side: boxes by the hundred, a bad release, and the brake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from device.messages import Reported
from fleet.live import Hub
from fleet.rollouts import Rollouts, RolloutWanted, budget_spent
from fleet.store.boxes import take_reported
from fleet.store.database import Database
from fleet.store.journal import Journal
from fleet.subjects import SYSTEMS
from ota.box.steer import Steering
from ota.errors import Refused
from ota.formats.rollout import encoded, place
from ota.formats.systems import PLAN as system_plan
from ota.publish.repository import ONLINE, ROLES, Repository
from ota.publish.spread import new_plan, sign_plan
from ota.trust.keys import SigningKey

BOXES = 400
OLD, BAD = "1.3.0", "1.4.0"
OFF = "shop-007"


@dataclass
class Chain:
    """A chain's server, its offline desk, and boxes that follow what is signed."""

    folder: Path
    now: datetime = field(default_factory=lambda: datetime(2026, 11, 25, tzinfo=timezone.utc))

    def __post_init__(self) -> None:
        keys = {role: [SigningKey.generate()] for role in ROLES}
        self.desk = Repository.create(self.folder / "tuf", keys, clock=lambda: self.now)
        for version in (OLD, BAD):
            self.desk.add("releases", f"releases/{version}.json", b"{}")
        self.desk.add("releases", "releases/newest.json", b'{"schema":1,"version":"1.3.0"}')
        self.desk.publish()
        online = Repository.open(self.folder / "tuf", {role: keys[role] for role in ONLINE})
        self.database = Database(self.folder / "console.db")
        self.journal = Journal(self.database)
        self.rung: list[set[str]] = []
        self.rollouts = Rollouts(
            online, self.database, self.journal, Hub(), lambda: self.now, self._ring)
        self.systems = Rollouts(online, self.database, self.journal, Hub(), lambda: self.now,
                                self._ring, SYSTEMS)
        self.failed: set[str] = set()
        names = [f"shop-{number:03d}" for number in range(BOXES)]
        with self.database.write() as writer:
            writer.executemany(
                "insert into box(id,online) values(?,?)", [(name, name != OFF) for name in names])
        self.report(names, OLD)

    def _ring(self, boxes: Sequence[str]) -> int:
        self.rung.append(set(boxes))
        return len(boxes)

    def report(self, boxes: list[str], release: str, failed: tuple[str, ...] = ()) -> None:
        update = {"phase": "idle", "version": "", "failed": list(failed)}
        reported = Reported(desired_seq=1, release=release, slot="a", update=update)
        with self.database.write() as writer:
            for box in boxes:
                take_reported(writer, box, reported, self.now)

    def boxes_look(self) -> int:
        """Every box looks once; one that takes BAD reports that it had to go back."""
        told = Steering(OLD, self.rollouts.plan(), self.rollouts.current())
        for number in range(BOXES):
            box = f"shop-{number:03d}"
            if box not in self.failed and told.decide(box, OLD, self.now).release == BAD:
                self.failed.add(box)
                self.report([box], OLD, (BAD,))
        return len(self.failed)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def test_a_bad_release_harms_the_first_wave_at_most(chain: Chain) -> None:
    plan = new_plan(BAD, "5%,25%@24h,100%@3d", chain.now, held=True)
    sign_plan(chain.desk, plan)
    assert chain.boxes_look() == 0 and chain.rollouts.status()["state"] == "held"
    told = chain.rollouts.order(RolloutWanted(release=BAD, waves="5%,25%@24h,100%@3d"), "ann")
    assert told["state"] == "running" and told["boxes"]["reached"] > 0
    first = sum(place(f"shop-{n:03d}", plan.salt) < 0.05 for n in range(BOXES))
    assert chain.boxes_look() == first > 0
    assert chain.rollouts.judge() and not chain.rollouts.judge()
    chain.now += timedelta(days=4)
    assert chain.boxes_look() == first, "nobody after the first wave was harmed"
    told = chain.rollouts.status()
    assert told["state"] == "paused" and f"{first} of {first} boxes" in told["reason"]
    assert told["phases"][0]["failed"] == first and told["phases"][1]["failed"] == 0
    line = chain.journal.audit(limit=1)[0]
    assert (line.who, line.what, line.about) == ("system", "rollout.auto-paused", BAD)
    assert line.detail["failed"] == first


def test_a_good_release_goes_on_and_a_person_holds_it(chain: Chain) -> None:
    sign_plan(chain.desk, new_plan(BAD, "50%,100%@1d", chain.now))
    told = chain.rollouts.order(RolloutWanted(action="pause", reason="holiday"), "ann")
    assert (told["state"], told["reason"]) == ("paused", "holiday")
    assert chain.boxes_look() == 0
    assert chain.rollouts.order(RolloutWanted(action="resume"), "ann")["state"] == "running"
    with pytest.raises(Refused, match="nothing to resume"):
        chain.rollouts.order(RolloutWanted(action="resume"), "ann")
    chain.report([f"shop-{number:03d}" for number in range(100)], BAD)
    told = chain.rollouts.status()
    assert not chain.rollouts.judge() and told["boxes"]["runs"] == 100
    chain.rollouts.order(RolloutWanted(action="stop"), "ann")
    assert chain.boxes_look() == 0
    with pytest.raises(Refused, match="begins it anew"):
        chain.rollouts.order(RolloutWanted(action="resume"), "ann")


def test_the_console_cannot_name_a_release(chain: Chain) -> None:
    with pytest.raises(Refused, match=r"plan is for release 1\.3\.0"):
        chain.rollouts.order(RolloutWanted(release="6.6.6"), "thief")
    sign_plan(chain.desk, new_plan(BAD, "1%", chain.now))
    for wrong in (RolloutWanted(release=OLD), RolloutWanted(action="push"),
                  RolloutWanted(waves="200%"), RolloutWanted(groups=["../x"]),
                  RolloutWanted(error_budget_percent=-1), RolloutWanted(window="2-5")):
        with pytest.raises(Refused):
            chain.rollouts.order(wrong, "thief")
    with pytest.raises(Refused, match="not signed"):
        sign_plan(chain.desk, new_plan("9.9.9", "1%", chain.now))
    assert chain.rollouts.current() is None


def test_one_broken_machine_among_many_is_no_bad_release() -> None:
    assert budget_spent(1, 1, 20) and budget_spent(10, 1, 20)
    assert not budget_spent(30, 1, 20) and budget_spent(30, 2, 20)
    assert not budget_spent(100, 2, 20) and budget_spent(100, 3, 20)
    assert not budget_spent(0, 0, 0)


def test_a_box_says_where_its_update_stands() -> None:
    old = msgspec.json.decode(b'{"desired_seq": 3}', type=Reported)
    assert old.update == {}


def test_boxes_are_rung_when_their_wave_begins_and_when_it_is_held_back(chain: Chain) -> None:
    plan = new_plan(BAD, "5%,25%@24h,100%@3d", chain.now, held=True)
    sign_plan(chain.desk, plan)
    assert chain.rollouts.advance() == 0 and not chain.rung, "held: nobody has begun it"

    def within(share: float) -> set[str]:
        names = {f"shop-{n:03d}" for n in range(BOXES)} - {OFF}
        return {name for name in names if place(name, plan.salt) < share}

    chain.rollouts.order(RolloutWanted(release=BAD, waves="5%,25%@24h,100%@3d"), "ann")
    assert chain.rung == [within(0.05)] and chain.rollouts.advance() == 0
    chain.now += timedelta(hours=25)
    done = sorted(within(0.05))[:3]
    chain.report(done, BAD)
    assert chain.rollouts.advance() == len(within(0.25)) - 3 and chain.rollouts.advance() == 0
    assert chain.rung[-1] == within(0.25) - set(done), "those that run it need not look"
    chain.rollouts.order(RolloutWanted(action="pause"), "ann")
    assert chain.rung[-1] == within(0.25) - set(done), "what lies ready there is to be put off"
    chain.now += timedelta(days=3)
    assert chain.rollouts.advance() == 0, "a paused roll-out rings nobody"
    chain.rollouts.order(RolloutWanted(action="resume"), "ann")
    assert chain.rung[-1] == within(1.0) - set(done) and len(chain.rung) == 4
    chain.rollouts.order(RolloutWanted(waves="1%", groups=["shop-00*"]), "ann")
    assert chain.rung[-1] == within(1.0) - set(done), "who is left out now must hear of it"
    chain.rollouts.order(RolloutWanted(action="stop"), "ann")
    assert chain.rung[-1] <= {f"shop-00{n}" for n in range(10)}


def test_a_system_has_a_rollout_of_its_own_and_pauses_by_itself(chain: Chain) -> None:
    plan = new_plan("36.5.1", "50%,100%@1d", chain.now, held=True)
    with pytest.raises(Refused, match="publish-system"):
        chain.systems.order(RolloutWanted(kind="system"), "ann")
    chain.desk.add("releases", system_plan, encoded(plan))
    chain.desk.publish()
    told = chain.systems.order(RolloutWanted(kind="system", waves="50%"), "ann")
    first = {f"shop-{n:03d}" for n in range(BOXES)
             if place(f"shop-{n:03d}", plan.salt) < 0.5} - {OFF}
    assert told["boxes"]["reached"] >= len(first) and chain.rung == [first]
    assert chain.rollouts.current() is None, "the application's roll-out is another"
    tried = sorted(first)[:30]
    for box, system in [(tried[0], {"phase": "ready", "version": "36.5.1"}),
                        *[(box, {"phase": "idle", "floor": "36.5.1"}) for box in tried[1:20]],
                        *[(box, {"phase": "idle", "refused": ["36.5.1"]}) for box in tried[20:]]]:
        reported = Reported(desired_seq=1, update={"phase": "idle", "failed": [], "system": system})
        with chain.database.write() as writer:
            take_reported(writer, box, reported, chain.now)
    boxes = chain.systems.status()["boxes"]
    assert (boxes["runs"], boxes["waits"], boxes["failed"]) == (19, 1, 10)
    assert chain.systems.judge() and chain.systems.status()["state"] == "paused"
    assert not chain.rollouts.judge()
