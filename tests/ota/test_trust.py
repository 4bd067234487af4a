"""Attacks on what a box believes, told one by one. All metadata and bytes travel over real HTTP."""

from __future__ import annotations

import gc
import json
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ota.errors import Refused, Retry
from ota.fetch import Fetcher
from ota.floor import FloorClock
from ota.publish.repository import LIFE, ROLES, Repository
from ota.trust.keys import SigningKey
from tests.ota.conftest import PROGRAMME, Box, Fleet


def copy_of(fleet: Fleet, name: str) -> Path:
    """What a thief recorded of the fleet's metadata."""
    kept = fleet.directory.parent / name
    shutil.copytree(fleet.metadata, kept)
    return kept


def replay(fleet: Fleet, kept: Path) -> None:
    shutil.rmtree(fleet.metadata)
    shutil.copytree(kept, fleet.metadata)


def test_a_published_programme_reaches_the_box(fleet: Fleet, box: Box, tmp_path: Path) -> None:
    body = b'{"schema": 1, "files": {}}'
    sha256 = fleet.publish(body)
    target = box.trust.target(PROGRAMME)
    assert (target.sha256, target.length_bytes) == (sha256, len(body))
    Fetcher(None).file(
        target.url(f"{fleet.origin.url}/targets"),
        tmp_path / "got.json",
        target.length_bytes,
        target.sha256,
    )
    assert (tmp_path / "got.json").read_bytes() == body


def test_custom_fields_are_signed_with_the_target(fleet: Fleet, box: Box) -> None:
    fleet.repository.add("releases", "releases/1.2.0.json", b"{}", {"minimum": "1.0"})
    fleet.repository.publish()
    assert box.trust.target("releases/1.2.0.json").custom == {"minimum": "1.0"}


def test_a_check_with_nothing_new_is_small(fleet: Fleet, box: Box) -> None:
    fleet.publish()
    box.trust.refresh()
    fleet.origin.sent_bytes = 0
    box.trust.refresh()
    assert fleet.origin.sent_bytes <= 400


def test_replaying_yesterdays_repository_is_refused(fleet: Fleet, box: Box) -> None:
    yesterday = copy_of(fleet, "yesterday")
    fleet.publish()
    box.trust.refresh()
    replay(fleet, yesterday)
    with pytest.raises(Refused):
        box.trust.refresh()


def test_a_torn_cache_does_not_open_the_door_to_yesterday(fleet: Fleet, box: Box) -> None:
    """python-tuf alone accepts this: its rollback protection is the cache itself."""
    yesterday = copy_of(fleet, "yesterday")
    fleet.publish()
    box.trust.refresh()
    for name in ("timestamp", "snapshot", "targets"):
        (box.store / "metadata" / f"{name}.json").write_bytes(b"")
    replay(fleet, yesterday)
    box.restart()
    with pytest.raises(Refused, match="older"):
        box.trust.refresh()


@pytest.mark.parametrize("damage", [b"", b"{", b"\x00" * 300, b'{"signed": []}', b"[" * 9999])
@pytest.mark.parametrize("name", ["timestamp", "snapshot", "targets", "root", "programmes"])
def test_torn_metadata_heals_by_itself(fleet: Fleet, box: Box, name: str, damage: bytes) -> None:
    gc.collect()  # what other tests left must not be finalised at the bottom of deep JSON
    fleet.publish()
    box.trust.target(PROGRAMME)
    (box.store / "metadata" / f"{name}.json").write_bytes(damage)
    box.restart()
    box.trust.refresh()
    assert box.trust.target(PROGRAMME).path == PROGRAMME


def test_one_rotten_floor_copy_changes_nothing(fleet: Fleet, box: Box) -> None:
    yesterday = copy_of(fleet, "yesterday")
    fleet.publish()
    box.trust.refresh()
    (box.store / "roles.1.json").write_bytes(b"rot")
    shutil.rmtree(box.store / "metadata")
    replay(fleet, yesterday)
    box.restart()
    with pytest.raises(Refused, match="older"):
        box.trust.refresh()
    assert not box.trust.floor_lost


def test_a_lost_floor_is_told(fleet: Fleet, box: Box) -> None:
    box.trust.refresh()
    for number in (0, 1):
        (box.store / f"roles.{number}.json").write_bytes(b"rot")
    assert box.trust.floor_lost


def test_an_old_programme_list_cannot_be_mixed_into_a_new_repository(
    fleet: Fleet, box: Box
) -> None:
    old = copy_of(fleet, "old")
    fleet.publish()
    shutil.copy(old / "1.programmes.json", fleet.metadata / "2.programmes.json")
    box.trust.refresh()
    with pytest.raises(Refused):
        box.trust.target(PROGRAMME)


