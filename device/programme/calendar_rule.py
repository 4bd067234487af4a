"""The rules for the calendar: holidays, limits of one language, and summer time's traps."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone, tzinfo

from device.programme import times
from device.programme.playable import local_zone
from device.programme.problems import Fault, near
from device.programme.rules import Checked
from device.programme.schema import Answer, Hours, Product, Programme, Segment, Slot, Valid

YEAR_DAYS = 366
STEP_MINUTES = 15


def holidays(checked: Checked) -> Iterator[Fault]:
    """Days that are none, holidays that are over or written twice, names of none."""
    programme = checked.programme
    known: list[str] = []
    today = checked.now.astimezone(local_zone(programme)).date()
    for each in programme.holidays:
        if each.id in known:
            yield Fault(checked.path(each, "id"), f"假日“{each.id}”重复了",
                        f'the holiday "{each.id}" is there twice')
        known.append(each.id)
        days: dict[str, date] = {}
        for name, text in (("from", each.starts), ("until", each.until or each.starts)):
            try:
                days[name] = times.calendar_day(text)
            except times.BadTime:
                yield Fault(checked.path(each, name), f"“{text}”不是日期,例如 2027-02-17",
                            f'"{text}" is no day; an example is 2027-02-17')
        if len(days) == 2 and days["from"] > days["until"]:
            yield Fault(checked.path(each, "until"), "假日的最后一天早于第一天",
                        "the holiday's last day is before its first")
        elif len(days) == 2 and days["until"] < today:
            yield Fault(checked.path(each, "until"), f"假日“{each.id}”已经过去,请写明年的日期",
                        f'the holiday "{each.id}" is over; write next year\'s days', "warning")
    for slot in _slots(programme):
        yield from _named(checked, slot, known)


def _slots(programme: Programme) -> tuple[Slot | Hours, ...]:
    return (*programme.opening_hours, *programme.schedule)


def _named(checked: Checked, slot: Slot | Hours, known: list[str]) -> Iterator[Fault]:
    for field in ("only_on", "not_on"):
        for number, name in enumerate(getattr(slot, field)):
            if name not in known:
                zh, en = near(name, known)
                yield Fault(checked.path(slot, field, number), f"没有假日“{name}”{zh}",
                            f'there is no holiday "{name}"{en}')
            elif field == "not_on" and name in slot.only_on:
                yield Fault(checked.path(slot, field, number),
                            f"“{name}”同时写在 only_on 和 not_on 里",
                            f'"{name}" is in only_on and in not_on')


def languages(checked: Checked) -> Iterator[Fault]:
    """A limit of a line in a language that the line does not have."""
    items: tuple[Segment | Answer, ...] = (
        *checked.programme.segments, *checked.programme.answers)
    for item in items:
        for language in item.valid_in or {}:
            if language not in item.say:
                zh, en = near(language, list(item.say))
                yield Fault(checked.path(item, "valid_in", language),
                            f"没有 {language} 的台词{zh}", f"there is no line in {language}{en}",
                            at_key=True)


def summer_time(checked: Checked) -> Iterator[Fault]:
    """A moment that the zone's clocks show twice or never, and hours that are skipped whole."""
    zone = local_zone(checked.programme)
    for valid in _limits(checked):
        for name, text in (("from", valid.starts), ("until", valid.until)):
            if text is not None and (found := _trap(text, zone)):
                yield Fault(checked.path(valid, name), *found, "warning")
    gaps = list(skipped(zone, checked.now.astimezone(zone).date()))
    for slot in _slots(checked.programme):
        try:
            starts, until = times.slot_minutes(slot)
            days = times.day_numbers(slot.days)
        except times.BadTime:
            continue
        for day, first, last in gaps:
            if day.weekday() in days and first <= starts and until <= last:
                yield Fault(
                    checked.path(slot, "from"),
                    f"{day} 这天的夏令时会跳过这段时间,当天不会播放",
                    f"summer time skips these hours on {day}; nothing plays then", "warning")


def _limits(checked: Checked) -> Iterator[Valid]:
    programme = checked.programme
    parts: tuple[Programme | Product | Segment | Answer | Slot, ...] = (
        programme, *programme.products, *programme.segments, *programme.answers,
        *programme.schedule)
    for part in parts:
        if part.valid is not None:
            yield part.valid
        if isinstance(part, Segment | Answer):
            yield from (part.valid_in or {}).values()


def _trap(text: str, zone: tzinfo) -> tuple[str, str] | None:
    """Why a moment without an offset is not one moment of the zone."""
    try:
        moment = times.instant(text, zone)
    except times.BadTime:
        return None
    if moment.tzinfo is not zone or moment.utcoffset() == moment.replace(fold=1).utcoffset():
        return None
    if _exists(moment.replace(tzinfo=None), zone):
        return (f"这一刻因夏令时会出现两次,请写明时差,例如 {moment.isoformat()}",
                f"summer time has this moment twice; write the offset, as in {moment.isoformat()}")
    return ("这一刻被夏令时跳过,当天没有这个时间",
            "summer time skips this moment; there is no such time that day")


def skipped(zone: tzinfo, first: date) -> Iterator[tuple[date, int, int]]:
    """(day, from, until) in minutes of every piece of a day that the next year's clocks skip."""
    for step in range(YEAR_DAYS):
        day = first + timedelta(days=step)
        before, after = (datetime.combine(day + timedelta(days=each), time(), zone).utcoffset()
                         for each in (0, 1))
        if before is None or after is None or after <= before:
            continue
        gone = [minute for minute in range(0, times.MINUTES_A_DAY, STEP_MINUTES)
                if not _exists(datetime.combine(day, time()) + timedelta(minutes=minute), zone)]
        if gone:
            yield day, gone[0], gone[-1] + STEP_MINUTES


def _exists(wall: datetime, zone: tzinfo) -> bool:
    moment = wall.replace(tzinfo=zone)
    return moment.astimezone(timezone.utc).astimezone(zone).replace(tzinfo=None) == wall
