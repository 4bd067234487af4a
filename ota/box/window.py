"""When may a release that lies ready take the screen? Pure, and the small file it is told by.

Not while a visitor is served or a person speaks through the screen; not while the shop is open.
A machine that has just been switched on may: nothing has been shown yet. That is what lets a
shop be updated whose staff pull the plug every evening. A shop that tells no hours, or never
closes, is updated when nobody is there. What nobody told is no reason to wait.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ota.clock import monotonic_s
from ota.errors import Refused
from ota.files import read_bounded

SHOP = "shop.json"
SHOP_BYTES_MAX = 1 << 14
SHOP_AGE_MAX_S = 10.0
# Nobody has come near or spoken for so long: the visitor has left.
VISITOR_S = 120.0
# The machine was just switched on (staff do it before they open the door).
FRESH_S = 180.0
MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True)
class Shop:
    """What the box's supervisor tells of the shop; None is "nobody knows".

    `visitor_ago_s`: since the last sign of a visitor. `takeover`: a person speaks as the avatar.
    `changes_at` (UTC) is when the shop opens or closes next; `local` is its wall clock.
    """

    visitor_ago_s: float | None = None
    takeover: bool = False
    is_open: bool | None = None
    changes_at: datetime | None = None
    utc_offset_s: float | None = None


@dataclass(frozen=True)
class Wait:
    """Why the switch is not made now (a key of `ota.box.words`), and when it goes on, if known."""

    why: str
    until: datetime | None = None


def waits(
    shop: Shop, now: datetime, up_s: float, window: str = "", asked: bool = False
) -> Wait | None:
    """None: switch now. `up_s` is how long this machine runs; `asked`: a person said `--now`,
    who need not wait for the evening, only for the visitor."""
    if shop.takeover:
        return Wait("takeover")
    if shop.visitor_ago_s is not None and shop.visitor_ago_s < VISITOR_S:
        return Wait("visitor", now + timedelta(seconds=VISITOR_S - shop.visitor_ago_s))
    if asked or up_s < FRESH_S:
        return None
    if window and shop.utc_offset_s is not None:
        return _outside(window, now, shop.utc_offset_s)
    # Open without an end in sight: it never closes, and is updated when it is quiet.
    if shop.is_open and shop.changes_at is not None:
        return Wait("open", shop.changes_at)
    return None


def _outside(window: str, now: datetime, utc_offset_s: float) -> Wait | None:
    """Wait for `02:00-05:00`, a window that may pass midnight."""
    first, last = (int(part[:2]) * 60 + int(part[3:]) for part in window.split("-"))
    local = now + timedelta(seconds=utc_offset_s)
    minute = local.hour * 60 + local.minute
    if (minute - first) % MINUTES_A_DAY < (last - first) % MINUTES_A_DAY or first == last:
        return None
    left = (first - minute) % MINUTES_A_DAY
    return Wait("window", now.replace(second=0, microsecond=0) + timedelta(minutes=left))


def read_shop(run: Path, now_s: float | None = None) -> Shop:
    """`run/shop.json` of the supervisor; an empty Shop when it is silent, older or torn."""
    try:
        told: dict[str, Any] = json.loads(read_bounded(run / SHOP, SHOP_BYTES_MAX))
        age_s = (monotonic_s() if now_s is None else now_s) - float(told["at_s"])
        if not 0.0 <= age_s <= SHOP_AGE_MAX_S:
            return Shop()
        ago, changes, offset = (told.get(name) for name in
                                ("visitor_ago_s", "changes_at", "utc_offset_s"))
        return Shop(
            visitor_ago_s=None if ago is None else float(ago) + age_s,
            takeover=told.get("takeover") is True,
            is_open=told["open"] if isinstance(told.get("open"), bool) else None,
            changes_at=None if changes is None else datetime.fromisoformat(str(changes)),
            utc_offset_s=None if offset is None else float(offset),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
            RecursionError, Refused):
        return Shop()