def test_a_frozen_fleet_is_noticed_when_its_timestamp_runs_out(fleet: Fleet, box: Box) -> None:
    """Someone answers with the same old list for ever, to hide a new one."""
    fleet.now = datetime.now(timezone.utc) - LIFE["timestamp"] - timedelta(hours=1)
    fleet.repository.publish()
    with pytest.raises(Refused, match="run out"):
        box.trust.refresh()


def test_a_box_whose_clock_is_two_years_slow_still_sees_the_freeze(fleet: Fleet, box: Box) -> None:
    """A dead clock battery. The machine of this test plays that box: for it the fleet lives two
    years ahead, so python-tuf by itself finds nothing expired."""
    fleet.later(days=700)
    fleet.repository.publish()
    box.trust.refresh()
    assert box.clock.now() >= fleet.now - timedelta(seconds=2)
    # The thief freezes the fleet; a signed document tells the box of a later day.
    box.clock.seen(fleet.now + LIFE["timestamp"] + timedelta(days=1))
    box.restart()
    with pytest.raises(Refused, match="ran out"):
        box.trust.refresh()


def test_a_slow_clock_alone_does_not_stop_updates(fleet: Fleet, box: Box) -> None:
    box.wall = datetime(2024, 1, 1, tzinfo=timezone.utc)
    box.restart()
    fleet.publish()
    assert box.trust.target(PROGRAMME).path == PROGRAMME
    assert box.clock.now() > datetime.now(timezone.utc) - timedelta(minutes=1)
    assert box.clock.behind() > timedelta(days=700)


def test_a_signed_time_absurdly_ahead_is_refused(box: Box) -> None:
    before = box.clock.floor
    with pytest.raises(Refused, match="five years"):
        box.clock.seen(box.wall + timedelta(days=9999))
    assert box.clock.floor - before < timedelta(minutes=1)


def test_strangers_keys_are_refused(fleet: Fleet, box: Box, tmp_path: Path) -> None:
    evil = {role: [SigningKey.generate()] for role in ROLES}
    stranger = Repository.create(tmp_path / "evil", evil)
    stranger.add("programmes", PROGRAMME, b"evil")
    stranger.publish()
    replay(fleet, tmp_path / "evil" / "metadata")
    with pytest.raises(Refused):
        box.trust.refresh()


def test_the_programme_key_cannot_sign_a_release(fleet: Fleet) -> None:
    with pytest.raises(Refused, match="may not sign"):
        fleet.repository.add("programmes", "releases/9.json", b"evil")


def test_a_release_listed_by_the_programme_role_is_not_seen(fleet: Fleet, box: Box) -> None:
    """The console's online key is stolen: it signs a release all the same."""
    repository = fleet.repository
    sha256 = repository.add("programmes", "programmes/releases", b"evil")
    change = repository._changes[0]
    change.path = change.file.path = "releases/9.json"  # type: ignore[union-attr]
    targets = fleet.directory / "targets"
    (targets / "releases").mkdir()
    (targets / f"programmes/{sha256}.releases").rename(targets / f"releases/{sha256}.9.json")
    repository.publish()
    assert "releases/9.json" in repository.listed("programmes") and sha256
    with pytest.raises(Refused, match="signed nothing"):
        box.trust.target("releases/9.json")


def test_a_rotated_timestamp_key_is_followed_and_the_old_one_refused(
    fleet: Fleet, box: Box
) -> None:
    box.trust.refresh()
    stolen = dict(fleet.keys)
    old_state = copy_of(fleet, "before-rotation")
    fleet.repository.rotate("timestamp", [SigningKey.generate()])
    box.trust.refresh()
    # The thief signs a newer timestamp with the revoked key.
    thief_folder = fleet.directory.parent / "thief"
    shutil.copytree(old_state, thief_folder / "metadata")
    thief = Repository.open(thief_folder, stolen)
    for _ in range(5):
        thief.publish()
    shutil.copy(thief_folder / "metadata" / "timestamp.json", fleet.metadata / "timestamp.json")
    with pytest.raises(Refused):
        box.trust.refresh()


def test_a_thief_who_counted_versions_up_cannot_lock_boxes_out(fleet: Fleet, box: Box) -> None:
    """Fast forward: the stolen online key signs version 2^31; the fleet rotates and is heard."""
    path = fleet.metadata / "timestamp.json"
    honest = path.read_bytes()
    repository = fleet.repository
    repository._write_online(repository._versions(), repository._online_versions()[0], 2**31)
    box.trust.refresh()
    path.write_bytes(honest)
    repository.rotate("timestamp", [SigningKey.generate()])
    box.restart()
    box.trust.refresh()


