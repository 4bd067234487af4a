"""Days on which a shop is closed or has other hours: rows of a form, and where they are kept.

In a programme a row is a holiday, and its hours and schedule go by it (`not_on`, `only_on`). In a
store it is dates of the opening hours. What somebody wrote by hand in another way stays as it is
(`custom`). Pure.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal

import msgspec

from device.programme import times
from fleet.studio import Fault

Document = dict[str, Any]
# What a programme's rows change; the value before is kept of these.
PARTS = ("holidays", "opening_hours", "schedule")
ROWS_MAX = 60
STORE_DAYS_MAX = 62
ALWAYS: Document = {"from": "00:00", "until": "24:00"}
ALWAYS_OPEN = "mon-sun 00:00-24:00"
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2})\s+(.+)")
_ONE_PART = re.compile(r"(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
Kind = Literal["closed", "hours", "usual", "custom"]


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One row: from the first to the last day (`until` "": the same), closed or `opens`-`closes`.

    `usual` only names days. `id` and `name` are a programme's; `text` is what a store's hours say
    of a `custom` row.
    """

    starts: str = msgspec.field(name="from")
    until: str = ""
    kind: Kind = "closed"
    opens: str = ""
    closes: str = ""
    id: str = ""
    name: dict[str, str] = {}
    text: str = ""

    @property
    def last(self) -> str:
        """The last day."""
        return self.until or self.starts


def faults_of(days: Sequence[Day], is_store: bool, today: date) -> list[Fault]:
    """What is wrong with the rows, by field (`days/0/until`); forms and programs alike."""
    faults = []
    if len(days) > ROWS_MAX:
        faults.append(Fault("days", None, f"最多 {ROWS_MAX} 行。", f"At most {ROWS_MAX} rows."))
    taken: dict[date, int] = {}
    for number, day in enumerate(days):
        wrong = _row(day, is_store, today)
        if not any(severity == "error" for _, _, _, severity in wrong):
            both = [each for each in _days(day) if taken.setdefault(each, number) != number]
            if both:
                wrong.append(("from", f"{both[0]} 在别的行里已经有了。",
                              f"{both[0]} stands in another row already.", "error"))
        faults += [Fault(f"days/{number}/{field}", None, zh, en, severity)
                   for field, zh, en, severity in wrong]
    return faults


def _row(day: Day, is_store: bool, today: date) -> list[tuple[str, str, str, str]]:
    found = []
    for field, text in (("from", day.starts), ("until", day.last)):
        if not _is_date(text):
            found.append((field, "请选一个日期。", "Choose a date.", "error"))
    if not found:
        length = (date.fromisoformat(day.last) - date.fromisoformat(day.starts)).days + 1
        if length < 1:
            found.append(("until", "最后一天早于第一天。", "The last day is before the first.",
                          "error"))
        elif length > (STORE_DAYS_MAX if is_store else 366):
            found.append(("until", "太长;长期不同的时间请改每周营业时间。",
                          "Too long; change the weekly hours instead.", "error"))
        elif date.fromisoformat(day.last) < today:
            found.append(("from", "已经过去,不再起作用。", "Over; it does nothing any more.",
                          "warning"))
    if day.kind == "hours":
        for field, text in (("opens", day.opens), ("closes", day.closes)):
            if not _is_clock(text):
                found.append((field, "请写几点,例如 10:00。", "Write a time, such as 10:00.",
                              "error"))
        if day.opens == day.closes and _is_clock(day.opens):
            found.append(("closes", "开门和关门是同一时间。", "It closes when it opens.", "error"))
    if is_store and day.kind == "usual":
        found.append(("kind", "平常营业的日子不用写。", "A day as usual need not be written.",
                      "error"))
    return found


