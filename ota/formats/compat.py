"""The compatibility matrix of a release: what a box must be, as a list of needs. Pure.

A need that this updater does not know is refused when it is marked required: fail closed. It is
judged before a byte of the artefact is fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ota.formats.versions import version_key

NEEDS_MAX = 64
NAMES_MAX = 64
# What a box knows of itself: names (any of them may fit) or one version; see ota.machine.
Facts = Mapping[str, tuple[str, ...]]


class Need(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line: `what` is a key of KNOWN; one of `names`, or a version in a range, or both.

    `required` False: an updater that does not know `what` passes over it. `where_known`: asked
    only where the box has such a thing at all (a PC has no L4T).
    """

    what: str
    names: tuple[str, ...] = ()
    at_least: str = ""
    below: str = ""
    required: bool = True
    where_known: bool = False


@dataclass(frozen=True)
class Known:
    """How people call it, and what they can do when it does not fit."""

    label: str
    way_out: str


_REFLASH = "bring the operating system up to date first"
_OTHER = "publish a release that was made for this box"
KNOWN = {
    "machine": Known("a processor", _OTHER),
    "board": Known("the board", _OTHER),
    "os": Known("the system", _REFLASH),
    "os_version": Known("a system of version", _REFLASH),
    "glibc": Known("glibc", _REFLASH),
    "l4t": Known("Jetson Linux (L4T)", _REFLASH),
    "jetpack": Known("JetPack", _REFLASH),
    "tensorrt": Known("TensorRT", _REFLASH),
    "updater": Known("an updater of version", "install the release before it first"),
    "current": Known("to follow a release", "install a release of that range first"),
    "system": Known("to follow a system", "install a system of that range first"),
    "rauc": Known("RAUC", "install a system that brings it first"),
    "programme_schema": Known("programmes of schema", "publish this box's programme again first"),
}


def unmet(needs: Sequence[Mapping[str, Any]], facts: Facts) -> str | None:
    """The first need that the box does not meet, as a clause of a sentence, or None."""
    for raw in needs:
        need = read_need(raw)
        if need is None:
            if raw.get("required", True) is not False:
                name = str(raw.get("what", "something"))[:40]
                return (
                    f"it asks for {name!r} in a way that this updater does not know; install the "
                    "release before it first"
                )
            continue
        against = _against(need, facts.get(need.what, ()))
        if against:
            return against
    return None


def read_need(raw: Mapping[str, Any]) -> Need | None:
    """A need that this updater understands, or None."""
    try:
        need = msgspec.convert(dict(raw), Need)
    except msgspec.ValidationError:
        return None
    bounds = [bound for bound in (need.at_least, need.below) if bound]
    sound = all(version_key(bound) for bound in bounds) and (bounds or need.names)
    return need if need.what in KNOWN and sound else None


def _against(need: Need, have: tuple[str, ...]) -> str | None:
    known = KNOWN[need.what]
    asked = f"it needs {known.label} {_range(need)}"
    if not have:
        if need.where_known:
            return None
        return f"{asked}, and this box does not say which it has; {known.way_out}"
    lower = {name.lower() for name in have}
    if need.names and not lower & {name.lower() for name in need.names}:
        return f"{asked}, and this box has {have[0][:60]}; {known.way_out}"
    if not need.at_least and not need.below:
        return None
    found = version_key(have[0])
    if found is None:
        return f"{asked}, and this box has {have[0][:60]!r}; {known.way_out}"
    low, high = version_key(need.at_least), version_key(need.below)
    if (low and found < low) or (high and found >= high):
        return f"{asked}, and this box has {have[0]}; {known.way_out}"
    return None


def _range(need: Need) -> str:
    parts = [" or ".join(need.names[:4])] if need.names else []
    if need.at_least:
        parts.append(f"from {need.at_least}")
    if need.below:
        parts.append(f"below {need.below}")
    return " ".join(parts)
