"""Opening hours: open or closed at a moment, and what follows for avatar and screen. Pure.

Hours are one line that people write and read: "mon-fri 09:00-21:00; sat,sun 10:00-02:00;
2026-12-25 closed; 2026-12-31 10:00-18:00". A part that ends before it begins ends the next day.
A date stands for itself and replaces the weekday's parts that begin on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache

from device.programme import times
from ota.errors import Refused

HOURS_CHARACTERS_MAX = 2000
PARTS_MAX = 100
HORIZON_DAYS = 15
# The screen is lit before the door opens, and stays on for the last sentence.
LIT_BEFORE = timedelta(minutes=2)
LIT_AFTER = timedelta(minutes=1)
# A clock this far behind the newest signed time is wrong, not merely late.
CLOCK_SLACK = timedelta(minutes=5)
EXAMPLE = "write them like: mon-fri 09:00-21:00; sat,sun 10:00-22:00; 2026-12-25 closed"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

Part = tuple[int, int]


@dataclass(frozen=True)
class Week:
    """Parts of the day (minutes since midnight, the end after the start) by weekday and date."""

    days: Mapping[int, tuple[Part, ...]]
    dates: Mapping[date, tuple[Part, ...]]

    def parts(self, day: date) -> tuple[Part, ...]:
        """The parts that begin on that day."""
        return self.dates.get(day, self.days.get(day.weekday(), ()))


@dataclass(frozen=True)
class Opening:
    """Is the shop open, and when (UTC) does that change next; None: not in sight."""

    is_open: bool
    changes_at: datetime | None


@lru_cache(maxsize=8)
def read_hours(text: str) -> Week:
    """The week of a line of opening hours. Raises Refused with the part that cannot be read."""
    if len(text) > HOURS_CHARACTERS_MAX:
        raise Refused(f"The opening hours are longer than {HOURS_CHARACTERS_MAX} characters.")
    days: dict[int, list[Part]] = {}
    dates: dict[date, list[Part]] = {}
    rules = [rule.strip() for rule in re.split(r"[;\n]", text) if rule.strip()]
    if len(rules) > PARTS_MAX:
        raise Refused(f"The opening hours have more than {PARTS_MAX} parts.")
    for rule in rules:
        who, parts = _rule(rule)
        if isinstance(who, date):
            dates.setdefault(who, []).extend(parts)
        else:
            for day in who:
                days.setdefault(day, []).extend(parts)
    return Week({k: tuple(v) for k, v in days.items()}, {k: tuple(v) for k, v in dates.items()})


def _rule(rule: str) -> tuple[date | frozenset[int], list[Part]]:
    """One rule: its date or weekdays, and its parts of the day; none for `closed`."""
    words = re.split(r"\s+", re.sub(r"\s*([,-])\s*", r"\1", rule.lower()))
    try:
        who: date | frozenset[int] = frozenset(range(7))
        if _DATE.fullmatch(words[0]):
            who = date.fromisoformat(words.pop(0))
        elif words[0][:1].isalpha() and words[0] != "closed":
            who = times.day_numbers(words.pop(0))
        if words == ["closed"]:
            return who, []
        parts = [_part(piece) for piece in ",".join(words).split(",")]
    except (times.BadTime, ValueError) as error:
        raise Refused(f"{rule[:60]!r} is no opening hour; {EXAMPLE}.") from error
    return who, parts


def _part(text: str) -> Part:
    starts, dash, until = text.partition("-")
    if not dash:
        raise times.BadTime(text)
    first, last = times.clock_minutes(starts), times.clock_minutes(until)
    return first, last if last > first else last + times.MINUTES_A_DAY


def opening(hours: str | None, zone: str, now: datetime) -> Opening:
    """Is it open at the aware moment `now`? Without hours, or with unreadable ones: always."""
    if hours is None or not hours.strip():
        return Opening(True, None)
    try:
        week, there = read_hours(hours), times.zone(zone)
    except (Refused, times.BadTime):
        return Opening(True, None)
    utc = now.astimezone(timezone.utc)
    began = until = None
    for starts, ends in _merged(_spans(week, utc.astimezone(there).date(), there)):
        if ends > utc:
            began, until = starts, ends
            break
    if began is None or until is None:
        return Opening(False, None)
    if began > utc:
        return Opening(False, began)
    in_sight = until - utc < timedelta(days=HORIZON_DAYS - 2)
    return Opening(True, until if in_sight else None)


def _spans(week: Week, today: date, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """Every part from yesterday on as UTC moments, in order of their days."""
    for step in range(-1, HORIZON_DAYS):
        day = today + timedelta(days=step)
        for first, last in sorted(week.parts(day)):
            yield min(_moments(day, first, zone)), max(_moments(day, last, zone))


def _moments(day: date, minutes: int, zone: tzinfo) -> tuple[datetime, datetime]:
    """Both readings of a clock time that summer time doubles or skips; the same else."""
    local = datetime.combine(day, time(), zone) + timedelta(minutes=minutes)
    first, second = (local.replace(fold=fold).astimezone(timezone.utc) for fold in (0, 1))
    return first, second


def _merged(
    spans: Iterator[tuple[datetime, datetime]]
) -> Iterator[tuple[datetime, datetime]]:
    """Spans that touch or overlap as one."""
    held: tuple[datetime, datetime] | None = None
    for starts, ends in spans:
        if held is None:
            held = starts, ends
        elif starts <= held[1]:
            held = held[0], max(held[1], ends)
        else:
            yield held
            held = starts, ends
    if held is not None:
        yield held


@dataclass(frozen=True)
class Day:
    """What is right at one moment: `rests` is for the avatar, `lit` for the screen."""

    rests: bool
    lit: bool


def clock_is_wrong(behind: timedelta) -> bool:
    """Is the machine's clock so far before the newest signed time that it proves nothing?"""
    return behind > CLOCK_SLACK


def day_at(
    hours: str | None, zone: str, now: datetime, awake_until: datetime | None = None,
    clock_wrong: bool = False,
) -> Day:
    """How the box should be at `now`. Somebody who woke it, or a wrong clock, keeps it on."""
    awake = clock_wrong or (awake_until is not None and now < awake_until)
    if awake or opening(hours, zone, now).is_open:
        return Day(rests=False, lit=True)
    lit = any(opening(hours, zone, now + shift).is_open for shift in (LIT_BEFORE, -LIT_AFTER))
    return Day(rests=True, lit=lit)
