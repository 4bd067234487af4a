"""Who takes a release, and when: decided on the box, from two small signed files. Pure.

    releases/plan.json    offline role `releases`: which release, and the fastest it may spread
    rollouts/now.json     online role `rollouts`: when it began, slower waves, pause, stop

The box takes the narrower of the two, so the server that is always online can hold a release
back and never push one (docs/adr/0010). No row a box anywhere: a million boxes read one file.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

import msgspec

from ota.errors import Refused
from ota.formats.versions import version_key

PLAN = "releases/plan.json"
ROLLOUT = "rollouts/now.json"
STEER_BYTES_MAX = 64 << 10
WAVES_MAX, GROUPS_MAX, PINS_MAX = 20, 200, 500
PERMILLE_ALL = 1000
SALT = re.compile(r"[0-9a-f]{16,64}")
GROUP = re.compile(r"[a-z0-9*?-]{1,48}")
WINDOW = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")
_WAVE = re.compile(r"(\d+(?:\.\d)?)%(?:@(\d+)(m|h|d))?")
_UNIT_S = {"m": 60, "h": 3600, "d": 86_400}
_TWO_64 = 1 << 64


class Wave(msgspec.Struct, frozen=True):
    """From `after_s` seconds after the beginning on, so many of a thousand boxes."""

    permille: int
    after_s: int = 0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The ceiling, signed where releases are signed.

    `salt` shuffles the boxes anew for each release, `at` (UTC) is when `pace` begins. `groups`
    are patterns of box ids (`shanghai-*`), empty: all. `window` is local time (`02:00-05:00`).
    `held`: nobody begins before the console says so. `pins` give a box its own signed release.
    """

    schema: int
    release: str
    salt: str
    at: str
    pace: tuple[Wave, ...] = (Wave(PERMILLE_ALL),)
    groups: tuple[str, ...] = ()
    window: str = ""
    min_version: str = "0"
    held: bool = False
    pins: dict[str, str] = {}


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The console's hand on the brake. It says nothing of any release but `release`.

    `error_budget_permille`: of the boxes that tried it, so many may fail before the console
    pauses it. `pins`: these boxes take this version or nothing. `reason` is for people.
    """

    schema: int
    release: str
    at: str
    state: Literal["running", "paused", "stopped"] = "running"
    waves: tuple[Wave, ...] = (Wave(PERMILLE_ALL),)
    groups: tuple[str, ...] = ()
    window: str = ""
    error_budget_permille: int = 20
    pins: dict[str, str] = {}
    reason: str = ""


@dataclass(frozen=True)
class Decision:
    """`release` is what this box should run now, None: what it runs. `why` is for people, `at`
    (UTC) when the answer changes by itself, None: not in sight. `window` is local time."""

    release: str | None
    why: str = ""
    at: datetime | None = None
    window: str = ""


def parse_plan(data: bytes) -> Plan:
    """Raises Refused: malformed, or of a schema that this code does not know."""
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Refused(f"The roll-out's plan is malformed ({error}).") from error
    fault = _fault(plan, plan.pace, plan.pins)
    if not SALT.fullmatch(plan.salt):
        fault = "its salt is not 16 to 64 hex digits"
    if version_key(plan.min_version) is None:
        fault = "its lowest version is not a version"
    if fault:
        raise Refused(f"The roll-out's plan is not acceptable: {fault}.")
    return plan


def parse_rollout(data: bytes) -> Rollout:
    """Raises Refused: malformed, or of a schema that this code does not know."""
    try:
        rollout = msgspec.json.decode(data, type=Rollout)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Refused(f"The roll-out is malformed ({error}).") from error
    fault = _fault(rollout, rollout.waves, rollout.pins)
    if fault:
        raise Refused(f"The roll-out is not acceptable: {fault}.")
    return rollout


def encoded(document: Plan | Rollout) -> bytes:
    """The bytes that are signed; the same document gives the same bytes."""
    return msgspec.json.encode(document, order="deterministic")


def place(box: str, salt: str) -> float:
    """Where this box stands among all, 0.0 to below 1.0: even, and another for each salt. Pure."""
    digest = hashlib.sha256(f"{salt}/{box}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / _TWO_64


def decide(plan: Plan, rollout: Rollout | None, box: str, running: str, now: datetime) -> Decision:
    """Should `box`, which runs version `running`, take the plan's release at `now`? Pure.

    A box of an early wave is in every later one: its place never changes, only the share grows.
    """
    brake = rollout if rollout is not None and rollout.release == plan.release else None
    window = (brake.window if brake else "") or plan.window
    release = plan.pins.get(box, plan.release)
    if release == running:
        return Decision(None, "this release is running already")
    why = _held_back(plan, brake, box, running)
    if why:
        return Decision(None, why)
    if box in plan.pins:
        return Decision(release, "this box is pinned to it", window=window)
    mine = place(box, plan.salt)
    paces = [(plan.pace, plan.at)] + ([(brake.waves, brake.at)] if brake else [])
    begins = [_begin_of(waves, moment_of(at), mine) for waves, at in paces]
    known = [begin for begin in begins if begin is not None]
    if len(known) < len(begins):
        return Decision(None, "this box is in none of the waves yet")
    begin = max(known)
    if now < begin:
        return Decision(None, "the wave of this box has not begun", begin)
    return Decision(release, "the wave of this box has begun", window=window)


def _held_back(plan: Plan, brake: Rollout | None, box: str, running: str) -> str:
    """Why the box must not move whatever the waves say, or an empty text."""
    if brake is not None and brake.state != "running":
        return f"the roll-out is {brake.state}" + (f": {brake.reason}" if brake.reason else "")
    if brake is not None and brake.pins.get(box, plan.release) != plan.release:
        return f"the console pins this box to release {brake.pins[box]}"
    if brake is None and plan.held and box not in plan.pins:
        return "the console has not begun the roll-out"
    if (version_key(running) or (0,)) < (version_key(plan.min_version) or (0,)):
        return f"release {plan.min_version} must be installed first"
    for groups in (plan.groups, brake.groups if brake else ()):
        if groups and not any(fnmatch.fnmatchcase(box, group) for group in groups):
            return "this box is not of the roll-out's groups"
    return ""


def share_at(waves: Sequence[Wave], begun: datetime, now: datetime) -> int:
    """The permille of boxes whose wave has begun at `now`; 0 before the first. Pure."""
    passed_s = (now - begun).total_seconds()
    return max((wave.permille for wave in waves if wave.after_s <= passed_s), default=0)


def _begin_of(waves: Sequence[Wave], begun: datetime, mine: float) -> datetime | None:
    """When the first wave that reaches this place begins; None: none does."""
    found = [wave.after_s for wave in waves if mine < wave.permille / PERMILLE_ALL]
    return begun + timedelta(seconds=min(found)) if found else None


def moment_of(text: str) -> datetime:
    """An ISO moment, UTC where it names no zone. Raises Refused."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text[:40]!r} is not a moment like 2026-11-25T20:00:00+00:00.") from error
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def read_waves(text: str) -> tuple[Wave, ...]:
    """`1%,10%@24h,100%@3d` as waves; times count from the beginning. Raises Refused."""
    waves = []
    for part in text.replace(" ", "").split(","):
        match = _WAVE.fullmatch(part)
        if match is None:
            raise Refused(f"{part[:20]!r} is no wave; write them like 1%,10%@24h,100%@3d.")
        share, count, unit = match.groups()
        after_s = int(count) * _UNIT_S[unit] if unit else 0
        waves.append(Wave(round(float(share) * 10), after_s))
    fault = _waves_fault(waves)
    if fault:
        raise Refused(f"The waves {text[:60]!r} cannot be: {fault}.")
    return tuple(waves)