def days_of(document: Document) -> list[Day]:
    """The rows of a programme; what cannot be read as a holiday has none."""
    found = []
    for raw in _entries(document, "holidays"):
        day_id, name = str(raw.get("id", "")), raw.get("name")
        kind, opens, closes = _kind(document, day_id)
        found.append(Day(
            starts=str(raw.get("from", "")), until=str(raw.get("until") or ""), kind=kind,
            opens=opens, closes=closes, id=day_id,
            name={str(k): str(v) for k, v in name.items()} if isinstance(name, dict) else {}))
    return found


def with_days(document: Document, days: Sequence[Day]) -> Document:
    """The programme with these rows instead of those it has."""
    changed = copy.deepcopy(document)
    days = named(days)
    own = {day.id for day in days if day.kind == "custom"}
    for before in days_of(document):
        if before.id not in own:
            _forget(changed, before.id)
    _without_always(changed)
    changed["holidays"] = [_holiday(day) for day in days]
    for day in days:
        if day.kind in ("closed", "hours"):
            _apply(changed, day)
    for part in PARTS:
        if changed.get(part) == [] and document.get(part) != []:
            del changed[part]
    return changed


def named(days: Sequence[Day]) -> list[Day]:
    """Every row with an id: from its English name, else its first day."""
    taken = {day.id for day in days if day.id}
    found = []
    for day in days:
        if not day.id:
            stem = re.sub(r"[^a-z0-9]+", "-", day.name.get("en-US", "").lower()).strip("-")[:40]
            stem = stem or f"day-{day.starts}"
            tries = (stem if n == 1 else f"{stem}-{n}" for n in range(1, ROWS_MAX + 2))
            day = msgspec.structs.replace(day, id=next(e for e in tries if e not in taken))
            taken.add(day.id)
        found.append(day)
    return found


def days_in(hours: str | None) -> list[Day]:
    """The rows of a store's opening hours; neighbours that are alike are one row."""
    by_date: dict[date, str] = {}
    for rule in _rules(hours):
        dated = _DATED.fullmatch(rule)
        if dated and _is_date(dated[1]):
            day, said = date.fromisoformat(dated[1]), dated[2].strip()
            by_date[day] = f"{by_date[day]},{said}" if day in by_date else said
    rows: list[tuple[date, date, str]] = []
    for day, said in sorted(by_date.items()):
        if rows and rows[-1][2] == said and day - rows[-1][1] == timedelta(days=1):
            rows[-1] = (rows[-1][0], day, said)
        else:
            rows.append((day, day, said))
    return [_stored(first, last, said) for first, last, said in rows]


def with_days_in(hours: str | None, days: Sequence[Day]) -> str | None:
    """The opening hours with these rows instead of the dates they have.

    A shop without hours is always open, and stays so on all other days.
    """
    weekly = [rule for rule in _rules(hours) if not _DATED.fullmatch(rule)]
    if days and not _rules(hours):
        weekly = [ALWAYS_OPEN]
    elif not days and weekly == [ALWAYS_OPEN]:
        weekly = []
    dated = [f"{each} {_said(day)}" for day in days for each in _days(day)]
    return "; ".join([*weekly, *sorted(dated)]) or None


def _said(day: Day) -> str:
    if day.kind == "custom":
        return day.text
    return "closed" if day.kind == "closed" else f"{day.opens}-{day.closes}"


def _stored(first: date, last: date, said: str) -> Day:
    part = _ONE_PART.fullmatch(said)
    kind: Kind = "closed" if said.lower() == "closed" else "hours" if part else "custom"
    return Day(
        starts=first.isoformat(), until="" if first == last else last.isoformat(), kind=kind,
        opens=part[1].zfill(5) if part else "", closes=part[2].zfill(5) if part else "",
        text=said if kind == "custom" else "")


def _rules(hours: str | None) -> list[str]:
    return [rule.strip() for rule in re.split(r"[;\n]", hours or "") if rule.strip()]


def _days(day: Day) -> list[date]:
    first, last = date.fromisoformat(day.starts), date.fromisoformat(day.last)
    return [first + timedelta(days=step) for step in range((last - first).days + 1)]


