"""Releases and systems come over a shop's line in shares, as programmes do: nothing comes twice,
nothing is begun in an hour that has no share left, and a person need not wait."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from device.messages import Download, Settings
from device.sync.budget import Budget as AgentsBudget
from ota.box import budget as module
from ota.box.budget import LIMITS, Budget, Limits, Spent, keep_limits, read_limits
from ota.box.install import Source, find_offer, install
from ota.box.orders import Order
from ota.box.sources import updaters_budget
from ota.box.state import Phase
from ota.box.window import SHOP, Shop
from ota.clock import monotonic_s
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.publish.release import build, publish
from ota.system.update import Phase as SystemPhase
from tests.ota.conftest import Fleet
from tests.ota.rig import Kiosk, source_tree
from tests.ota.run_cli import Places
from tests.ota.system_rig import SystemBox, make_bundle, publish_bundle

NOON = datetime(2026, 11, 25, 12, 30, tzinfo=timezone.utc)
NEW = "36.5.1"
SIZE, SHARE = 3_500_000, 1_200_000


class Line:
    """The shop's line: a share of SHARE bytes an hour; `now` is the clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOON

    def through(self, kiosk: Kiosk) -> Source:
        """What a box sees through it; its count is on the disk."""
        budget = Budget(
            self.folder / "count", lambda: self.now, (), lambda: Limits(bytes_per_hour=SHARE))
        return replace(kiosk.source(Fetcher(None, attempts=1, meter=budget.spend)), budget=budget)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


@pytest.fixture
def box(tmp_path: Path, fleet: Fleet, line: Line) -> Iterator[SystemBox]:
    kiosk = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    made = SystemBox(tmp_path / "box", kiosk)
    made.shop = Shop(takeover=True)
    publish_bundle(fleet.repository, make_bundle(tmp_path / "new.raucb", NEW, size=SIZE))
    made.beside.source = lambda stick: line.through(kiosk)
    yield made
    made.firmware.close()


def test_a_system_comes_over_the_hours_and_not_a_byte_twice(
    box: SystemBox, fleet: Fleet, line: Line
) -> None:
    loaded: list[int] = []
    for _ in range(2):
        assert "used up" in box.beside.turn()[1] and box.state.phase is SystemPhase.IDLE
        loaded.append(sum(path.stat().st_size for path in box.beside.store.files()))
        asked = len([path for path, _ in fleet.origin.requests if "/content/" in path])
        assert "used up" in box.beside.turn()[1], "a restart of the updater changes nothing"
        assert asked == len([p for p, _ in fleet.origin.requests if "/content/" in p])
        line.now += timedelta(hours=1)
    assert SHARE * 0.9 < loaded[0] <= SHARE and loaded[1] - loaded[0] > SHARE * 0.9
    assert box.beside.turn() == (f"system {NEW} is written and verified; it lies ready for its "
                                 "moment", "")
    spans = [span for path, span in fleet.origin.requests if "/content/" in path]
    starts = [int((span or "bytes=0-").removeprefix("bytes=").rstrip("-")) for span in spans]
    assert starts == [0, *loaded]


def test_who_stands_at_the_box_need_not_wait(box: SystemBox) -> None:
    assert "used up" in box.beside.turn()[1]
    assert "lies ready" in box.beside.turn(Order("system"))[0]


def test_a_release_waits_as_well_and_is_not_begun_again_in_the_same_hour(
    fleet: Fleet, line: Line, tmp_path: Path
) -> None:
    kiosk = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    tree = source_tree(tmp_path / "tree", "1.0.0")
    (tree / "models/voices/big.bin").write_bytes(random.Random(1).randbytes(2_000_000))
    publish(fleet.repository, build(tree, "1.0.0", tmp_path / "1.tar"))
    parts = kiosk.parts()
    for _ in range(3):
        source = line.through(kiosk)
        with pytest.raises(Spent):
            install(parts, source, find_offer(source))
        assert parts.state.load().phase is Phase.IDLE and parts.state.load().refused == ()
    whats = [entry.what for entry in parts.history.entries()]
    assert whats == ["install", "failed"], "the second look begins nothing"
    source = replace(line.through(kiosk), urgent=True)
    install(parts, source, find_offer(source))
    assert parts.state.load().good_version == "1.0.0"


def test_the_agent_and_the_updater_keep_to_the_limits_together(tmp_path: Path) -> None:
    places = Places(tmp_path)
    clock = FloorClock(places.var / "clock", lambda: NOON)
    agents = AgentsBudget(places.var, clock.now)
    agents.follow(Settings(download=Download(bytes_per_day=10_000_000)))
    assert read_limits(places.var).bytes_per_day == 10_000_000
    with agents.spending(50_000_000):
        agents.spend(9_000_000)
    updaters = updaters_budget(places, clock)
    assert updaters.used_bytes == 9_000_000
    with updaters.spending(1_000), pytest.raises(Spent):
        for _ in range(20):  # said to be small, and is not
            updaters.spend(100_000)
    assert agents.used_bytes == 10_100_000
    with pytest.raises(Spent), agents.spending(50_000_000):
        raise AssertionError("nothing is left")
    # The limits are lifted.
    agents.follow(Settings())
    with updaters.spending(50_000_000):
        updaters.spend(5_000_000)


def test_what_the_agent_left_may_be_torn_or_foreign(tmp_path: Path) -> None:
    keep_limits(tmp_path, Limits(bytes_per_hour=5_000_000))
    for damage in (b"", b"[", b"null", b'{"bytes_per_day": "much"}', b"\xff", b"x" * 9_000):
        (tmp_path / LIMITS).write_bytes(damage)
        assert read_limits(tmp_path) == Limits()
    (tmp_path / LIMITS).write_bytes(b'{"bytes_per_day": 7, "of_the_future": 1}')
    assert read_limits(tmp_path).bytes_per_day == 7


def test_the_updater_is_slow_while_the_shop_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(module, "sleep_s", slept.append)
    places = Places(tmp_path)
    places.run.mkdir(parents=True)
    keep_limits(places.var, Limits(open_bytes_per_s=100_000))
    for is_open, waits in ((True, True), (False, False), (None, False)):
        told = {"open": is_open, "at_s": monotonic_s()}
        (places.run / SHOP).write_text(json.dumps(told))
        budget = updaters_budget(places, FloorClock(places.var / "clock", lambda: NOON))
        slept.clear()
        with budget.spending(50_000_000):
            budget.spend(1_000_000)
        assert (sum(slept) > 5.0) is waits