def waves_text(waves: Sequence[Wave]) -> str:
    """The inverse of `read_waves`."""
    return ",".join(_wave_text(wave) for wave in waves)


def _wave_text(wave: Wave) -> str:
    share = f"{wave.permille / 10:g}%"
    for unit in ("d", "h", "m"):
        if wave.after_s and wave.after_s % _UNIT_S[unit] == 0:
            return f"{share}@{wave.after_s // _UNIT_S[unit]}{unit}"
    return share


def _waves_fault(waves: Sequence[Wave]) -> str:
    if not 0 < len(waves) <= WAVES_MAX:
        return f"there must be 1 to {WAVES_MAX}"
    for before, wave in zip((Wave(0, -1), *waves), waves, strict=False):
        if not before.permille <= wave.permille <= PERMILLE_ALL or wave.permille == 0:
            return "shares must grow, above 0 % and up to 100 %"
        if wave.after_s <= before.after_s:
            return "each wave must begin after the one before it"
    return ""


def _fault(document: Plan | Rollout, waves: Sequence[Wave], pins: dict[str, str]) -> str:
    """What is wrong with a signed document, or an empty text."""
    if document.schema != 1:
        return f"schema {document.schema} is unknown"
    for version in (document.release, *pins.values()):
        if version_key(version) is None:
            return f"{version[:40]!r} is not a version of dotted numbers"
    if len(document.groups) > GROUPS_MAX or len(pins) > PINS_MAX:
        return f"it has more than {GROUPS_MAX} groups or {PINS_MAX} pins"
    if not all(GROUP.fullmatch(group) for group in document.groups):
        return "a group is not a pattern of box ids like shanghai-*"
    if document.window and not WINDOW.fullmatch(document.window):
        return f"{document.window[:20]!r} is no window like 02:00-05:00"
    moment_of(document.at)
    return _waves_fault(waves)
