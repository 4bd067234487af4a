"""The form of download limits: megabytes as people write them, and what will happen, in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from device.messages import Download
from fleet.downloads import faults_of
from fleet.studio import Fault

FIELDS = ("bytes_per_day", "bytes_per_hour", "open_bytes_per_s")
MB, GB = 1_000_000, 1_000_000_000
# What a new face costs: the example by which a limit is judged.
AVATAR_BYTES = 200 * MB
_AMOUNT = re.compile(r"(\d{1,12}(?:[.,]\d{1,6})?)\s*(|mb|m|gb|g|兆)")
Words = Callable[..., str]


@dataclass(frozen=True)
class Typed:
    """A form as it was typed; `limits` None: as what is above says, or there are `faults`."""

    own: bool
    texts: Mapping[str, str]
    limits: Download | None
    faults: list[Fault]


def typed(form: Mapping[str, str]) -> Typed:
    """What a posted form wants. An empty field is no limit."""
    texts = {field: form.get(field, "").strip()[:40] for field in FIELDS}
    if form.get("own") != "on":
        return Typed(False, texts, None, [])
    faults: list[Fault] = []
    found: dict[str, int | None] = {}
    for field, text in texts.items():
        try:
            found[field] = bytes_of(text)
        except ValueError:
            faults.append(Fault(field, None, f"“{text}”不是数量;请写 MB 数,例如 500,不限就留空。",
                                f'"{text}" is no amount; write MB, such as 500, or leave it '
                                "empty for no limit."))
    limits = None if faults else Download(**found)
    faults += faults_of(limits)
    return Typed(True, texts, None if faults else limits, faults)


def shown(limits: Download | None, usual: Download) -> Typed:
    """The form before anybody typed: what is set, or what holds instead."""
    seen = limits or usual
    texts = {field: amount(getattr(seen, field)) for field in FIELDS}
    return Typed(limits is not None, texts, limits, [])


def bytes_of(text: str) -> int | None:
    """`500`, `1.5`, `2 GB` (of 10^6 and 10^9 bytes); empty is None. Raises ValueError."""
    if not text:
        return None
    found = _AMOUNT.fullmatch(text.lower())
    if not found:
        raise ValueError(text)
    unit = GB if found[2] in ("gb", "g") else MB
    return round(float(found[1].replace(",", ".")) * unit)


def amount(count: int | None) -> str:
    """The megabytes that `bytes_of` reads back; empty for no limit."""
    return "" if count is None else f"{count / MB:.6f}".rstrip("0").rstrip(".")


def limits_words(limits: Download, t: Words) -> str:
    """The limits in one line."""
    parts = [t(f"download.say.{field}", n=amount(value)) for field in FIELDS
             if (value := getattr(limits, field)) is not None]
    return t("and").join(parts) if parts else t("download.say.free")


def sentences(limits: Download, boxes: int, t: Words) -> list[str]:
    """What will happen, for the preview."""
    told = [t("download.say.boxes", n=boxes) + limits_words(limits, t) + t("stop")]
    told.append(t("download.say.avatar", n=amount(AVATAR_BYTES),
                  long=_long(avatar_hours(limits), limits, t)))
    if limits.open_bytes_per_s is not None:
        told.append(t("download.say.open"))
    told.append(t("download.say.small"))
    return told


def avatar_hours(limits: Download) -> int:
    """In how many hours a new face is here by the limits an hour and a day; 0: within the first."""
    hour, day = limits.bytes_per_hour, limits.bytes_per_day
    if day is None:
        return 0 if hour is None else ceil(AVATAR_BYTES / hour) - 1
    whole_days, rest = divmod(AVATAR_BYTES, day)
    if rest == 0:
        whole_days, rest = whole_days - 1, day
    return 24 * whole_days + (0 if hour is None else ceil(rest / hour) - 1)


def _long(hours: int, limits: Download, t: Words) -> str:
    if hours == 0:
        speed = limits.open_bytes_per_s
        minutes = 0 if speed is None else ceil(AVATAR_BYTES / speed / 60)
        return t("long.minutes", n=minutes) if minutes else t("long.line")
    return t("long.hours", n=hours + 1) if hours < 48 else t("long.days", n=ceil(hours / 24))
