"""An update from the fleet's tree to the box's slot, and everything that may be wrong with it."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ota.box.confirm import Health, Verdict
from ota.box.install import confirm, find_offer, go_back, install, recover, run_trial
from ota.box.state import Begin, Overwrite, Phase
from ota.errors import Refused, Retry
from ota.formats.manifest import NEWEST
from ota.publish.release import build, publish
from ota.trust.client import NothingSigned
from tests.ota.conftest import Fleet
from tests.ota.rig import Kiosk, release_to, source_tree


@pytest.fixture
def kiosk(tmp_path: Path, fleet: Fleet) -> Kiosk:
    release_to(fleet.repository, tmp_path / "work", "1.0.0")
    return Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())


def update(kiosk: Kiosk, version: str | None = None) -> Verdict:
    source = kiosk.source()
    return install(kiosk.parts(), source, find_offer(source, version))


def test_the_first_release_replaces_the_code_the_box_came_with(kiosk: Kiosk) -> None:
    assert update(kiosk) is Verdict.CONFIRM
    assert kiosk.slots.active() == "a"
    assert (kiosk.root / "opt/current/device/player.py").read_text().startswith('VERSION = "1.0.0')
    assert kiosk.slots.verified("a")
    state = kiosk.parts().state.load()
    assert (state.phase, state.good, state.good_version) == (Phase.IDLE, "a", "1.0.0")
    assert kiosk.restarts == ["a"]
    whats = [entry.what for entry in kiosk.parts().history.entries()]
    assert whats == ["install", "trial", "confirmed"]
    assert not list(kiosk.parts().artefacts.names())


def test_releases_alternate_between_the_slots(kiosk: Kiosk, fleet: Fleet, tmp_path: Path) -> None:
    update(kiosk)
    for version, slot in (("1.1.0", "b"), ("1.10.0", "a"), ("2", "b")):
        release_to(fleet.repository, tmp_path / "work", version)
        assert update(kiosk) is Verdict.CONFIRM
        assert (kiosk.slots.active(), kiosk.slots.version(slot)) == (slot, version)
    assert kiosk.parts().state.load().previous_version == "1.10.0"


def test_a_chain_without_releases_says_so(fleet: Fleet, tmp_path: Path) -> None:
    kiosk = Kiosk(tmp_path / "kiosk", fleet.origin.url, fleet.repository.root_bytes())
    with pytest.raises(NothingSigned, match="not published a release yet"):
        find_offer(kiosk.source())


def test_progress_is_told_in_bytes(kiosk: Kiosk) -> None:
    update(kiosk)
    downloads = [(done, whole) for what, done, whole in kiosk.told if what == "download"]
    assert downloads and downloads[-1][0] == downloads[-1][1] > 1000


def test_a_release_that_stays_black_is_taken_back(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.1.0")
    kiosk.health = lambda: Health("b", player_presented=False, ear_ready=True)
    assert update(kiosk) is Verdict.ROLLBACK
    assert kiosk.slots.active() == "a" and kiosk.restarts[-2:] == ["b", "a"]
    state = kiosk.parts().state.load()
    assert state.refused == ("1.1.0",) and "no picture" in state.reason
    with pytest.raises(Refused, match="failed here before"):
        update(kiosk)


def test_a_deaf_release_is_taken_back(kiosk: Kiosk, fleet: Fleet, tmp_path: Path) -> None:
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.1.0")
    kiosk.health = lambda: Health("b", player_presented=True, ear_ready=False)
    assert update(kiosk) is Verdict.ROLLBACK
    assert "recogniser" in kiosk.parts().state.load().reason


def test_a_bad_first_release_leaves_the_code_the_box_came_with(kiosk: Kiosk) -> None:
    kiosk.health = lambda: Health("a", crashed=True)
    assert update(kiosk) is Verdict.ROLLBACK
    assert kiosk.slots.active() is None and kiosk.restarts == ["a", None]


def test_the_health_of_the_old_processes_does_not_confirm_the_new_ones(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.1.0")
    kiosk.health = lambda: Health("a", player_presented=True, ear_ready=True)
    assert update(kiosk) is Verdict.ROLLBACK


def test_a_silent_supervisor_is_ill_health(kiosk: Kiosk) -> None:
    kiosk.health = lambda: None
    assert update(kiosk) is Verdict.ROLLBACK


def test_the_network_may_be_gone_in_the_trial(kiosk: Kiosk, fleet: Fleet) -> None:
    source = kiosk.source()
    offer = find_offer(source)
    parts = kiosk.parts()
    install(parts, source, offer, trial=False)
    fleet.origin.forced_status = 503
    assert run_trial(kiosk.parts()) is Verdict.CONFIRM


def test_a_downgrade_is_refused_even_when_signed(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    release_to(fleet.repository, tmp_path / "work", "2.0.0")
    update(kiosk)
    with pytest.raises(Refused, match="older"):
        update(kiosk, "1.0.0")


def test_a_person_goes_back_and_the_release_is_not_put_on_again(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.1.0")
    update(kiosk)
    assert go_back(kiosk.parts()).good_version == "1.0.0"
    assert kiosk.slots.active() == "a"
    with pytest.raises(Refused, match="failed here before"):
        update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.2.0")
    assert update(kiosk) is Verdict.CONFIRM


def test_back_to_a_damaged_slot_is_refused(kiosk: Kiosk, fleet: Fleet, tmp_path: Path) -> None:
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.1.0")
    update(kiosk)
    (kiosk.slots.folder("a") / "cli/main.py").write_text("rot")
    with pytest.raises(Refused, match="damaged"):
        go_back(kiosk.parts())
    assert kiosk.slots.active() == "b"


def test_a_rotten_good_slot_falls_back_at_the_next_start(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.1.0")
    update(kiosk)
    (kiosk.slots.folder("b") / "device/player.py").unlink()
    state = recover(kiosk.parts())
    assert (kiosk.slots.active(), state.good_version) == ("a", "1.0.0")
    shutil.rmtree(kiosk.slots.folder("a"))
    assert recover(kiosk.parts()).good is None and kiosk.slots.active() is None
    assert update(kiosk) is Verdict.CONFIRM


def test_a_machine_that_dies_in_every_trial_start_goes_back(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    source = kiosk.source()
    install(kiosk.parts(), source, find_offer(source), trial=False)

    class Dies(BaseException):
        pass

    def die(slot: str | None) -> None:
        if slot == "a":
            raise Dies

    starts = 0
    while recover(kiosk.parts()).phase is Phase.TRIAL:
        starts += 1
        parts = replace(kiosk.parts(), restart=die)
        try:
            run_trial(parts)
        except Dies:
            continue
    assert starts == 5 and kiosk.slots.active() is None
    assert "again and again" in kiosk.parts().state.load().reason


def test_leaving_in_the_trial_neither_confirms_nor_counts(kiosk: Kiosk) -> None:
    source = kiosk.source()
    install(kiosk.parts(), source, find_offer(source), trial=False)
    for _ in range(9):
        parts = replace(kiosk.parts(), stop=lambda: True)
        assert run_trial(parts) is Verdict.WAIT
    assert run_trial(kiosk.parts()) is Verdict.CONFIRM


def test_a_person_may_confirm_or_refuse_a_trial(kiosk: Kiosk) -> None:
    source = kiosk.source()
    install(kiosk.parts(), source, find_offer(source), trial=False)
    kiosk.health = lambda: None
    assert run_trial(replace(kiosk.parts(), order=lambda: "confirm")) is Verdict.CONFIRM
    with pytest.raises(Refused, match="nothing to confirm"):
        confirm(kiosk.parts(), "again")


def test_an_artefact_changed_on_the_server_is_refused(kiosk: Kiosk, fleet: Fleet) -> None:
    for path in (fleet.directory / "targets" / "content").iterdir():
        body = bytearray(path.read_bytes())
        body[700] ^= 1
        path.write_bytes(body)
    with pytest.raises(Refused, match="not the ones that were signed"):
        update(kiosk)
    assert kiosk.slots.active() is None
    assert kiosk.parts().state.load().phase is Phase.IDLE


def test_a_changed_manifest_on_the_server_is_refused(kiosk: Kiosk, fleet: Fleet) -> None:
    for path in (fleet.directory / "targets" / "releases").glob("*.1.0.0.json"):
        body = bytearray(path.read_bytes())
        body[20] ^= 1
        path.write_bytes(body)
    with pytest.raises(Refused, match="changed after it was signed"):
        update(kiosk)


def test_a_disk_that_fills_while_a_slot_is_written_leaves_the_old_release(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quota strikes at the system call, at ever later moments; then there is room again."""
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.1.0")
    real = os.write
    for room_bytes in (*range(0, 16_000, 8_000), *range(16_000, 60_000, 1_500)):
        room = [room_bytes]

        def write(descriptor: int, data: bytes, room: list[int] = room) -> int:
            if room[0] < len(data):
                raise OSError(errno.ENOSPC, "No space left on device")
            room[0] -= len(data)
            return real(descriptor, data)

        monkeypatch.setattr(os, "write", write)
        with pytest.raises(Retry, match="disk"):
            update(kiosk)
        monkeypatch.undo()
        state = recover(kiosk.parts())
        assert kiosk.slots.verified(str(kiosk.slots.active())) and state.refused == ()
        if state.phase is Phase.TRIAL:
            assert run_trial(kiosk.parts()) is Verdict.CONFIRM
            return
        assert kiosk.slots.active() == "a"
    raise AssertionError("the disk never had enough room for the slot")


