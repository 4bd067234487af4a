"""What `vitrine device status` says: read from the disk alone, whatever runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec

from device.hal.base import Hal
from device.paths import Places
from device.sync.content import HELD_BYTES_MAX, Held
from device.sync.following import Following
from device.sync.identity import load_identity
from ota.clock import monotonic_s
from ota.errors import VitrineError
from ota.files import read_bounded

HEALTH_BYTES_MAX = 65_536
HEALTH_FRESH_S = 5.0


def box_state(places: Places, hal: Hal) -> dict[str, Any]:
    """One JSON object; parts that are not there are None."""
    return {
        "root": str(places.root),
        **_identity(places),
        "held": _held(places),
        "running": _running(places),
        "machine": hal.name,
        "readings": asdict(hal.readings(places.var)),
    }


def _identity(places: Places) -> dict[str, Any]:
    try:
        identity = load_identity(places.identity)
    except VitrineError:
        return {"enrolled": False, "chain": None, "box": None, "desired_seq": None}
    box = identity.box
    following = Following(
        places.desired, places.var / "desired-seq", identity.desired_keys, box.chain, box.box
    )
    fault = None
    try:
        following.load()
    except VitrineError as error:
        fault = str(error)
    found = following.desired
    return {
        "enrolled": True, "chain": box.chain, "box": box.box,
        "broker": f"{box.broker.host}:{box.broker.port}",
        "desired_seq": None if found is None else found.seq,
        "desired": None if found is None else msgspec.to_builtins(found),
        "desired_fault": fault,
    }


def _held(places: Places) -> dict[str, Any] | None:
    try:
        data = read_bounded(places.var / "held.json", HELD_BYTES_MAX)
        held = msgspec.json.decode(data, type=Held)
    except (OSError, VitrineError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return {"target": held.target, "version": held.version, "folder": held.folder}


def _running(places: Places) -> dict[str, Any] | None:
    """The supervisor's last word, when it is fresh; None when nothing runs here."""
    try:
        data = read_bounded(places.run / "health.json", HEALTH_BYTES_MAX)
        health: dict[str, Any] = msgspec.json.decode(data, type=dict[str, Any])
    except (OSError, VitrineError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    at_s = health.get("at_s")
    if not isinstance(at_s, (int, float)) or abs(monotonic_s() - at_s) > HEALTH_FRESH_S:
        return None
    return health
