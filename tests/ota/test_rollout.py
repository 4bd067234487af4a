"""Who takes a release, and when: the plan, the brake, the waves, and the moment of the switch."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ota.box.steer import Steering, look
from ota.box.window import FRESH_S, VISITOR_S, Shop, read_shop, waits
from ota.errors import Refused
from ota.formats.rollout import (
    Plan,
    Rollout,
    Wave,
    decide,
    encoded,
    parse_plan,
    parse_rollout,
    place,
    read_waves,
    waves_text,
)
from tests.ota.conftest import Box, Fleet

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)
AT = NOW.isoformat()
PACE = read_waves("1%,10%@24h,100%@3d")
PLAN = Plan(schema=1, release="1.4.0", salt="5a17" * 8, at=AT, pace=PACE)
BOXES = [f"box-{number}" for number in range(100_000)]
FEW = BOXES[:2000]


def goes(plan: Plan, rollout: Rollout | None, box: str, hours: float) -> bool:
    return decide(plan, rollout, box, "1.3.0", NOW + timedelta(hours=hours)).release is not None


def test_each_wave_has_its_share_and_holds_the_one_before() -> None:
    """Of 100,000 boxes; chance alone moves a tenth of them by a thousandth (the bench takes
    a million)."""
    places = [place(box, PLAN.salt) for box in BOXES]
    for share in (0.01, 0.1, 0.5):
        assert abs(sum(p < share for p in places) / len(BOXES) - share) < 0.004
    before: set[str] = set()
    for hours, count in ((0, 20), (23.9, 20), (24, 200), (72, 2000)):
        found = {box for box in FEW if goes(PLAN, None, box, hours)}
        assert abs(len(found) - count) <= count**0.5 * 3
        assert before <= found, "a box of an early wave is in every later one"
        before = found


def test_another_release_begins_with_other_boxes() -> None:
    other = msgspec.structs.replace(PLAN, salt="7e57" * 8)
    first = {box for box in FEW if place(box, PLAN.salt) < 0.1}
    second = {box for box in FEW if place(box, other.salt) < 0.1}
    assert 100 < len(first) < 300 and len(first & second) < 60


def test_the_console_can_only_hold_back() -> None:
    fast = Rollout(schema=1, release="1.4.0", at=AT)
    ours = [box for box in FEW if goes(PLAN, None, box, 0)]
    assert [box for box in FEW if goes(PLAN, fast, box, 0)] == ours
    slow = msgspec.structs.replace(fast, waves=read_waves("0.1%,100%@10d"))
    assert sum(goes(PLAN, slow, box, 100) for box in FEW) < 12
    for state in ("paused", "stopped"):
        held = msgspec.structs.replace(fast, state=state, reason="it flickers")
        told = decide(PLAN, held, ours[0], "1.3.0", NOW)
        assert told.release is None and state in told.why and "flickers" in told.why
    # What it says of a release that the offline keys did not plan moves nobody.
    unsigned = msgspec.structs.replace(fast, release="6.6.6")
    assert {decide(PLAN, unsigned, box, "1.3.0", NOW).release for box in FEW} == {
        None, "1.4.0"}


def test_held_groups_pins_and_lowest_version() -> None:
    held = msgspec.structs.replace(PLAN, held=True, pace=(Wave(1000),))
    begun = Rollout(schema=1, release="1.4.0", at=AT)
    assert not goes(held, None, "a-1", 0) and goes(held, begun, "a-1", 0)
    south = msgspec.structs.replace(begun, groups=("shanghai-*",))
    assert goes(held, south, "shanghai-7", 0) and not goes(held, south, "beijing-7", 0)
    stays = msgspec.structs.replace(begun, pins={"a-1": "1.3.0"})
    assert not goes(held, stays, "a-1", 0) and goes(held, stays, "a-2", 0)
    lab = msgspec.structs.replace(held, pins={"lab-1": "1.4.1"})
    assert decide(lab, None, "lab-1", "1.3.0", NOW).release == "1.4.1"
    later = msgspec.structs.replace(PLAN, min_version="1.3.5", pace=(Wave(1000),))
    assert "1.3.5 must be installed first" in decide(later, None, "a", "1.3.0", NOW).why
    assert decide(later, None, "a", "1.3.5", NOW).release == "1.4.0"
    assert decide(PLAN, None, "a", "1.4.0", NOW).release is None


def test_a_box_knows_when_its_wave_begins() -> None:
    late = next(box for box in BOXES if place(box, PLAN.salt) > 0.1)
    told = decide(PLAN, None, late, "1.3.0", NOW)
    assert told.at == NOW + timedelta(days=3) and "not begun" in told.why
    assert decide(PLAN, None, late, "1.3.0", told.at).release == "1.4.0"


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_place_is_in_its_range(box: str, salt: str) -> None:
    assert 0.0 <= place(box, salt) < 1.0


def test_waves_are_read_as_people_write_them() -> None:
    for text in ("100%", "1%,10%@24h,100%@3d", "0.5%@30m,100%@90m"):
        assert read_waves(waves_text(read_waves(text))) == read_waves(text)
    for wrong in ("", "1", "10%,1%@1d", "101%", "1%@1d,2%@1d", "0%", "1%,,2%@1d", "1%@1y"):
        with pytest.raises(Refused):
            read_waves(wrong)


@pytest.mark.parametrize("change", [
    {"schema": 2}, {"release": "x"}, {"salt": "zz"}, {"salt": ""}, {"pace": []}, {"at": "noon"},
    {"groups": ["../etc"]}, {"window": "25:00-26:00"}, {"pins": {"a": "new"}},
    {"pace": [{"permille": 2000}]}, {"groups": ["a"] * 201}, {"min_version": "latest"},
])
def test_a_plan_that_is_wrong_is_refused(change: dict[str, object]) -> None:
    assert parse_plan(encoded(PLAN)) == PLAN
    with pytest.raises(Refused):
        parse_plan(json.dumps({**json.loads(encoded(PLAN)), **change}).encode())
    with pytest.raises(Refused):
        parse_rollout(b'{"schema": 1')


def test_a_box_looks_at_signed_files_and_fetches_them_once(
    fleet: Fleet, box: Box, tmp_path: Path
) -> None:
    fleet.publish(b'{"schema":1,"version":"1.3.0"}', "releases/newest.json")
    fleet.publish(encoded(PLAN), "releases/plan.json")
    asked = len(fleet.origin.requests)

    def seen() -> Steering:
        fetcher = box.trust._fetch
        return look(box.trust, fetcher, f"{fleet.origin.url}/targets", tmp_path / "kept")

    assert seen() == Steering("1.3.0", PLAN, None) and len(fleet.origin.requests) > asked + 4
    asked = len(fleet.origin.requests)
    assert seen().plan == PLAN
    again = [path for path, _ in fleet.origin.requests[asked:]]
    assert not any("targets/" in path for path in again), again
    # The console's key signs a pause; the same key cannot sign a plan.
    pause = Rollout(schema=1, release="1.4.0", at=AT, state="paused")
    fleet.publish(encoded(pause), "rollouts/now.json")
    assert seen().rollout == pause
    with pytest.raises(Refused, match="may not sign"):
        fleet.repository.add("rollouts", "releases/plan.json", encoded(PLAN))
    # Torn on disk: fetched again, never believed.
    (tmp_path / "kept" / "releases-plan.json").write_bytes(b"{")
    assert seen().plan == PLAN


def test_an_order_of_the_console_does_not_go_around_the_waves() -> None:
    late = next(box for box in BOXES if place(box, PLAN.salt) > 0.1)
    told = Steering("1.3.0", PLAN, None)
    assert "not begun" in str(told.forbids("1.4.0", late, "1.3.0", NOW))
    assert told.forbids("1.3.0", late, "1.2.0", NOW) is None
    stopped = Rollout(schema=1, release="1.3.0", at=AT, state="stopped")
    assert "stopped" in str(Steering("1.3.0", None, stopped).forbids("1.3.0", late, "1", NOW))
    assert Steering("1.3.0", None, stopped).decide(late, "1.2.0", NOW).release is None
    assert Steering("1.3.0", PLAN, None).decide(late, "1.2.0", NOW).release == "1.3.0"
    assert Steering().decide(late, "0", NOW).release is None


def test_the_switch_waits_for_visitor_and_closing_time() -> None:
    up, closes = 9999.0, NOW + timedelta(hours=3)
    open_ = Shop(visitor_ago_s=None, is_open=True, changes_at=closes)
    wait = waits(open_, NOW, up)
    assert wait is not None and (wait.why, wait.until) == ("open", closes)
    assert waits(open_, NOW, up, asked=True) is None, "a person said --now"
    assert waits(open_, NOW, FRESH_S - 1) is None, "just switched on: nothing was shown yet"
    guest = Shop(visitor_ago_s=5.0, is_open=False)
    for asked, up_s in ((False, up), (True, up), (False, 1.0)):
        wait = waits(guest, NOW, up_s, asked=asked)
        assert wait is not None and wait.why == "visitor"
    assert waits(Shop(visitor_ago_s=VISITOR_S, is_open=False), NOW, up) is None
    assert waits(Shop(takeover=True), NOW, up, asked=True).why == "takeover"  # type: ignore[union-attr]
    assert waits(Shop(), NOW, up) is None, "what nobody told is no reason"
    assert waits(Shop(is_open=True, changes_at=None), NOW, up) is None, "it never closes"


def test_a_window_is_local_time_and_may_pass_midnight() -> None:
    east = Shop(utc_offset_s=8 * 3600, is_open=True, changes_at=NOW + timedelta(hours=1))
    wait = waits(east, NOW, 9999.0, "02:00-05:00")  # 20:00 in Shanghai
    assert wait is not None and wait.until == NOW + timedelta(hours=6)
    assert waits(east, wait.until, 9999.0, "02:00-05:00") is None
    assert waits(east, NOW, 9999.0, "19:00-02:00") is None
    assert waits(east, NOW, 9999.0, "20:01-20:00") is not None


def test_what_the_supervisor_tells_of_the_shop_is_read_with_suspicion(tmp_path: Path) -> None:
    assert read_shop(tmp_path) == Shop()
    told = {"at_s": 100.0, "visitor_ago_s": 3.0, "open": True, "changes_at": AT}
    (tmp_path / "shop.json").write_text(json.dumps(told))
    assert read_shop(tmp_path, 102.0) == Shop(5.0, False, True, NOW, None)
    assert read_shop(tmp_path, 200.0) == Shop(), "stale news is no news"
    for nonsense in (b"", b"[]", b'{"at_s": "x"}', b'{"at_s": 100, "changes_at": "soon"}'):
        (tmp_path / "shop.json").write_bytes(nonsense)
        assert read_shop(tmp_path, 101.0) == Shop()
