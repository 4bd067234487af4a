"""The slot keeper: keeps both systems bootable in a shop whose staff pull the plug each evening.

The firmware counts starts that nobody confirmed, and after three gives a system up for good. So,
when nothing is on trial, a start is confirmed as soon as this runs, long before the shop opens;
the other system's mark is healed once its content was read and is as it was written; and every
start without a clean end before it is counted as a power cut.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ota.floor import TwoCopies
from ota.system.boot import SYSTEMS, BootControl, other
from ota.system.update import Phase, State


@dataclass(frozen=True)
class Seen:
    """What one start finds. `condemned` is the system whose trial failed: it stays given up.
    `whole` tells whether a system's content is as it was written (None: nobody knows)."""

    booted: str
    good: Mapping[str, bool]
    on_trial: str | None
    being_written: str | None
    condemned: str | None
    whole: Callable[[str], bool | None]


@dataclass(frozen=True)
class Duty:
    """One thing to do, and why. `what` is "confirm", "heal" or "tell"."""

    what: str
    system: str
    why: str


def duties(seen: Seen) -> list[Duty]:
    """What this start asks for. Pure but for `whole`, which is asked only of a system given up."""
    found = []
    if seen.on_trial != seen.booted:
        found.append(Duty("confirm", seen.booted, "nothing is on trial in it"))
    idle = other(seen.booted)
    if seen.good[idle] or idle in (seen.on_trial, seen.being_written, seen.condemned):
        return found
    whole = seen.whole(idle)
    if whole:
        found.append(Duty("heal", idle, "its content is as it was written"))
    elif whole is None:
        found.append(Duty("tell", idle, "it cannot start, and nobody knows what it should hold"))
    else:
        found.append(Duty("tell", idle, "it cannot start, and its content was damaged"))
    return found


@dataclass(frozen=True)
class Counts:
    """Starts and power cuts of this machine; `boot` is the start that was counted last, `clean`
    whether it has ended as it should."""

    starts: int = 0
    cuts: int = 0
    boot: str = ""
    clean: bool = True


def counted(counts: Counts, boot: str) -> Counts:
    """The counts in start `boot`; asked again in the same start nothing changes. Pure."""
    if counts.boot == boot:
        return counts
    cut = bool(counts.boot) and not counts.clean
    return Counts(counts.starts + 1, counts.cuts + cut, boot, clean=False)


class Tally:
    """The counts, durable in two copies under `path`."""

    def __init__(self, path: Path) -> None:
        self._copies = TwoCopies(path)

    def read(self) -> Counts:
        """What was counted; nothing where both copies are torn."""
        told = self._copies.read() or {}
        known = {name: told[name] for name in asdict(Counts()) if name in told}
        try:
            found = Counts(**known)
            return replace(found, starts=int(found.starts), cuts=int(found.cuts))
        except (TypeError, ValueError):
            return Counts()

    def begin(self, boot: str) -> Counts:
        """Count this start, once. Raises Retry (disk full)."""
        before = self.read()
        after = counted(before, boot)
        if after != before:
            self._copies.write(asdict(after))
        return after

    def end(self) -> None:
        """The machine is being switched off as it should be."""
        self._copies.write(asdict(replace(self.read(), clean=True)))


def keep(control: BootControl, seen: Seen, note: Callable[..., None]) -> list[Duty]:
    """Do what this start asks for; each deed is noted. Raises Broken (firmware)."""
    found = duties(seen)
    for duty in found:
        if duty.what == "confirm":
            control.confirm()
        elif duty.what == "heal":
            control.set_good(duty.system, True)
        if duty.what != "confirm":
            note(f"system {duty.what}", system=duty.system, reason=duty.why)
    return found


def look(
    control: BootControl, state: State, whole: Callable[[str], bool | None]
) -> Seen:
    """What the firmware says now, beside where an update stands."""
    return Seen(
        booted=control.booted(),
        good={system: control.is_good(system) for system in SYSTEMS},
        on_trial=state.system if state.phase is Phase.TRIAL else None,
        being_written=state.system if state.phase is Phase.WRITING else None,
        condemned=state.condemned or None,
        whole=whole,
    )


def as_json(counts: Counts, found: list[Duty]) -> dict[str, Any]:
    """For `vitrine ota system keep --json`."""
    told: dict[str, Any] = json.loads(json.dumps(asdict(counts)))
    return {**told, "duties": [asdict(duty) for duty in found]}