def test_no_network_is_tried_again_and_nothing_is_refused(kiosk: Kiosk, fleet: Fleet) -> None:
    source = kiosk.source()
    offer = find_offer(source)
    fleet.origin.forced_status = 503
    with pytest.raises(Retry):
        install(kiosk.parts(), source, offer)
    assert kiosk.parts().state.load().refused == ()
    fleet.origin.forced_status = None
    assert update(kiosk) is Verdict.CONFIRM


def test_a_release_for_another_machine_is_refused_before_a_byte_is_fetched(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    tree = source_tree(tmp_path / "jetson", "3")
    release = build(tree, "3", tmp_path / "3.tar", platforms=["linux-riscv64"])
    publish(fleet.repository, release)
    with pytest.raises(Refused, match="riscv64"):
        update(kiosk)
    assert not any("content" in path for path, _ in fleet.origin.requests)


def test_a_pinned_release_is_signed_but_no_box_is_sent_to_it(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    tree = source_tree(tmp_path / "tree", "9")
    publish(fleet.repository, build(tree, "9", tmp_path / "9.tar"), newest=False)
    source = kiosk.source()
    assert find_offer(source).version == "1.0.0"
    assert find_offer(source, "9").version == "9"
    assert NEWEST in fleet.repository.listed("releases")


def test_the_way_back_stays_open_until_all_of_the_next_release_has_come(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    """It may take days to come, and a person may want the release before meanwhile."""
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.1.0")
    update(kiosk)
    release_to(fleet.repository, tmp_path / "work", "1.2.0")
    source = kiosk.source()
    offer = find_offer(source)
    fleet.origin.forced_status = 503
    with pytest.raises(Retry):
        install(kiosk.parts(), source, offer)
    state = recover(kiosk.parts())
    assert (state.good_version, state.previous_version) == ("1.1.0", "1.0.0")
    assert kiosk.slots.version(str(state.previous)) == "1.0.0"
    assert go_back(kiosk.parts()).good_version == "1.0.0"


def test_a_cut_while_the_next_release_comes_costs_nothing(
    kiosk: Kiosk, fleet: Fleet, tmp_path: Path
) -> None:
    for version in ("1.0.0", "1.1.0"):
        release_to(fleet.repository, tmp_path / "work", version)
        update(kiosk)
    kiosk.parts().take(Begin("1.2.0"))
    state = recover(kiosk.parts())
    assert state.phase is Phase.IDLE and state.previous_version == "1.0.0"
    assert kiosk.slots.verified(str(state.previous))
    kiosk.parts().take(Begin("1.2.0"))
    kiosk.parts().take(Overwrite())
    assert recover(kiosk.parts()).previous is None, "from there on it is gone"
    assert kiosk.slots.version("a" if state.good == "b" else "b") is None
