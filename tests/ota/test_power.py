"""The plug is pulled before every single storage call of an update, and once more in the recovery.

Invariants: the switch points at a fully verified slot; the version is the old or the new one; a
restart completes what was begun; no floor sinks; the disk does not fill.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ota.confirm import Health, Verdict
from ota.errors import Refused
from ota.floor import FloorClock, RoleFloor
from ota.install import Source, find_offer, go_back, install, recover, run_trial
from ota.keys import SigningKey
from ota.repository import ROLES, Repository
from ota.state import Phase
from ota.stick import StickFetcher
from ota.trust import TrustClient
from tests.ota.cutter import CUT, DONE, run_cut
from tests.ota.rig import Kiosk, release_to

OLD, NEW = "1.0.0", "1.1.0"
POINTS_MAX = 1000
FILES_MAX = 120


@dataclass
class Bench:
    """A box with OLD installed, and a stick that offers NEW; `fresh` is the state before."""

    directory: Path
    tuf_root: bytes

    @property
    def root(self) -> Path:
        return self.directory / "box"

    def kiosk(self, black: bool = False) -> Kiosk:
        kiosk = Kiosk(self.root, "stick:", self.tuf_root)
        if black:
            kiosk = kiosk.with_settings(show_s=0.0)
            kiosk.health = lambda: Health("b", player_presented=False, ear_ready=True)
        return kiosk

    def source(self) -> Source:
        fetcher = StickFetcher(self.directory / "tuf")
        clock = FloorClock(self.root / "var" / "clock")
        store = self.root / "var" / "ota" / "trust"
        trust = TrustClient(store, "stick:/metadata", fetcher, clock)
        trust.bootstrap(self.tuf_root)
        return Source(trust, fetcher, "stick:/targets")

    def life(self, black: bool = False) -> None:
        """What the updater does after each start, until there is nothing left to do."""
        parts = self.kiosk(black).parts()
        if recover(parts).phase is Phase.TRIAL:
            run_trial(parts)
        source = self.source()
        offer = find_offer(source)
        state = parts.state.load()
        if offer.version not in (state.good_version, *state.refused):
            install(parts, source, offer)

    def save(self, name: str) -> None:
        shutil.rmtree(self.directory / name, ignore_errors=True)
        shutil.copytree(self.root, self.directory / name, symlinks=True)

    def restore(self, name: str) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.directory / name, self.root, symlinks=True)

    def check_bootable(self) -> str | None:
        """The version the switch points at, which must be whole at any moment."""
        slots = self.kiosk().slots
        active = slots.active()
        if active is None:
            return None
        assert slots.verified(active), f"the switch points at a broken slot {active}"
        return slots.version(active)

    def floors(self) -> dict[str, int]:
        return RoleFloor(self.root / "var" / "ota" / "trust" / "roles").versions("")


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    # Process death does not need a slow disk; memory keeps some thousand restarts short.
    shm = Path("/dev/shm")
    directory = Path(tmp_path_factory.mktemp("bench"))
    if os.access(shm, os.W_OK):
        directory = Path(tempfile.mkdtemp(prefix="vitrine-", dir=shm))
    keys = {role: [SigningKey.generate()] for role in ROLES}
    repository = Repository.create(directory / "tuf", keys)
    made = Bench(directory, repository.root_bytes())
    release_to(repository, directory / "work", OLD)
    made.life()
    assert made.check_bootable() == OLD
    made.save("base")
    release_to(repository, directory / "work", NEW)
    yield made
    shutil.rmtree(directory, ignore_errors=True)


def count_files(bench: Bench) -> int:
    return sum(1 for _ in bench.root.rglob("*"))


@pytest.mark.parametrize("torn", [False, True])
def test_an_install_survives_a_cut_at_every_storage_call(bench: Bench, torn: bool) -> None:
    seen: dict[str | None, int] = {}
    bench.restore("base")
    floors_before = bench.floors()
    for at in range(POINTS_MAX):
        bench.restore("base")
        code = run_cut(bench.life, at, torn)
        assert code in (CUT, DONE), f"the updater failed at {at}"
        version = bench.check_bootable()
        assert version in (OLD, NEW)
        seen[version] = seen.get(version, 0) + 1
        bench.life()
        state = bench.kiosk().parts().state.load()
        assert (bench.check_bootable(), state.phase, state.good_version) == (NEW, Phase.IDLE, NEW)
        assert state.floor == NEW
        floors = bench.floors()
        assert all(floors[role] >= version for role, version in floors_before.items())
        assert bench.kiosk().parts().history.broken_at() is None
        assert count_files(bench) < FILES_MAX
        if code == DONE:
            break
    assert code == DONE and at > (20 if torn else 150) and min(seen[OLD], seen[NEW]) > 2
    print(f"cuts {at}, then on {seen}")


def test_a_black_release_is_left_behind_whatever_is_cut(bench: Bench) -> None:
    for at in range(0, POINTS_MAX, 5):
        bench.restore("base")
        code = run_cut(lambda: bench.life(black=True), at)
        assert code in (CUT, DONE)
        assert bench.check_bootable() in (OLD, NEW)
        bench.life(black=True)
        state = bench.kiosk().parts().state.load()
        assert (bench.check_bootable(), state.phase) == (OLD, Phase.IDLE)
        assert state.refused == (NEW,)
        if code == DONE:
            return
    raise AssertionError("the flow never ended")


def test_going_back_survives_every_cut(bench: Bench) -> None:
    bench.life()
    bench.save("new")
    for at in range(POINTS_MAX):
        bench.restore("new")
        code = run_cut(lambda: go_back(bench.kiosk().parts()), at)
        assert code in (CUT, DONE)
        assert bench.check_bootable() in (OLD, NEW)
        recover(bench.kiosk().parts())
        state = bench.kiosk().parts().state.load()
        assert bench.check_bootable() == state.good_version in (OLD, NEW)
        if code == DONE:
            return
    raise AssertionError("the flow never ended")


def test_a_second_cut_in_the_recovery_changes_nothing(bench: Bench) -> None:
    """Every eleventh point, and every thirteenth of the recovery after it."""
    points = 0
    for at in range(0, POINTS_MAX, 11):
        bench.restore("base")
        first = run_cut(bench.life, at)
        bench.save("cut")
        for again in range(0, POINTS_MAX, 13):
            bench.restore("cut")
            code = run_cut(bench.life, again)
            points += 1
            assert code in (CUT, DONE)
            assert bench.check_bootable() in (OLD, NEW)
            if code == DONE:
                break
        bench.life()
        assert bench.check_bootable() == NEW
        if first == DONE:
            break
    print(f"double cuts {points}")


def test_a_publisher_cut_at_every_call_shows_boxes_the_old_list_or_the_new(
    bench: Bench,
) -> None:
    tuf, name = bench.directory / "tuf", "programmes/tea/2.json"
    keys = {role: [SigningKey.generate()] for role in ROLES}
    base = bench.directory / "tuf-base"
    Repository.create(base, keys)

    def publish() -> None:
        repository = Repository.open(tuf, keys)
        repository.add("programmes", name, b"two")
        repository.publish()

    for at in range(POINTS_MAX):
        shutil.rmtree(tuf)
        shutil.copytree(base, tuf)
        code = run_cut(publish, at)
        assert code in (CUT, DONE)
        for expected in (code == DONE, True):
            store = bench.directory / "fresh-box"
            shutil.rmtree(store, ignore_errors=True)
            clock = FloorClock(store / "clock")
            trust = TrustClient(store, "stick:/metadata", StickFetcher(tuf), clock)
            trust.bootstrap((tuf / "metadata" / "1.root.json").read_bytes())
            trust.refresh()
            if expected:
                assert trust.target(name).length_bytes == 3
                break
            publish()
        if code == DONE:
            assert at > 15
            return
    raise AssertionError("the flow never ended")


def test_the_rig_notices_an_updater_that_switches_too_early(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rig that cannot fail proves nothing: here the switch is set before the slot is whole."""
    from ota.slots import DirectorySlots

    real = DirectorySlots.mark_bad

    def eager(self: DirectorySlots, slot: str) -> None:
        real(self, slot)
        self.make_active(slot)

    monkeypatch.setattr(DirectorySlots, "mark_bad", eager)
    broken = 0
    for at in range(0, POINTS_MAX, 9):
        bench.restore("base")
        code = run_cut(bench.life, at)
        try:
            bench.check_bootable()
        except (AssertionError, Refused):
            broken += 1
        if code == DONE:
            break
    assert broken > 3


def test_the_black_life_is_a_rollback(bench: Bench) -> None:
    parts = bench.kiosk(black=True).parts()
    source = bench.source()
    assert install(parts, source, find_offer(source)) is Verdict.ROLLBACK
