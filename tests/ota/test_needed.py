"""What is needed, what may go, and which releases are old: the pure rules of pruning."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.formats.manifest import Artefact, Compat, FileEntry, Manifest
from ota.formats.systems import SystemRelease
from ota.publish.needed import File, content_of, hashes_named, judge
from ota.publish.obsolete import Used, obsolete, obsolete_systems

DAY_S = 86_400.0
GRACE_S = 30 * DAY_S
A, B, C, D, E, F = (each * 64 for each in "abcdef")


def body(**fields: Any) -> bytes:
    return json.dumps({"schema": 1, **fields}).encode()


def listed(*versions: str, tag: str = "") -> list[str]:
    names = [f"releases/{version}{tag}" for version in versions]
    return [f"{name}{end}" for name in names for end in (".json", ".ways.json")]


def released(version: str, **compat: Any) -> Manifest:
    needs = Compat("3.10", "3.14", (), **compat)
    return Manifest(1, version, Artefact(A, 1), needs, {"x.py": FileEntry(B, 1)})


def test_what_nothing_needs_goes_when_the_grace_time_is_over() -> None:
    files = [File(name, 1, 0.0) for name in ("needed", "old", "young", "new")]
    seen = {"old": 0.0, "young": 5 * DAY_S}
    found = judge(files, {"needed"}, seen, 31 * DAY_S, GRACE_S)
    assert [file.name for file in found.goes] == ["old"]
    assert [file.name for file in found.waits] == ["young", "new"]
    assert found.since_s == {"old": 0.0, "young": 5 * DAY_S, "new": 31 * DAY_S}


def test_needed_again_begins_anew_and_so_does_a_file_that_came_back() -> None:
    old = [File("x", 1, 0.0)]
    assert judge(old, {"x"}, {"x": 0.0}, GRACE_S, GRACE_S).since_s == {}
    # Removed, forgotten in the notes by a power cut, and laid out again by a signer yesterday.
    again = [File("x", 1, 39 * DAY_S)]
    assert not judge(again, set(), {"x": 0.0}, 40 * DAY_S, GRACE_S).goes
    assert judge(again, set(), {"x": 0.0}, 70 * DAY_S, GRACE_S).goes


def test_the_age_of_a_file_alone_removes_nothing() -> None:
    assert not judge([File("x", 1, 0.0)], set(), {}, 1000 * DAY_S, GRACE_S).goes


def test_a_clock_that_went_back_only_makes_it_wait() -> None:
    found = judge([File("x", 1, 0.0)], set(), {"x": 900 * DAY_S}, 40 * DAY_S, GRACE_S)
    assert not found.goes and found.since_s == {"x": 40 * DAY_S}


@given(
    st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh")),
    st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1e9, 1e9)),
    st.floats(0, 1e9), st.floats(0, 1e8),
)
def test_whatever_was_remembered_nothing_needed_and_nothing_unseen_goes(
    here: set[str], needed: set[str], since: dict[str, float], now_s: float, grace_s: float
) -> None:
    found = judge([File(name, 1, 0.0) for name in here], needed, since, now_s, grace_s)
    goes = {file.name for file in found.goes}
    assert not goes & needed and goes <= here
    assert goes | {file.name for file in found.waits} == here - needed == set(found.since_s)
    if grace_s > 0:
        assert goes <= set(since)


def test_a_programme_needs_its_files_and_shortcuts_their_lists_packs_and_deltas() -> None:
    index = body(files={"a.mp4": {"sha256": A, "bytes": 1}}, speech={B: {"file": "x"}})
    assert content_of("programmes/tea/1.json", index) == {A}
    assert hashes_named("programmes/tea/1.json", index) == {A, B}
    side = body(chunked={A: {"list": B, "list_bytes": 44, "pack": C}},
                deltas={D: [{"old": E, "sha256": F, "bytes": 9}]})
    assert content_of("programmes/tea/shortcuts.json", side) == {B, C, F}
    # The old file is on the box that has it; the server need not have it for the delta.
    assert hashes_named("programmes/tea/shortcuts.json", side) == {A, B, C, D, F}


def test_a_release_needs_its_artefact_and_its_ways_no_older_ones() -> None:
    manifest = body(version="1.0", artefact={"sha256": A, "bytes": 1},
                    files={"x.py": {"sha256": B, "bytes": 1}})
    assert content_of("releases/1.0.json", manifest) == {A}
    assert hashes_named("releases/1.0.json", manifest) == {A}
    ways = body(chunked={"list": B, "list_bytes": 44, "pack": C}, pack_bytes=1,
                missing_bytes={A: 4}, patches=[{"old": A, "sha256": D, "bytes": 1, "ram_bytes": 1}],
                manifests=[{"old": A, "sha256": E, "bytes": 1}])
    assert content_of("releases/1.1.ways.json", ways) == {B, C, D, E}
    assert hashes_named("releases/1.1.ways.json", ways) == {B, C, D, E}


def test_a_system_needs_its_bundle() -> None:
    note = body(version="36.5.1", board="orin", bundle={"sha256": A, "bytes": 9})
    assert content_of("releases/system-36.5.1.orin.json", note) == {A}
    assert hashes_named("releases/system-36.5.1.orin.json", note) == {A}


@pytest.mark.parametrize("data", [b"\xff" + A.encode() + b" ", b'{"bundle": {"verity": ["' +
                                  A.encode() + b'"]}}', b"[" * 5000 + A.encode()])
def test_of_a_format_that_is_not_known_every_hash_is_kept(data: bytes) -> None:
    for path in ("releases/system-7.json", "avatars/mei/3.json", "rollouts/later.json"):
        assert hashes_named(path, data) == {A}
        assert content_of(path, data) == frozenset()


def test_the_last_six_of_each_kind_of_box_stay_and_everything_before_goes() -> None:
    names = listed(*(f"1.{n}" for n in range(10)))
    other = listed("1.0", "1.1", tag=".linux-x86_64-cp311")
    kept_for_ever = ["releases/newest.json", "releases/plan.json", "releases/system-1.json"]
    gone = obsolete([*names, *other, *kept_for_ever], {}, Used("1.9"))
    assert gone == sorted(listed("1.0", "1.1", "1.2", "1.3"))
    assert obsolete([*names, *other], {}, Used("1.9"), keep=1) == sorted(
        listed(*(f"1.{n}" for n in range(9))) + listed("1.0", tag=".linux-x86_64-cp311"))


def test_what_is_still_to_come_and_what_somebody_names_is_kept() -> None:
    names = listed("1.0", "1.1", "1.2", "1.3", "2.0", "3.0")
    used = Used("1.3", frozenset({"1.0.0"}))
    # 2.0 and 3.0 are signed and held: every box runs 1.3.
    assert obsolete(names, {}, used, keep=1) == sorted(listed("1.1", "1.2"))
    assert obsolete(names, {}, Used(None), keep=2) == sorted(listed("1.0", "1.1", "1.2", "1.3"))
    assert obsolete([], {}, Used("1.0")) == []


def test_a_box_that_was_off_for_years_finds_the_steps_it_has_to_take() -> None:
    names = listed("1.0", "1.1", "1.2", "1.3", "2.0", "2.1")
    manifests = {
        "releases/1.0.json": released("1.0"),
        "releases/1.1.json": released("1.1"),
        # 1.2 must run before 2.1, and only 1.1 can install what has the new slots.
        "releases/1.2.json": released("1.2", slot_schema=2),
        "releases/2.1.json": released(
            "2.1", slot_schema=2, needs=({"what": "current", "at_least": "1.1.5"},)),
    }
    assert obsolete(names, manifests, Used("2.1"), keep=1) == sorted(listed("1.0", "1.3", "2.0"))


def systems(board: str, *versions: str) -> list[str]:
    return [f"releases/system-{version}.{board}.json" for version in versions]


def test_of_each_board_the_newest_systems_stay_and_what_somebody_names() -> None:
    orin, nano = systems("orin", "36.3.0", "36.4.0", "36.5.0", "36.6.0"), systems("nano", "36.3.0")
    names = [*orin, *nano, "releases/system-newest.orin.json", "releases/system-plan.json",
             *listed("1.0", "1.1")]
    # 36.6.0 is in waves; every other box has 36.5.0. A board's only system is its newest.
    assert obsolete_systems(names, {}, {"orin": "36.5.0", "nano": "36.3.0"}, {"36.6.0"}) == orin[:1]
    assert obsolete_systems(names, {}, {"orin": "36.5.0"}, (), keep=1) == orin[:2]
    assert obsolete_systems(names, {}, {"orin": "36.5.0"}, {"36.3.0"}, keep=1) == orin[1:2]
    assert obsolete_systems(names, {}, {}, (), keep=1) == orin[:3]
    assert obsolete([*orin, *nano], {}, Used(None), keep=1) == []


def test_the_system_that_a_newer_one_must_be_begun_from_stays() -> None:
    names = systems("orin", "35.1", "35.2", "36.1", "36.2")
    last = SystemRelease(1, "36.2", "orin", Artefact(A, 1),
                         ({"what": "system", "at_least": "35.1.5"},))
    assert obsolete_systems(names, {names[3]: last}, {"orin": "36.2"}, (), keep=1) == [
        names[0], names[2]]
