"""The rest of the attack table, as stories; the others are in test_trust.py."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ota.box.stick import SCHEME, StickFetcher
from ota.errors import Refused, VitrineError
from ota.fetch import Fetcher
from ota.floor import KEEP_S, FloorClock
from ota.publish import ceremony
from ota.publish.ceremony import Change
from ota.publish.repository import LIFE, ROLES, Repository
from ota.publish.roles import set_keys
from ota.trust.client import TrustClient
from ota.trust.dsse import key_of
from ota.trust.keys import SigningKey
from ota.trust.metadata import Metadata, TargetFile, serialised
from tests.ota.conftest import PROGRAMME, Box, Fleet
from tests.ota.origin import Origin

YEARS = timedelta(days=730)
SLACK = timedelta(minutes=1)
TWO_OF_THREE = {"root": 2, "releases": 2}


def utc_now() -> datetime:
    return datetime.now(timezone.utc)


def guarded(origin: Origin) -> tuple[Repository, dict[str, list[SigningKey]]]:
    """A chain whose root and releases need two of three people."""
    keys = {
        role: [SigningKey.generate() for _ in range(3 if role in TWO_OF_THREE else 1)]
        for role in ROLES
    }
    return Repository.create(origin.directory, keys, TWO_OF_THREE), keys


def thief_with(keys: Mapping[str, Sequence[SigningKey]], origin: Origin) -> Repository:
    """One safe was opened (one root key, one key for releases), and the server was taken over."""
    stolen = {role: list(held)[:1] for role, held in keys.items()}
    return Repository.open(origin.directory, stolen)


def by_force(thief: Repository, role: str, metadata: Metadata[Any]) -> None:
    """Our own tools refuse this; a thief has others."""
    ceremony.sign(Change({role: metadata}), thief.keys)
    (thief.directory / "metadata" / f"{metadata.signed.version}.{role}.json").write_bytes(
        serialised(metadata))
    versions = thief._versions()
    if role != "root":
        versions[role] = metadata.signed.version
    snapshot, timestamp = thief._online_versions()
    thief._write_online(versions, snapshot + 1, timestamp + 1)


def enrolled(folder: Path, origin: Origin, repository: Repository) -> Box:
    box = Box(folder, origin)
    box.trust.bootstrap(repository.root_bytes())
    box.trust.refresh()
    return box


def test_one_stolen_key_of_two_signs_no_release(origin: Origin, tmp_path: Path) -> None:
    repository, keys = guarded(origin)
    backup = shutil.copytree(origin.directory / "metadata", tmp_path / "backup")
    box = enrolled(tmp_path / "box", origin, repository)
    thief = thief_with(keys, origin)
    evil = thief.following("releases")
    evil.signed.targets["releases/9.json"] = TargetFile(4, {"sha256": "0" * 64}, "releases/9.json")
    by_force(thief, "releases", evil)
    box.trust.refresh()  # the online lists are in order: they say that there is a newer list
    with pytest.raises(Refused, match="not properly signed"):
        box.trust.target("releases/9.json")
    # The honest two do not put their names under the thief's list by mistake ...
    honest = Repository.open(origin.directory, keys)
    honest.add("releases", "releases/2.json", b"good")
    with pytest.raises(Refused, match="1 of the 2 keys"):
        honest.publish()
    # ... they bring the backup back, take the stolen online keys away, and are heard again.
    shutil.rmtree(origin.directory / "metadata")
    shutil.copytree(backup, origin.directory / "metadata")
    honest = Repository.open(origin.directory, keys)
    for role in ("snapshot", "timestamp"):
        honest.rotate(role, [SigningKey.generate()])
    honest.add("releases", "releases/2.json", b"good")
    honest.publish()
    box.trust.refresh()
    assert box.trust.target("releases/2.json").length_bytes == 4


def test_one_stolen_root_key_of_two_makes_no_new_root(origin: Origin, tmp_path: Path) -> None:
    repository, keys = guarded(origin)
    box = enrolled(tmp_path / "box", origin, repository)
    thief = thief_with(keys, origin)
    evil = thief.following("root")
    set_keys(evil.signed, "root", [key_of(thief.keys["root"][0])], 1)
    by_force(thief, "root", evil)
    with pytest.raises(Refused, match="not properly signed"):
        box.trust.refresh()
    # The thief's root goes; the honest two take the stolen key out, and every box follows.
    (origin.directory / "metadata" / "2.root.json").unlink()
    honest = Repository.open(origin.directory, keys)
    honest.rotate("root", [*keys["root"][1:], SigningKey.generate()], threshold=2)
    box.trust.refresh()


def test_a_thief_who_set_the_boxes_clock_forward_cannot_keep_it_there(
    fleet: Fleet, box: Box
) -> None:
    """Fast forward of time: the stolen online keys sign a timestamp of next year. Boxes believe
    it, so the honest one looks run out: until the root takes those keys away."""
    honest = (fleet.metadata / "timestamp.json").read_bytes()
    today, fleet.now = fleet.now, fleet.now + timedelta(days=360)
    fleet.repository.publish()
    box.trust.refresh()
    assert box.clock.floor > utc_now() + timedelta(days=359)
    fleet.now = today
    (fleet.metadata / "timestamp.json").write_bytes(honest)
    fleet.repository.rotate("snapshot", [SigningKey.generate()])
    fleet.repository.rotate("timestamp", [SigningKey.generate()])
    box.restart()
    box.trust.refresh()
    assert box.clock.floor < utc_now() + SLACK
    # An older root under the old keys does not bring the wrong time back, nor a box that lags.
    other = FloorClock(box.store / "clock")
    assert other.floor < utc_now() + SLACK


def test_a_box_two_years_fast_takes_no_news_but_loses_nothing(
    fleet: Fleet, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.publish()
    known = box.trust.target(PROGRAMME)
    before = box.clock.floor
    with monkeypatch.context() as wrong:
        box.wall = utc_now() + YEARS
        wrong.setattr("tuf.ngclient._internal.trusted_metadata_set.datetime", FAST)
        box.restart()
        with pytest.raises(Refused, match=r"run out .* check this box's clock"):
            box.trust.refresh()
    assert box.clock.floor - before < SLACK, "a wrong clock must not raise the floor"
    box.wall = utc_now()
    box.restart()
    assert box.trust.target(PROGRAMME) == known
    fleet.publish(b"newer")
    box.trust.refresh()


class _Fast(datetime):
    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return utc_now() + YEARS


FAST = SimpleNamespace(datetime=_Fast, timezone=timezone)


def on_stick(fleet: Fleet, box: Box, folder: Path) -> TrustClient:
    """The same box with a stick in it: one store, one floor, another way of bytes."""
    shutil.copytree(fleet.directory, folder, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("lock"))
    return stick(box, folder)


def stick(box: Box, folder: Path) -> TrustClient:
    return TrustClient(box.store, f"{SCHEME}/metadata/", StickFetcher(folder), box.clock)


def test_last_weeks_stick_after_this_weeks_news_is_refused(
    fleet: Fleet, box: Box, tmp_path: Path
) -> None:
    fleet.publish(b"last week's price")
    on_stick(fleet, box, tmp_path / "old-stick").refresh()
    fleet.publish(b"this week's price")
    news = box.trust.target(PROGRAMME)
    with pytest.raises(Refused, match="older"):
        stick(box, tmp_path / "old-stick").refresh()
    box.restart()
    assert box.trust.target(PROGRAMME) == news


def test_a_stick_kept_in_a_drawer_for_a_month_is_refused_even_with_a_dead_clock(
    fleet: Fleet, box: Box, tmp_path: Path
) -> None:
    """Nothing newer was ever seen, but time was lived through."""
    late = on_stick(fleet, box, tmp_path / "stick")
    late.refresh()
    box.clock.seen(utc_now() + LIFE["timestamp"] + timedelta(days=21))
    box.wall = datetime(2024, 1, 1, tzinfo=timezone.utc)
    box.restart()
    with pytest.raises(Refused, match="ran out"):
        stick(box, tmp_path / "stick").refresh()


@pytest.mark.parametrize("change", [b"X", b""])
def test_a_tampered_or_cut_file_never_gets_its_name(
    fleet: Fleet, box: Box, tmp_path: Path, change: bytes
) -> None:
    fleet.publish(b"the signed words")
    target = box.trust.target(PROGRAMME)
    url = target.url(f"{fleet.origin.url}/targets")
    path = fleet.directory / "targets" / url.partition("/targets/")[2]
    path.write_bytes(path.read_bytes()[:-1] + change)
    with pytest.raises(VitrineError, match=r"not the ones that were signed|line broke"):
        Fetcher(None, attempts=1).file(
            url, tmp_path / "got", target.length_bytes, target.sha256)
    assert not (tmp_path / "got").exists()


class Machine:
    """A box's clocks, turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.up, self.boot, self.wall = folder, 0.0, "first", utc_now()

    def clock(self) -> FloorClock:
        return FloorClock(self.folder / "clock", lambda: self.wall, lambda: self.up,
                          lambda: self.boot)

    def live(self, **span: float) -> None:
        passed = timedelta(**span)
        self.up += passed.total_seconds()
        self.wall += passed


