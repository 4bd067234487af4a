"""Holidays, nights past midnight, and the two days a year on which a clock lies."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.programme import times
from device.programme.calendar_rule import skipped
from device.programme.playable import playable, scheduled
from device.programme.schema import Programme, Slot
from device.stage.billboard import is_open

CHINA = timezone(timedelta(hours=8))
FESTIVAL = [{"id": "spring-festival", "from": "2027-02-17", "until": "2027-02-23"},
            {"id": "labour-day", "from": "2027-05-01"}]  # fmt: skip


def programme(**more: Any) -> Programme:
    names = ("day", "night", "feast")
    return msgspec.convert({
        "schema": 1, "id": "p", "version": 1, "languages": ["zh-CN"], "holidays": FESTIVAL,
        "segments": [{"id": name, "say": {"zh-CN": name}} for name in names],
        "fallback": {"say": {"zh-CN": "?"}}, **more}, Programme)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def test_a_holiday_has_its_own_programme_from_its_first_day_to_its_last() -> None:
    made = programme(schedule=[
        {"from": "09:00", "until": "21:00", "play": ["day"], "not_on": ["spring-festival"]},
        {"from": "10:00", "until": "16:00", "play": ["feast"], "only_on": ["spring-festival",
                                                                          "labour-day"]}])
    for day, wanted in (("2027-02-16", ("day",)), ("2027-02-17", ("feast",)),
                        ("2027-02-23", ("feast",)), ("2027-02-24", ("day",)),
                        ("2027-05-01", ("day", "feast")), ("2027-05-02", ("day",))):
        assert scheduled(made, at(f"{day}T12:00")) == wanted, day
    assert scheduled(made, at("2027-02-17T09:30")) == (), "closed until ten"


def test_the_shop_is_closed_on_a_holiday_for_bumper_and_screen_alike() -> None:
    made = programme(opening_hours=[{"from": "09:00", "until": "21:00", "not_on": ["labour-day"]}])
    assert is_open(made, at("2027-04-30T12:00")) and not is_open(made, at("2027-05-01T12:00"))
    assert not playable(made, at("2027-05-01T12:00"), None, "zh-CN").is_open


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    made = programme(schedule=[
        {"days": "fri,sat", "from": "22:00", "until": "02:00", "play": ["night"],
         "not_on": ["labour-day"]}])
    on = [text for text in (
        "2027-04-23T21:59", "2027-04-23T22:00", "2027-04-24T01:59", "2027-04-24T02:00",  # Fri
        "2027-04-25T01:00",                      # the night of Saturday, on Sunday
        "2027-04-26T01:00",                      # Sunday's night is none
        "2027-04-30T23:00", "2027-05-01T01:00",  # Friday's night, though the 1st is a holiday
        "2027-05-01T23:00", "2027-05-02T01:00",  # the holiday's own night
    ) if scheduled(made, at(text))]
    assert on == ["2027-04-23T22:00", "2027-04-24T01:59", "2027-04-25T01:00",
                  "2027-04-30T23:00", "2027-05-01T01:00"]


def test_the_wall_clock_decides_when_summer_time_doubles_or_skips_an_hour() -> None:
    """Berlin: 2027-03-28 skips 02:00 to 03:00, 2027-10-31 has it twice."""
    made = programme(timezone="Europe/Berlin", schedule=[
        {"from": "02:15", "until": "02:45", "play": ["night"]},
        {"from": "01:00", "until": "03:30", "play": ["day"]}])

    def playing(first: str, minutes: int) -> list[str]:
        start = datetime.fromisoformat(first).replace(tzinfo=timezone.utc)
        found = []
        for step in range(0, minutes, 15):
            on = scheduled(made, start + timedelta(minutes=step))
            found.append("+".join(on))
        return found

    spring = playing("2027-03-28T00:45", 60)  # 01:45, then 03:00, 03:15, 03:30 on the wall
    assert spring == ["day", "day", "day", ""], "what the clock skips is skipped"
    autumn = playing("2027-10-31T00:00", 120)  # 02:00 to 03:00 on the wall, twice
    assert autumn == ["day", "night+day", "night+day", "day"] * 2
    assert list(skipped(times.zone("Europe/Berlin"), at("2026-11-25T00:00").date())) == [
        (at("2027-03-28T00:00").date(), 120, 180)]
    assert list(skipped(CHINA, at("2026-11-25T00:00").date())) == []


@settings(deadline=None, max_examples=80)
@given(starts=st.integers(0, 95), length=st.integers(1, 95), days=st.sets(st.integers(0, 6)),
       quarter=st.integers(0, 7 * 96 - 1))
def test_any_slot_is_on_for_its_length_from_each_day_it_begins(
    starts: int, length: int, days: set[int], quarter: int
) -> None:
    monday = datetime(2027, 3, 1, tzinfo=CHINA)
    moment = monday + timedelta(minutes=15 * quarter)
    names = ",".join(times.DAY_NAMES[each] for each in sorted(days)) or "mon"
    days = days or {0}

    def clock(quarters: int) -> str:
        return f"{quarters // 4:02}:{15 * (quarters % 4):02}"

    end = (starts + length) % 96
    slot = Slot(days=names, starts=clock(starts), until=clock(end), play=("day",))
    begun = [day * 96 + starts + week * 7 * 96 for day in days for week in (-1, 0)]
    assert times.is_on(slot, moment) == any(0 <= quarter - each < length for each in begun)


@pytest.mark.parametrize(
    "text", ["2027-2-17", "2027-02-30", "20270217", "2027-W07-3", "", "٢٠٢٧-٠٢-١٧"])
def test_what_is_no_day_is_no_holiday(text: str) -> None:
    with pytest.raises(times.BadTime):
        times.calendar_day(text)
    made = programme(holidays=[{"id": "x", "from": text}],
                     schedule=[{"play": ["day"], "not_on": ["x"]}])
    assert scheduled(made, at("2027-02-17T12:00")) == ("day",)