def _holiday(day: Day) -> Document:
    name = {language: text for language, text in day.name.items() if text}
    return {"id": day.id, **({"name": name} if name else {}), "from": day.starts,
            **({"until": day.until} if day.until else {})}


def _entries(document: Document, part: str) -> list[Document]:
    found = document.get(part)
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def _names(entry: Document, field: str) -> list[str]:
    found = entry.get(field)
    return [str(each) for each in found] if isinstance(found, list) else []


def _kind(document: Document, day_id: str) -> tuple[Kind, str, str]:
    """What the hours and the schedule make of a holiday."""
    hours, slots = _entries(document, "opening_hours"), _entries(document, "schedule")
    own = [[e for e in part if day_id in _names(e, "only_on")] for part in (hours, slots)]
    usual = [e for e in (*hours, *slots) if not _names(e, "only_on")]
    closed = [day_id in _names(e, "not_on") for e in usual]
    if not any(own) and not any(day_id in _names(e, "not_on") for e in (*hours, *slots)):
        return "usual", "", ""
    if not all(closed) or not slots:
        return "custom", "", ""
    if not any(own):
        return "closed", "", ""
    if len(own[0]) == 1:
        opens, closes = (str(own[0][0].get(key, "")) for key in ("from", "until"))
        day = Day(starts="", kind="hours", opens=opens, closes=closes, id=day_id)
        if own == [[_own_hours(day)], _own_slots(slots, day)]:
            return "hours", opens, closes
    return "custom", "", ""


def _own_hours(day: Day) -> Document:
    return {"from": day.opens, "until": day.closes, "only_on": [day.id]}


def _own_slots(slots: Sequence[Document], day: Day) -> list[Document]:
    """What plays in a day's own hours: all that plays on other days, for the same stores."""
    found: dict[tuple[str, ...], list[str]] = {}
    for slot in slots:
        if not _names(slot, "only_on"):
            play = found.setdefault(tuple(_names(slot, "groups")), [])
            play += [each for each in _names(slot, "play") if each not in play]
    return [{**_own_hours(day), "play": play, **({"groups": list(groups)} if groups else {})}
            for groups, play in found.items()]


def _apply(document: Document, day: Day) -> None:
    segments = [str(e.get("id")) for e in _entries(document, "segments")]
    hours = _entries(document, "opening_hours") or [dict(ALWAYS)]
    slots = _entries(document, "schedule") or ([{"play": segments}] if segments else [])
    for entry in (*hours, *slots):
        if not _names(entry, "only_on"):
            entry["not_on"] = [*_names(entry, "not_on"), day.id]
    if day.kind == "hours":
        hours, slots = [*hours, _own_hours(day)], [*slots, *_own_slots(slots, day)]
    document["opening_hours"], document["schedule"] = hours, slots


def _forget(document: Document, day_id: str) -> None:
    """Take a holiday out of the hours and the schedule, with what was for it alone."""
    for part in ("opening_hours", "schedule"):
        kept = []
        for entry in _entries(document, part):
            only = _names(entry, "only_on")
            for field in ("only_on", "not_on"):
                left = [each for each in _names(entry, field) if each != day_id]
                if left:
                    entry[field] = left
                elif field in entry:
                    del entry[field]
            if only != [day_id]:
                kept.append(entry)
        if part in document:
            document[part] = kept


def _without_always(document: Document) -> None:
    """What `_apply` had to write down to take a day from it says nothing by itself."""
    segments = [str(e.get("id")) for e in _entries(document, "segments")]
    for part, nothing in (("opening_hours", ALWAYS), ("schedule", {"play": segments})):
        if document.get(part) == [nothing]:
            document[part] = []


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_clock(text: str) -> bool:
    try:
        return times.clock_minutes(text) >= 0
    except times.BadTime:
        return False