def test_a_clock_set_back_gives_no_lived_hour_back(tmp_path: Path) -> None:
    box = Machine(tmp_path)
    start = box.wall
    clock = box.clock()
    clock.seen(start)
    box.live(hours=50)
    box.wall -= YEARS
    assert clock.now() == start + timedelta(hours=50)
    assert box.clock().now() == clock.now(), "another process of the same start knows it, too"
    assert clock.behind() == YEARS


def test_a_power_cut_with_a_dead_battery_costs_ten_minutes_at_most(tmp_path: Path) -> None:
    box = Machine(tmp_path)
    start = box.wall
    clock = box.clock()
    clock.seen(start)
    for _ in range(300):
        box.live(minutes=10)
        clock.keep()
    box.live(minutes=9)
    box.up, box.boot, box.wall = 3.0, "second", start - YEARS
    after = box.clock().now()
    assert start + timedelta(minutes=3000) <= after <= start + timedelta(minutes=3010)
    assert timedelta(seconds=KEEP_S) == timedelta(minutes=10)


def test_a_clock_set_forward_and_right_again_leaves_no_trace(tmp_path: Path) -> None:
    box = Machine(tmp_path)
    clock = box.clock()
    clock.seen(box.wall)
    box.wall += YEARS
    box.live(hours=2)
    clock.keep()
    box.wall -= YEARS
    assert clock.now() == box.wall and box.clock().now() == box.wall
