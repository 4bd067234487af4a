"""Opening hours: the shop's own clock decides, over midnight, summer time and holidays."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.stage.hours import LIT_BEFORE, clock_is_wrong, day_at, opening, read_hours
from ota.errors import Refused

EARLIEST = datetime(2026, 1, 1)  # noqa: DTZ001
LATEST = datetime(2027, 12, 31)  # noqa: DTZ001
CHINA, BERLIN = "Asia/Shanghai", "Europe/Berlin"
WEEK = "mon-fri 09:00-21:00; sat,sun 10:00-02:00; 2026-12-25 closed; 2026-12-31 10:00-18:00"


def at(text: str, zone: str = CHINA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)


def test_a_week_of_a_shop() -> None:
    wednesday = opening(WEEK, CHINA, at("2026-11-25T08:59"))
    assert (wednesday.is_open, wednesday.changes_at) == (False, at("2026-11-25T09:00"))
    wednesday = opening(WEEK, CHINA, at("2026-11-25T09:00"))
    assert (wednesday.is_open, wednesday.changes_at) == (True, at("2026-11-25T21:00"))
    assert opening(WEEK, CHINA, at("2026-11-25T21:00")).changes_at == at("2026-11-26T09:00")


def test_saturday_ends_on_sunday_and_sunday_on_monday() -> None:
    late = opening(WEEK, CHINA, at("2026-11-29T01:59"))
    assert (late.is_open, late.changes_at) == (True, at("2026-11-29T02:00"))
    assert opening(WEEK, CHINA, at("2026-11-30T01:00")).is_open
    assert not opening(WEEK, CHINA, at("2026-11-28T01:00")).is_open, "friday is no long day"


def test_a_date_replaces_its_weekday() -> None:
    assert not opening(WEEK, CHINA, at("2026-12-25T12:00")).is_open
    assert opening(WEEK, CHINA, at("2026-12-25T12:00")).changes_at == at("2026-12-26T10:00")
    assert not opening(WEEK, CHINA, at("2026-12-31T09:30")).is_open
    assert opening(WEEK, CHINA, at("2026-12-31T17:59")).is_open


def test_summer_time_moves_the_moment_and_never_the_clock_on_the_wall() -> None:
    hours = "mon-sun 02:30-10:00"
    skipped = opening(hours, BERLIN, at("2026-03-28T12:00", BERLIN))
    assert skipped.changes_at == datetime(2026, 3, 29, 0, 30, tzinfo=timezone.utc), (
        "02:30 is not on that night's clock: the earlier reading, before the shop opens")
    assert opening(hours, BERLIN, at("2026-03-29T09:59", BERLIN)).is_open
    assert opening(hours, BERLIN, at("2026-03-29T12:00", BERLIN)).changes_at == datetime(
        2026, 3, 30, 0, 30, tzinfo=timezone.utc)
    doubled = opening("sat 20:00-02:30", BERLIN, at("2026-10-24T23:00", BERLIN))
    assert doubled.changes_at == datetime(2026, 10, 25, 1, 30, tzinfo=timezone.utc), "the second"


@pytest.mark.parametrize(("text", "is_open"), [
    (None, True), ("", True), ("nonsense", True), ("closed", False), ("00:00-24:00", True),
    ("mon-sun 00:00-12:00, 12:00-24:00", True), ("sat-mon 10:00 - 12:00", False),
])
def test_none_or_nonsense_is_always_open(text: str | None, is_open: bool) -> None:
    found = opening(text, CHINA, at("2026-11-25T12:00"))
    assert found.is_open is is_open
    if is_open:
        assert found.changes_at is None, "no change in sight"


@pytest.mark.parametrize("text", [
    "mon 25:00-26:00", "mun 09:00-12:00", "09:00", "2026-02-30 closed", "mon 9-12", "mon closed x",
    "; ".join(["mon 09:00-10:00"] * 101), "x" * 3000,
])
def test_what_cannot_be_read_is_said_in_a_sentence(text: str) -> None:
    with pytest.raises(Refused, match="opening hour"):
        read_hours(text)


@given(st.text("mon-fri0129:; ,closed", max_size=60), st.datetimes(
    EARLIEST, LATEST, timezones=st.just(timezone.utc)))
def test_any_text_at_any_time_is_an_answer_and_the_change_lies_ahead(
    text: str, now: datetime
) -> None:
    found = opening(text, BERLIN, now)
    if found.changes_at is not None:
        assert found.changes_at > now
        assert opening(text, BERLIN, found.changes_at).is_open is not found.is_open


def test_the_screen_is_lit_before_the_door_opens_and_through_the_last_sentence() -> None:
    def day(text: str) -> tuple[bool, bool]:
        found = day_at(WEEK, CHINA, at(text))
        return found.rests, found.lit

    assert day("2026-11-25T08:57") == (True, False)
    assert day("2026-11-25T08:58") == (True, True)
    assert day("2026-11-25T09:00") == (False, True)
    assert day("2026-11-25T21:00:30") == (True, True)
    assert day("2026-11-25T21:02") == (True, False)
    assert timedelta(minutes=1) < LIT_BEFORE


def test_who_wakes_it_and_a_wrong_clock_keep_it_on() -> None:
    night = at("2026-11-25T23:00")
    assert day_at(WEEK, CHINA, night, awake_until=night + timedelta(minutes=1)).lit
    assert not day_at(WEEK, CHINA, night, awake_until=night).lit
    assert day_at(WEEK, CHINA, night, clock_wrong=True).lit
    assert clock_is_wrong(timedelta(days=1)) and not clock_is_wrong(timedelta(seconds=20))
    assert day_at(None, CHINA, night).lit
