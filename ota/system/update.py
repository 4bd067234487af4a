"""One update of the operating system from beginning to end:

    plan, check, (RAUC: mark bad, write, verify), wait, mark active, restart, trial, confirm

The trial begins in the start after the restart. A firmware that fell back tells nothing of why: a
pulled plug looks like a system that cannot start. So what fell back is tried again, three times in
all, and only then taken for bad. Every step is durable before the next begins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from ota.box.confirm import Health, Trial, Verdict
from ota.box.install import Settings
from ota.box.state import REFUSED_MAX
from ota.box.watch import watch
from ota.clock import monotonic_s
from ota.errors import Broken, Refused, Retry
from ota.files import sha256_file
from ota.floor import TwoCopies
from ota.formats.versions import version_key
from ota.system.boot import SYSTEMS, BootControl, other
from ota.system.configuration import RAUC_AT_LEAST
from ota.system.told import Bundle, System

TRIES_MAX = 3
# RAUC refuses also for want of memory or of a loop device: that says nothing about the bundle.
WRITES_MAX = 3


class Phase(str, Enum):
    """Where an update of the system stands."""

    IDLE = "idle"
    WRITING = "writing"
    READY = "ready"
    TRIAL = "trial"


@dataclass(frozen=True)
class State:
    """All that must survive a power cut; `floor` is the highest version that was confirmed,
    `condemned` the system that holds what failed its trial."""

    phase: Phase = Phase.IDLE
    system: str = ""
    version: str = ""
    tries: int = 0
    floor: str = "0"
    refused: tuple[str, ...] = ()
    reason: str = ""
    condemned: str = ""
    # What the old system was seen to do just before the restart: the new one must do it, too.
    proven: tuple[str, ...] = ()
    # The start of the machine in which the trial was ordered: before the next nothing fell back.
    boot: str = ""
    # What lies ready is not begun while its roll-out is paused or stopped.
    held: bool = False
    # Versions that RAUC did not write, once for each time.
    unwritten: tuple[str, ...] = ()
    # What a person put off: the fleet's look passes over it until the next install.
    declined: str = ""


class Writer(Protocol):
    """What is needed of `ota.system.rauc.Rauc`."""

    def version(self) -> tuple[int, ...]: ...
    def compatible(self) -> str: ...
    def inspect(self, bundle: Path) -> Bundle: ...
    def install(self, bundle: Path, progress: Callable[[int, int], None]) -> None: ...
    def mark_active(self, name: str) -> None: ...
    def systems(self) -> dict[str, System]: ...


class StateFile:
    """The state in two durable copies under `path`."""

    def __init__(self, path: Path) -> None:
        self._copies = TwoCopies(path)

    def load(self) -> State:
        """What was saved; idle where nothing is."""
        told = self._copies.read() or {}
        try:
            known: dict[str, Any] = {k: told[k] for k in asdict(State()) if k in told}
            known["phase"] = Phase(known.get("phase", "idle"))
            for name in ("refused", "proven", "unwritten"):
                known[name] = tuple(known.get(name, ()))
            return State(**known)
        except (TypeError, ValueError):
            return State()

    def save(self, state: State) -> State:
        """Durable when it returns. Raises Retry (disk full)."""
        self._copies.write({**asdict(state), "phase": state.phase.value})
        return state


@dataclass(frozen=True)
class Parts:
    """All that an update of the system touches, passed in. `restart()` restarts the machine."""

    state: StateFile
    control: BootControl
    rauc: Writer
    note: Callable[..., None]
    restart: Callable[[], None]
    waits: Callable[[], bool] = lambda: False
    health: Callable[[], Health | None] = lambda: None
    proven: Callable[[], tuple[str, ...]] = lambda: ()
    tell: Callable[[str, int, int], None] = lambda what, done, whole: None
    order: Callable[[], str | None] = lambda: None
    boot: Callable[[], str] = lambda: ""
    settings: Settings = field(default_factory=Settings)
    rauc_at_least: tuple[int, ...] = RAUC_AT_LEAST


def objection(
    state: State, bundle: Bundle, rauc: tuple[int, ...], least: tuple[int, ...], primary_runs: bool
) -> str | None:
    """Why this bundle is not to be written now, as a sentence, or None. Pure."""
    if rauc < least:
        return (f"this box has RAUC {'.'.join(map(str, rauc)) or '?'}; its system needs "
                f"{'.'.join(map(str, least))} or newer, by an update of the application")
    if state.phase is not Phase.IDLE:
        return f"system {state.version} is {state.phase.value} already; wait for its end"
    if not primary_runs:
        return "the system that runs is not the one that starts next; restart the box first"
    wanted = version_key(bundle.version)
    if wanted is None:
        return f"{bundle.version[:40]!r} is not a version; write dotted numbers like 36.5.1"
    if bundle.version in state.refused:
        return f"system {bundle.version} failed here before; sign a newer one"
    if wanted <= (version_key(state.floor) or (0,)):
        return f"system {bundle.version} is not newer than {state.floor}, which this box has run"
    return None


def install(parts: Parts, bundle: Path) -> State:
    """Write a bundle into the idle system; it lies ready then, and `go_on` begins its trial.

    Raises Refused (bad bundle, or not now), Retry, Broken; the running system runs on.
    """
    state = parts.state.load()
    offer = parts.rauc.inspect(bundle)
    booted = parts.control.booted()
    against = objection(state, offer, parts.rauc.version(), parts.rauc_at_least,
                        parts.control.primary() == booted)
    if against:
        raise Refused(f"Nothing was installed: {against}.")
    state = parts.state.save(replace(
        state, phase=Phase.WRITING, system=other(booted), version=offer.version, tries=0,
        reason="", condemned="", proven=(), boot="", held=False, declined=""))
    parts.note("system install", version=offer.version, system=state.system)
    try:
        parts.rauc.install(bundle, lambda done, whole: parts.tell("system write", done, whole))
    except Refused as error:
        unwritten = (*state.unwritten, offer.version)[-REFUSED_MAX:]
        parts.state.save(replace(state, unwritten=unwritten))
        fail(parts, str(error), bad=unwritten.count(offer.version) >= WRITES_MAX)
        raise
    except (Retry, Broken) as error:
        fail(parts, str(error), bad=False)
        raise
    return parts.state.save(replace(state, phase=Phase.READY, unwritten=()))


def go_on(parts: Parts) -> bool:
    """What lies ready is begun once its moment has come: mark active, restart. False: not yet."""
    state = parts.state.load()
    if state.phase is not Phase.READY or state.held or parts.waits():
        return False
    state = parts.state.save(replace(
        state, phase=Phase.TRIAL, tries=state.tries + 1, proven=parts.proven() or state.proven,
        boot=parts.boot()))
    parts.note("system trial", version=state.version, system=state.system, start=str(state.tries))
    _restart_into(parts, state)
    return True


def after_start(
    parts: Parts, stop: Callable[[], bool] = lambda: False, watches: bool = True
) -> Verdict:
    """After each start of the machine, whatever came before. WAIT: nothing was decided.

    Who is not there to watch a trial (`watches` False: nothing is on the screen yet) leaves it.
    """
    state = parts.state.load()
    if state.phase is Phase.WRITING:
        fail(parts, "writing was interrupted; it is begun again", bad=False)
    elif state.phase is Phase.READY:
        go_on(parts)
    elif state.phase is Phase.TRIAL and parts.control.booted() != state.system:
        return _fell_back(parts, state)
    elif state.phase is Phase.TRIAL and watches:
        return _tried(parts, state, stop)
    return Verdict.WAIT


def put_off(parts: Parts, reason: str) -> State:
    """What lies ready is not wanted any more: there is a newer one, or a person refused it."""
    state = parts.state.load()
    return state if state.phase is not Phase.READY else fail(parts, reason, bad=False)


def decline(parts: Parts, reason: str) -> str:
    """A person does not want what lies ready or is tried: a sentence, "" where nothing does.

    What lies ready RAUC has not marked active, so nothing is to be undone. Raises Refused: the
    restart into it was ordered already.
    """
    state = parts.state.load()
    if state.phase is Phase.READY:
        fail(parts, reason, bad=False, declined=True)
        return f"system {state.version} was put off"
    if state.phase is not Phase.TRIAL:
        return ""
    if parts.control.booted() != state.system:
        raise Refused(f"The machine is restarting into system {state.version}; order the rollback "
                      "again when it is up, while that system is on trial.")
    _taken_back(parts, state, reason)
    return f"system {state.version} was taken back; the box restarts into the one before"


def fail(parts: Parts, reason: str, bad: bool, declined: bool = False) -> State:
    """Not this one; a `bad` version is not written again, a `declined` one when it is ordered."""
    state = parts.state.load()
    refused = (*state.refused, state.version)[-REFUSED_MAX:] if bad else state.refused
    parts.note("system failed", version=state.version, system=state.system, reason=reason)
    condemned = state.system if bad and state.phase is Phase.TRIAL else ""
    return parts.state.save(replace(
        state, phase=Phase.IDLE, system="", version="", tries=0, reason=reason, refused=refused,
        condemned=condemned, held=False,
        declined=state.version if declined else state.declined))


def _fell_back(parts: Parts, state: State) -> Verdict:
    """The firmware started the old system: a cut, or a system that cannot start?"""
    if state.boot and state.boot == parts.boot():
        # The machine has not restarted yet since it was to.
        _restart_into(parts, state)
        return Verdict.WAIT
    if state.tries < TRIES_MAX:
        parts.state.save(replace(state, phase=Phase.READY))
        go_on(parts)
        return Verdict.WAIT
    fail(parts, "the machine fell back to the old system each time it was tried", bad=True)
    return Verdict.ROLLBACK


def _restart_into(parts: Parts, state: State) -> None:
    parts.rauc.mark_active(parts.rauc.systems()[state.system].name)
    parts.restart()


def _tried(parts: Parts, state: State, stop: Callable[[], bool]) -> Verdict:
    settings = parts.settings
    trial = watch(
        Trial(monotonic_s(), settings.show_s, settings.hold_s), settings.look_s,
        lambda: parts.health() or Health(slot=""), state.proven, parts.order, stop,
        lambda held_s, hold_s: parts.tell("trial", held_s, hold_s),
    )
    if trial.verdict is Verdict.CONFIRM:
        parts.control.confirm()
        parts.note("system confirmed", version=state.version, system=state.system)
        parts.state.save(replace(
            state, phase=Phase.IDLE, floor=state.version, system="", version="", tries=0))
    elif trial.verdict is Verdict.ROLLBACK:
        _taken_back(parts, state, trial.reason)
    return trial.verdict


def _taken_back(parts: Parts, state: State, reason: str) -> None:
    # First the way back, then the mark: a cut in between tries the bad one once more.
    parts.control.set_primary(other(state.system))
    fail(parts, reason, bad=True)
    parts.control.set_good(state.system, False)
    parts.restart()


def whole(rauc: Writer, system: str) -> bool | None:
    """Is a system's content as RAUC wrote it? None: RAUC knows of nothing written there.

    Reads its partition from the disk; a system of 2 GB takes some ten seconds.
    """
    if system not in SYSTEMS:
        return None
    found = rauc.systems().get(system)
    if found is None or not found.sha256 or found.length_bytes <= 0:
        return None
    try:
        held = sha256_file(Path(found.device), from_disk=True, bytes_max=found.length_bytes)
    except OSError:
        return False
    return held == found.sha256
