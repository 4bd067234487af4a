"""Days, clock times and instants of a programme: parsed, and asked whether they hold now."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from device.programme.schema import Holiday, Hours, Slot, Valid

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 24 * 60
_WITHOUT_SUMMER_TIME = {"Asia/Shanghai": 8, "Asia/Hong_Kong": 8, "Asia/Singapore": 8, "UTC": 0}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,6})?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?"
)


class BadTime(ValueError):
    """A day, clock time, instant or time zone that cannot be."""


def clock_minutes(text: str) -> int:
    """Minutes since midnight of "09:30"; "24:00" is 1440. Raises BadTime."""
    found = _CLOCK.fullmatch(text)
    if not found:
        raise BadTime(text)
    minutes = int(found[1]) * 60 + int(found[2])
    if int(found[2]) > 59 or minutes > MINUTES_A_DAY:
        raise BadTime(text)
    return minutes


def day_numbers(text: str) -> frozenset[int]:
    """Weekdays (Monday 0) of "mon-sun", "mon,wed,fri", "sat-mon". Raises BadTime."""
    days: set[int] = set()
    for piece in text.lower().split(","):
        first, dash, last = (part.strip() for part in piece.partition("-"))
        if first not in DAY_NAMES or (dash and last not in DAY_NAMES):
            raise BadTime(piece.strip() or text)
        start = DAY_NAMES.index(first)
        length = (DAY_NAMES.index(last) - start) % 7 if dash else 0
        days.update((start + step) % 7 for step in range(length + 1))
    return frozenset(days)


def instant(text: str, zone: tzinfo) -> datetime:
    """The aware moment of an ISO 8601 text; without an offset it is the programme's zone.

    "2026-12-31T24:00" is the next day's midnight; a date alone is its first moment.
    Raises BadTime.
    """
    found = _INSTANT.fullmatch(text.strip())
    if not found:
        raise BadTime(text)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    midnight_after = hour == 24 and minute == 0 and second == 0
    try:
        there = _offset(found[7]) or zone
        hour = 0 if midnight_after else hour
        moment = datetime(year, month, day, hour, minute, second, tzinfo=there)
        if midnight_after:
            moment += timedelta(days=1)
        moment.astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        raise BadTime(text) from error
    return moment


def _offset(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text == "Z":
        return timezone.utc
    hours, minutes = int(text[1:3]), int(text[-2:])
    if minutes > 59:
        raise ValueError(text)
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if text[0] == "-" else span)


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name. Raises BadTime when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        if name in _WITHOUT_SUMMER_TIME:  # a small system may have no time zone database
            return timezone(timedelta(hours=_WITHOUT_SUMMER_TIME[name]), name)
        raise BadTime(name) from error


def is_valid_at(valid: Valid | None, moment: datetime, default_zone: tzinfo) -> bool:
    """True while `moment` lies in [from, until); a validity that cannot be read never holds."""
    if valid is None:
        return True
    try:
        if valid.starts is not None and moment < instant(valid.starts, default_zone):
            return False
        return valid.until is None or moment < instant(valid.until, default_zone)
    except BadTime:
        return False


def calendar_day(text: str) -> date:
    """The day of "2027-02-17". Raises BadTime."""
    if not _DAY.fullmatch(text):
        raise BadTime(text)
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadTime(text) from error


def holidays_on(holidays: Sequence[Holiday], day: date) -> frozenset[str]:
    """The ids of the holidays that a day belongs to; one that cannot be read has no day."""
    found = set()
    for each in holidays:
        try:
            first = calendar_day(each.starts)
            last = calendar_day(each.until) if each.until is not None else first
        except BadTime:
            continue
        if first <= day <= last:
            found.add(each.id)
    return frozenset(found)


def slot_minutes(slot: Slot | Hours) -> tuple[int, int]:
    """Beginning and end in minutes since the midnight before; past midnight the end is over 1440.

    Raises BadTime.
    """
    starts, until = clock_minutes(slot.starts), clock_minutes(slot.until)
    return starts, until if until > starts else until + MINUTES_A_DAY


def is_on(slot: Slot | Hours, moment: datetime, holidays: Sequence[Holiday] = ()) -> bool:
    """True while the local `moment` lies in the days and hours of `slot`.

    By the clock on the wall: the hour that summer time doubles is on twice, the one that it skips
    not at all. Past midnight the day on which the slot began decides about weekday and holiday.
    """
    try:
        days = day_numbers(slot.days)
        starts, until = slot_minutes(slot)
    except BadTime:
        return False
    minutes = moment.hour * 60 + moment.minute
    for days_ago in (0, 1):
        day = moment.date() - timedelta(days=days_ago)
        if day.weekday() in days and starts <= minutes + days_ago * MINUTES_A_DAY < until:
            named = holidays_on(holidays, day) if slot.only_on or slot.not_on else frozenset()
            if (not slot.only_on or named & set(slot.only_on)) and not named & set(slot.not_on):
                return True
    return False
