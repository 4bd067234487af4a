"""What the supervisor tells of the processes it runs, read with suspicion: `run/health.json`, and
of `run/shop.json` what plays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from ota.box.confirm import Health
from ota.box.slots import DirectorySlots
from ota.box.state import SLOTS
from ota.box.window import SHOP, SHOP_AGE_MAX_S, SHOP_BYTES_MAX
from ota.clock import monotonic_s
from ota.errors import Refused
from ota.files import read_bounded

FILE_BYTES_MAX = 1 << 20
HEALTH_AGE_MAX_S = 5.0
# One end of a process may be chance (a port still taken); a release that cannot run ends often.
CRASHES_MAX = 3


def read_health(path: Path, slots: DirectorySlots, now_s: float | None = None) -> Health | None:
    """What the supervisor says: {"code", "player_presented", "ear_ready", "crashes", "at_s"}.

    `code` is the folder the processes run from, `at_s` the monotonic clock of this machine; a
    newer one adds "sound" and "plays". None when it says nothing, or is silent for seconds.
    """
    told = _told_health(path, now_s)
    if told is None:
        return None
    code, health = told
    for slot in SLOTS:
        if slots.folder(slot).resolve() == code:
            return replace(health, slot=slot)
    return None


def read_any_health(path: Path) -> Health | None:
    """The same whatever code runs, a slot's or the machine's own; for a trial of the system."""
    told = _told_health(path, None)
    return None if told is None else told[1]


def read_proven(path: Path) -> tuple[str, ...]:
    """What the running code, from a slot or not, is seen to do (`Health.proven`)."""
    told = _told_health(path, None)
    return () if told is None else told[1].proven


def read_plays(run: Path, now_s: float | None = None) -> int | None:
    """The schema of the programme that plays; None: nothing plays, or nobody says it."""
    try:
        told: dict[str, Any] = json.loads(read_bounded(run / SHOP, SHOP_BYTES_MAX))
        age_s = (monotonic_s() if now_s is None else now_s) - float(told["at_s"])
        schema = told.get("programme_schema")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
            RecursionError, Refused):
        return None
    fits = type(schema) is int and schema > 0 and 0.0 <= age_s <= SHOP_AGE_MAX_S
    return schema if fits else None


def _told_health(path: Path, now_s: float | None) -> tuple[Path, Health] | None:
    """The folder that runs, and its health without a slot. An older supervisor tells less."""
    try:
        told: dict[str, Any] = json.loads(read_bounded(path, FILE_BYTES_MAX))
        age_s = (monotonic_s() if now_s is None else now_s) - float(told["at_s"])
        code = Path(str(told["code"])).resolve()
        health = Health(
            slot="",
            player_presented=bool(told["player_presented"]),
            ear_ready=bool(told["ear_ready"]),
            crashed=int(told["crashes"]) >= CRASHES_MAX,
            sound=told["sound"] if isinstance(told.get("sound"), bool) else None,
            plays=told["plays"] if isinstance(told.get("plays"), bool) else None,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError,
            RecursionError, Refused):
        return None
    return (code, health) if 0.0 <= age_s <= HEALTH_AGE_MAX_S else None
