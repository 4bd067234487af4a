"""A rig that cannot fail proves nothing: writers that are wrong on purpose are found out."""

from __future__ import annotations

import os
import random
import re
import stat
from pathlib import Path

import pytest

from ota.box.slots import DirectorySlots
from tests.ota.cutter import CUT, DONE, run_cut
from tests.power.amounts import EVENINGS, SABOTAGE_STATES, SEED
from tests.power.camera import Camera, Photo, develop, photograph
from tests.power.flow import survive
from tests.power.ran import drill
from tests.power.rehearsal import rehearse, stage
from tests.power.states import Flush, Note, Write, chosen, pages_of, prefixes, volatiles

TORN_NAME = re.compile(r"\.[0-9a-f]{8}\.part$")


def shape(photo: Photo) -> frozenset[tuple[str, str, int]]:
    """Names, kinds and sizes: the bytes hold times, and the names of half files are random."""
    return frozenset(
        (TORN_NAME.sub(".part", name), kind, len(data) if kind == "file" else 0)
        for name, (kind, data) in photo.items()
    )


def test_the_camera_shows_what_a_killed_process_leaves() -> None:
    with stage("desired") as (flow, root):
        before = photograph(root)
        camera = Camera(root, torn=False)
        with camera.watching():
            flow.run(root, camera.tell)
        shapes = {shape(photo) for photo, _ in camera.taken}
        for at in range(0, camera.calls, 3):
            develop(before, root)
            assert run_cut(lambda: flow.run(root, lambda said: None), at) == CUT
            assert shape(photograph(root)) in shapes, f"cut {at}"
        develop(before, root)
        assert run_cut(lambda: flow.run(root, lambda said: None), camera.calls + 1) == DONE


def test_a_switch_that_is_set_too_early_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = DirectorySlots.mark_bad

    def eager(self: DirectorySlots, slot: str) -> None:
        real(self, slot)
        self.make_active(slot)

    with stage("install") as (flow, root):
        monkeypatch.setattr(DirectorySlots, "mark_bad", eager)
        with pytest.raises(AssertionError, match=r"broken slot|version None"):
            rehearse(flow, root, 0, 0, SEED)


def test_the_death_of_a_process_does_not_find_a_writer_without_fsync(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Levels 0 and 1 pass it falsely: a killed process loses nothing of the page cache.

    The same writer is found out below, at the level of blocks.
    """
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    with stage("desired") as (flow, root):
        assert rehearse(flow, root, 10, 2, SEED).cuts > 20


@pytest.mark.parametrize(
    ("sabotage", "name"),
    [
        ("no fsync", "install"), ("no fsync", "content"), ("no fsync", "desired"),
        ("names before bytes", "install"), ("names before bytes", "desired"),
        ("no folder sync", "desired"),
    ],
)  # fmt: skip
def test_a_writer_that_is_wrong_on_purpose_fails_at_the_level_of_blocks(
    sabotage: str, name: str
) -> None:
    (report,) = drill(
        name, ["noauto_da_alloc"], SABOTAGE_STATES, "--sabotage", sabotage, "--settle-s", "2")
    assert sum(report["bad"].values()) > 0, report
    print(sabotage, name, report["states"], report["bad"])


def test_a_box_that_is_switched_off_each_evening_before_it_is_done_does_not_fill_its_disk() -> None:
    chance = random.Random(SEED)
    for name, most in (("install", 12), ("content", 12), ("desired", 4)):
        with stage(name) as (flow, root):
            photo = photograph(root)
            camera = Camera(root, torn=False)
            with camera.watching():
                flow.run(root, camera.tell)
            whole = len(camera.taken[-1][0])
            develop(photo, root)
            for _ in range(EVENINGS):
                run_cut(lambda: flow.again(root), chance.randrange(camera.calls))
            left = [path.name for path in root.rglob("*")]
            assert len(left) <= max(whole, len(photo)) + most, sorted(left)
            survive(flow, root, ())


def test_states_of_a_disk_are_what_a_drive_may_keep() -> None:
    old, new = b"o" * 4096, b"n" * 4096
    base = pages_of(old * 4)
    steps = [
        Write(4096, new), Flush(), Note("told"), Write(8192, new), Write(12288, new),
    ]  # fmt: skip
    last = list(prefixes(base, steps))[-1]
    assert last.pages == {0: old, 1: new, 2: new, 3: new} and last.told == {"told"}
    torn = 0
    for seed in range(60):
        for state in volatiles(base, steps, random.Random(seed)):
            assert state.pages[0] == old
            if state.told:
                assert state.pages[1] == new, "what was flushed is safe"
            torn += state.pages[3] not in (old, new)
    assert torn > 5
    found = chosen(base, steps, 12, random.Random(1))
    assert len({state.key for state in found}) == len(found) >= 8


def test_a_photograph_keeps_links_and_twins(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a" / "file").write_bytes(b"x")
    os.link(root / "a" / "file", root / "twin")
    (root / "link").symlink_to("a")
    photo = photograph(root)
    develop(photo, root)
    assert photograph(root) == photo
    assert (root / "twin").stat().st_nlink == 2 and stat.S_ISLNK((root / "link").lstat().st_mode)
