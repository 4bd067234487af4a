"""The form of closed days and other hours: rows as they are typed, and what will happen, in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import cast, get_args

import msgspec

from fleet.special_days import ROWS_MAX, Day, Kind

FIELDS = ("until", "kind", "opens", "closes", "id", "text")
FIELD_CHARS_MAX, NAME_CHARS_MAX = 200, 80
_NUMBER = re.compile(r"days/(\d{1,3})/from")
_NAME = r"days/{}/name/([A-Za-z]{{2,3}}(?:-[A-Za-z0-9]{{2,8}})?)"
Words = Callable[..., str]


def typed(form: Mapping[str, str]) -> list[Day]:
    """The rows of a posted form, in their order; a row without days and name is none.

    `do` = `remove:2` takes that row out.
    """
    numbers = sorted({int(found[1]) for key in form if (found := _NUMBER.fullmatch(key))})
    gone = form.get("do", "").removeprefix("remove:")
    rows = [_row(form, number) for number in numbers[: ROWS_MAX + 1] if str(number) != gone]
    return [row for row in rows if row.starts or row.until or row.name or row.id]


def _row(form: Mapping[str, str], number: int) -> Day:
    def text(field: str) -> str:
        return form.get(f"days/{number}/{field}", "").strip()[:FIELD_CHARS_MAX]

    found = {field: text(field) for field in FIELDS}
    kind = found.pop("kind")
    names = {at[1]: value.strip()[:NAME_CHARS_MAX] for key, value in form.items()
             if (at := re.fullmatch(_NAME.format(number), key)) and value.strip()}
    is_kind = kind in get_args(Kind)
    day = Day(starts=text("from"), kind=cast(Kind, kind) if is_kind else "closed", name=names,
              **found)
    # What belongs to another choice is hidden in the form, and nobody meant it.
    return day if day.kind == "hours" else msgspec.structs.replace(day, opens="", closes="")


def sentences(days: Sequence[Day], language: str, today: date, t: Words) -> list[str]:
    """What will happen from today on, in order; rows without faults only."""
    coming = sorted((day for day in days if date.fromisoformat(day.last) >= today),
                    key=lambda day: day.starts)
    return [_sentence(day, language, t) for day in coming]


def _sentence(day: Day, language: str, t: Words) -> str:
    first, last = date.fromisoformat(day.starts), date.fromisoformat(day.last)
    name = day.name.get(language) or next((text for text in day.name.values() if text), "")
    when = t("days.on", day=_called(first, t)) if first == last else t(
        "days.span", first=_called(first, t), last=_called(last, t),
        n=(last - first).days + 1)
    said = t(f"days.say.{day.kind}", when=when, opens=day.opens, closes=day.closes, text=day.text)
    if day.kind == "hours" and day.closes <= day.opens:
        said += t("days.say.overnight")
    return said + (t("days.say.name", name=name) if name else "")


def _called(day: date, t: Words) -> str:
    return f"{day.isoformat()} {t(f'weekday.{day.weekday()}')}"