def test_a_rotated_programme_key_and_a_rotated_root_are_followed(fleet: Fleet, box: Box) -> None:
    box.trust.refresh()
    fleet.repository.rotate("programmes", [SigningKey.generate()])
    fleet.repository.rotate("root", [SigningKey.generate(), SigningKey.generate()], threshold=2)
    fleet.publish()
    assert box.trust.target(PROGRAMME).path == PROGRAMME


def test_a_root_not_signed_by_the_old_root_is_refused(
    fleet: Fleet, box: Box, tmp_path: Path
) -> None:
    box.trust.refresh()
    stranger_keys = {role: [SigningKey.generate()] for role in ROLES}
    stranger = Repository.create(tmp_path / "evil", stranger_keys)
    stranger.rotate("timestamp", [SigningKey.generate()])
    shutil.copy(tmp_path / "evil" / "metadata" / "2.root.json", fleet.metadata / "2.root.json")
    with pytest.raises(Refused):
        box.trust.refresh()


def test_no_network_is_a_reason_to_wait_not_to_refuse(fleet: Fleet, box: Box) -> None:
    fleet.origin.forced_status = 503
    with pytest.raises(Retry):
        box.trust.refresh()
    fleet.origin.forced_status = None
    box.trust.refresh()


def test_an_endless_timestamp_is_cut_off(fleet: Fleet, box: Box) -> None:
    (fleet.metadata / "timestamp.json").write_bytes(b" " * 2_000_000)
    with pytest.raises(Refused, match="longer"):
        box.trust.refresh()


def test_a_box_that_was_never_enrolled_says_so(tmp_path: Path, fleet: Fleet) -> None:
    with pytest.raises(Refused, match="enrol"):
        Box(tmp_path / "new", fleet.origin).trust.refresh()


def test_a_root_that_is_no_root_is_refused_at_enrolment(tmp_path: Path, fleet: Fleet) -> None:
    new = Box(tmp_path / "new", fleet.origin)
    for bad in (b"", b"{}", (fleet.metadata / "timestamp.json").read_bytes()):
        with pytest.raises(Refused):
            new.trust.bootstrap(bad)


def test_the_floor_survives_restarts_and_only_rises(tmp_path: Path) -> None:
    wall = datetime(2027, 1, 1, tzinfo=timezone.utc)
    clock = FloorClock(tmp_path / "clock", lambda: wall)
    clock.seen(wall + timedelta(days=30))
    clock.seen(wall - timedelta(days=30))
    again = FloorClock(tmp_path / "clock", lambda: wall)
    assert timedelta(0) <= again.now() - (wall + timedelta(days=30)) < timedelta(minutes=1)


def test_online_lists_are_signed_again_at_half_their_life(fleet: Fleet) -> None:
    assert not fleet.repository.keep_fresh()
    fleet.later(seconds=LIFE["timestamp"].total_seconds() / 2 + 60)
    assert fleet.repository.keep_fresh()
    stamp = json.loads((fleet.metadata / "timestamp.json").read_bytes())
    assert stamp["signed"]["version"] == 2


def test_old_lists_are_thrown_away_but_roots_are_kept(fleet: Fleet, box: Box) -> None:
    fleet.repository.rotate("timestamp", [SigningKey.generate()])
    for number in range(40):
        fleet.publish(b"%d" % number)
    assert len(list(fleet.metadata.glob("*.snapshot.json"))) <= 18
    assert (fleet.metadata / "1.root.json").exists()
    assert box.trust.target(PROGRAMME)


def test_two_publishers_lose_nothing(fleet: Fleet, box: Box) -> None:
    """The console and the command line have the repository open at the same time."""
    other = Repository.open(fleet.directory, fleet.keys)
    fleet.repository.add("programmes", "programmes/tea/1.json", b"one")
    other.add("programmes", "programmes/tea/2.json", b"two")
    other.publish()
    fleet.repository.publish()
    box.trust.refresh()
    assert box.trust.target("programmes/tea/1.json").length_bytes == 3
    assert box.trust.target("programmes/tea/2.json").length_bytes == 3


def test_without_the_offline_key_a_release_is_not_published(fleet: Fleet) -> None:
    console = Repository.open(
        fleet.directory, {r: fleet.keys[r] for r in ("programmes", "snapshot", "timestamp")}
    )
    console.add("releases", "releases/2.json", b"{}")
    with pytest.raises(Refused, match="not at hand"):
        console.publish()
