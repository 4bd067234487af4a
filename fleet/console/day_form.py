"""The settings page's part about the day: hours, quiet hours and the screen, as people write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from device.stage.offset import checked
from device.stage.settings import ROTATIONS
from ota.errors import Refused

FIELDS = ("hours", "timezone", "curve", "rotation", "screen_mode", "av_offset_ms")
_POINT = re.compile(r"(\d{1,2}:\d{2})\s*(?:=|->|→|:)?\s*(\d{1,3})\s*%?")


def day_settings(form: Mapping[str, str]) -> dict[str, Any]:
    """The settings named in FIELDS that the form has. Raises Refused with the bad line."""
    found: dict[str, Any] = {}
    if "hours" in form:
        found["hours"] = "; ".join(_lines(form["hours"])) or None
    if form.get("timezone", "").strip():
        found["timezone"] = form["timezone"].strip()
    if "curve" in form:
        found["volume_curve"] = dict(_point(line) for line in _lines(form["curve"]))
    if "rotation" in form:
        turned = form["rotation"]
        found["rotation"] = int(turned) if turned in map(str, ROTATIONS) else None
    if "screen_mode" in form:
        found["screen_mode"] = form["screen_mode"].strip() or None
    if "av_offset_ms" in form:
        found["av_offset_ms"] = _delay(form["av_offset_ms"].strip())
    return found


def curve_lines(curve: Mapping[str, float]) -> str:
    """A curve as the form shows it: a clock time and a percentage a line."""
    return "\n".join(f"{clock} {round(100 * volume)} %" for clock, volume in curve.items())


def _delay(text: str) -> float | None:
    if not text:
        return None
    try:
        return checked(float(text))
    except ValueError as error:
        raise Refused(f"{text[:20]!r} is no delay; write milliseconds, such as -60.") from error


def _lines(text: str) -> list[str]:
    return [line.strip().rstrip(";") for line in text.splitlines() if line.strip()]


def _point(line: str) -> tuple[str, float]:
    found = _POINT.fullmatch(line)
    if not found:
        raise Refused(f"{line[:40]!r} is no point of the volume curve; write it like 21:00 30 %.")
    return found[1], int(found[2]) / 100
