"""The operating system's two slots on a simulated Jetson: plugs pulled, systems that hang."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ota.box.confirm import Health, Verdict
from ota.errors import Refused
from ota.system import keeper, update
from ota.system.backend import answer
from ota.system.configuration import Layout, system_conf, version_of
from ota.system.update import Phase
from tests.ota.system_rig import Box
from tests.sim.jetson_firmware import TRIES, JetsonFirmware


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.firmware.close()


def test_a_plug_pulled_every_evening_never_gives_a_system_up(box: Box) -> None:
    for _ in range(40):
        box.starts()  # and the plug is pulled: nothing ends as it should
    assert box.firmware.running == "A" and box.firmware.boot.is_good("A")


def test_without_the_keeper_three_evenings_are_a_technicians_visit(box: Box) -> None:
    for _ in range(2 * TRIES):
        box.firmware.start()
    assert box.firmware.start() is None, "the trap that the keeper is there for"


def test_a_new_system_is_tried_confirmed_and_the_floor_rises(box: Box) -> None:
    update.install(box.parts, Path("36.5.raucb"))
    assert box.parts.state.load().phase is Phase.READY and box.firmware.boot.primary() == "A"
    assert update.go_on(box.parts) and box.restarts == 1
    assert box.starts() is Verdict.CONFIRM
    state = box.parts.state.load()
    assert (state.phase, state.floor, box.firmware.running) == (Phase.IDLE, "36.5.0", "B")
    with pytest.raises(Refused, match="is not newer than"):
        update.install(box.parts, Path("again.raucb"))


def test_it_waits_for_the_shop_and_says_nothing_was_decided(box: Box) -> None:
    closed = [False]
    object.__setattr__(box.parts, "waits", lambda: not closed[0])
    update.install(box.parts, Path("36.5.raucb"))
    assert not update.go_on(box.parts) and box.starts() is Verdict.WAIT
    assert box.firmware.running == "A", "a cut meanwhile changes nothing"
    closed[0] = True
    assert update.go_on(box.parts)


def test_a_system_that_shows_no_picture_goes_back_and_is_not_tried_again(box: Box) -> None:
    update.install(box.parts, Path("36.5.raucb"))
    update.go_on(box.parts)
    box.good = False
    assert box.starts() is Verdict.ROLLBACK
    box.good = True
    box.starts()
    assert box.firmware.running == "A" and not box.firmware.boot.is_good("B")
    with pytest.raises(Refused, match="failed here before"):
        update.install(box.parts, Path("36.5.raucb"))


def test_a_system_that_lost_its_voice_goes_back(box: Box) -> None:
    spoke = [("sound",)]
    object.__setattr__(box.parts, "proven", lambda: spoke[-1])
    update.install(box.parts, Path("36.5.raucb"))
    update.go_on(box.parts)
    spoke.append(())  # nothing is proven yet in the new system
    object.__setattr__(box.parts, "health", lambda: Health("", True, True, sound=False))
    assert box.starts() is Verdict.ROLLBACK
    assert "test tone" in box.parts.state.load().reason


def test_one_power_cut_in_the_first_start_does_not_lose_the_update(box: Box) -> None:
    update.install(box.parts, Path("36.5.raucb"))
    update.go_on(box.parts)
    for _ in range(TRIES):
        box.firmware.start()  # B comes up; the plug is pulled before anything of ours runs
    box.starts()
    assert box.firmware.running == "A" and box.firmware.boot.primary() == "B", "tried again"
    assert box.starts() is Verdict.CONFIRM and box.firmware.running == "B"


def test_a_system_that_hangs_is_given_up_after_three_tries_not_for_ever(box: Box) -> None:
    update.install(box.parts, Path("36.5.raucb"))
    update.go_on(box.parts)
    box.firmware.broken.add("B")
    verdicts = [box.starts() for _ in range(update.TRIES_MAX)]
    assert verdicts[-1] is Verdict.ROLLBACK and box.firmware.running == "A"
    assert "36.5.0" in box.parts.state.load().refused


def test_what_rauc_could_not_write_is_no_bad_bundle_until_the_third_time(box: Box) -> None:
    box.disk.refusing = True
    with pytest.raises(Refused, match="no loop device"):
        update.install(box.parts, Path("36.5.raucb"))
    box.disk.refusing = False
    update.install(box.parts, Path("36.5.raucb"))
    assert box.parts.state.load().unwritten == (), "written: what was before counts no more"
    update.put_off(box.parts, "another is wanted")
    box.disk.refusing = True
    for _ in range(update.WRITES_MAX):
        with pytest.raises(Refused, match="no loop device"):
            update.install(box.parts, Path("36.5.raucb"))
    with pytest.raises(Refused, match="failed here before"):
        update.install(box.parts, Path("36.5.raucb"))


def test_a_cut_while_writing_never_starts_the_half_system_nor_heals_it(box: Box) -> None:
    box.disk.cut = True
    with pytest.raises(KeyboardInterrupt):
        update.install(box.parts, Path("36.5.raucb"))
    for _ in range(5):
        box.starts()
    assert box.firmware.running == "A" and not box.firmware.boot.is_good("B")
    assert "system tell" in box.notes, "what nobody can heal is told"
    box.disk.cut = False
    assert update.install(box.parts, Path("36.5.raucb")).phase is Phase.READY


def test_a_system_that_was_given_up_is_healed_once_its_content_was_read(box: Box) -> None:
    box.firmware.boot.set_good("B", False)
    box.starts()
    assert box.firmware.boot.is_good("B") and "system heal" in box.notes


def test_a_board_flashed_with_one_system_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="ROOTFS_AB=1"):
        _ = JetsonFirmware(tmp_path / "efivars", redundancy=0).boot


@given(some.lists(some.booleans(), max_size=30))
def test_cuts_are_counted_and_clean_ends_are_not(ends_clean: list[bool]) -> None:
    counts = keeper.Counts()
    for number, clean in enumerate(ends_clean):
        counts = keeper.counted(keeper.counted(counts, f"boot {number}"), f"boot {number}")
        counts = replace(counts, clean=clean)
    counts = keeper.counted(counts, "the last one")
    assert (counts.starts, counts.cuts) == (len(ends_clean) + 1, ends_clean.count(False))


@pytest.mark.parametrize("words", [["get-state", "C"], ["set-state", "A", "ugly"], [], ["rm"]])
def test_the_backend_answers_nothing_that_rauc_does_not_ask(box: Box, words: list[str]) -> None:
    with pytest.raises(Refused, match="no question of RAUC"):
        answer(box.firmware.boot, words)


def test_the_configuration_cannot_be_talked_into_another_line(tmp_path: Path) -> None:
    layout = Layout("vitrine-orin", (tmp_path / "a", tmp_path / "b"), tmp_path / "ca.pem",
                    tmp_path / "backend", tmp_path)
    text = system_conf(layout)
    assert "bundle-formats=verity\n" in text and "bootname=B" in text
    evil = Layout("x\nbootloader=noop", layout.devices, layout.keyring, layout.backend, tmp_path)
    with pytest.raises(Refused):
        system_conf(evil)
    assert version_of("rauc 1.15.2-debian") == (1, 15, 2) and version_of("what?") == ()
    assert version_of("rauc v1.15.2") == (1, 15, 2), "as a build from its repository says it"
