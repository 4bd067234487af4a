"""The console's settings of one box, judged alike by console and box. Pure."""

from __future__ import annotations

import re

from device.messages import Settings
from device.programme import times
from device.stage.hours import read_hours
from device.stage.volume import read_curve
from ota.errors import Refused

ROTATIONS = (0, 90, 180, 270)
GROUP = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
GROUPS_MAX = 50
MODE = re.compile(r"[1-9]\d{2,3}x[1-9]\d{2,3}(@\d{2,3})?")


def check_settings(settings: Settings) -> None:
    """Raises Refused with what cannot be followed, in a sentence that says how to write it."""
    if not 0.0 <= settings.volume <= 1.0:
        raise Refused(f"The volume must be 0 to 1, not {settings.volume}.")
    read_curve(settings.volume_curve)
    if len(settings.groups) > GROUPS_MAX or not all(map(GROUP.fullmatch, settings.groups)):
        raise Refused(
            f"The groups must be at most {GROUPS_MAX} names of a-z, 0-9 and -, such as flagship.")
    for name, until in settings.variables_until.items():
        try:
            times.instant(until, times.zone("UTC"))
        except times.BadTime as error:
            raise Refused(
                f"The end of {name[:40]!r} is no moment; write it like 2026-12-01T09:00+08:00."
            ) from error
    if settings.hours is not None:
        read_hours(settings.hours)
    if settings.rotation is not None and settings.rotation not in ROTATIONS:
        raise Refused(f"The rotation must be 0, 90, 180 or 270, not {settings.rotation}.")
    if settings.screen_mode is not None and not MODE.fullmatch(settings.screen_mode):
        raise Refused(
            f"{settings.screen_mode[:20]!r} is no screen mode; write it like 1920x1080@50."
        )


def check_zone(name: str) -> None:
    """For the console alone: a box without a time zone database must not refuse all the rest."""
    try:
        times.zone(name)
    except times.BadTime as error:
        raise Refused(
            f"There is no time zone {name[:40]!r}; an example is Asia/Shanghai.") from error
