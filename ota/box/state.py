r"""Where an update stands: a pure state machine, and the file it is kept in.

    idle -Begin-> installing -Ready-> trial -Confirm-> idle (the new slot is the good one)
                      |     \          |  ^
                      |   Written-> waiting   (whole, until nobody is served and the shop closed)
                      +----Fail------+--+--> idle (the old slot is still the good one)

Which slot must run follows from the state alone (`wanted_slot`), so after a power cut the switch
is simply set again. The good slot is never written to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ota.files import sweep
from ota.floor import TwoCopies
from ota.formats.versions import version_key

SLOTS = ("a", "b")
REFUSED_MAX = 16
# A trial that a power cut interrupts is begun again; a release that itself stops the machine
# looks the same, so after this many starts it is taken for bad.
TRIAL_STARTS_MAX = 4


class Phase(str, Enum):
    """Where an update stands."""

    IDLE = "idle"
    INSTALLING = "installing"
    WAITING = "waiting"
    TRIAL = "trial"


@dataclass(frozen=True)
class State:
    """All that must survive a power cut. `good` None: the code the machine came with.

    `version` and `slot` are the update under way; `floor` is the highest version ever confirmed.
    """

    phase: Phase = Phase.IDLE
    good: str | None = None
    good_version: str = "0"
    previous: str | None = None
    previous_version: str = "0"
    slot: str = ""
    version: str = ""
    trial_starts: int = 0
    floor: str = "0"
    refused: tuple[str, ...] = ()
    reason: str = ""
    # What the old release was seen to do just before the switch: the new one must do it, too.
    proven: tuple[str, ...] = ()
    # What a person put off: the fleet's look passes over it until the next install.
    declined: str = ""


@dataclass(frozen=True)
class Begin:
    """An install starts: `version` is brought for the slot that is not running. What is in there
    is left alone until all of it has come, which may take days."""

    version: str


@dataclass(frozen=True)
class Overwrite:
    """It is here: what was in the slot is about to be gone, and nobody may go back to it."""


@dataclass(frozen=True)
class Written:
    """The slot was written and verified; it waits for its moment, and the old one runs on."""


@dataclass(frozen=True)
class Ready:
    """The slot was written and verified; from now on it is on trial. `proven` is what the old
    release was seen to do ("sound", "plays"); empty leaves what is known."""

    proven: tuple[str, ...] = ()


@dataclass(frozen=True)
class Started:
    """The processes of the release on trial were started."""


@dataclass(frozen=True)
class Confirm:
    """The release on trial does its job."""


@dataclass(frozen=True)
class Fail:
    """The install or the trial failed. `bad` releases are not tried again, `declined` ones when a
    person orders them."""

    reason: str
    bad: bool
    declined: bool = False


@dataclass(frozen=True)
class GoBack:
    """A person wants the previous release back."""


@dataclass(frozen=True)
class Stopped:
    """The updater was asked to leave in the middle of a trial: that start does not count."""


@dataclass(frozen=True)
class Lost:
    """The good slot no longer holds what was signed."""


Event = Begin | Overwrite | Written | Ready | Started | Confirm | Fail | GoBack | Stopped | Lost


def step(state: State, event: Event) -> State:
    """The state after an event; an event that does not fit changes nothing. Pure."""
    if isinstance(event, Begin) and state.phase is Phase.IDLE:
        return replace(
            state,
            phase=Phase.INSTALLING,
            slot=free_slot(state),
            version=event.version,
            trial_starts=0,
            reason="",
            proven=(),
            declined="",
        )
    if isinstance(event, Overwrite) and state.phase is Phase.INSTALLING and not overwritten(state):
        return replace(state, previous=None, previous_version="0")
    if isinstance(event, Written) and state.phase is Phase.INSTALLING and overwritten(state):
        return replace(state, phase=Phase.WAITING)
    ready = state.phase is Phase.WAITING or (
        state.phase is Phase.INSTALLING and overwritten(state))
    if isinstance(event, Ready) and ready:
        return replace(state, phase=Phase.TRIAL, proven=event.proven or state.proven)
    if isinstance(event, Started) and state.phase is Phase.TRIAL:
        return replace(state, trial_starts=state.trial_starts + 1)
    if isinstance(event, Confirm) and state.phase is Phase.TRIAL:
        return _confirmed(state)
    if isinstance(event, Fail) and state.phase is not Phase.IDLE:
        refused = _with(state.refused, state.version) if event.bad else state.refused
        declined = state.version if event.declined else state.declined
        return _idle(replace(state, reason=event.reason, refused=refused, declined=declined))
    if isinstance(event, Stopped) and state.phase is Phase.TRIAL:
        return replace(state, trial_starts=max(0, state.trial_starts - 1))
    if isinstance(event, GoBack) and state.phase is Phase.IDLE and state.good:
        refused = _with(state.refused, state.good_version)
        return replace(_fallen_back(state), refused=refused, reason="a person went back")
    if isinstance(event, Lost) and state.phase is Phase.IDLE and state.good:
        return replace(_fallen_back(state), reason=f"slot {state.good} was damaged")
    return state


def wanted_slot(state: State) -> str | None:
    """The slot that must run now; None is the code the machine came with. Pure."""
    return state.slot if state.phase is Phase.TRIAL else state.good


def overwritten(state: State) -> bool:
    """Does the slot that is installed to hold nothing that one could go back to? Pure."""
    return state.previous != state.slot


def free_slot(state: State) -> str:
    """The slot that an install may write to: never the good one. Pure."""
    return SLOTS[1] if state.good == SLOTS[0] else SLOTS[0]


def _confirmed(state: State) -> State:
    higher = max(state.floor, state.version, key=lambda v: version_key(v) or (0,))
    return _idle(
        replace(
            state,
            good=state.slot,
            good_version=state.version,
            previous=state.good,
            previous_version=state.good_version if state.good else "0",
            floor=higher,
            reason="",
        )
    )


def _fallen_back(state: State) -> State:
    """The previous release is the good one; without one, the code the machine came with."""
    return replace(
        state,
        good=state.previous,
        good_version=state.previous_version if state.previous else "0",
        previous=None,
        previous_version="0",
    )


def _idle(state: State) -> State:
    return replace(state, phase=Phase.IDLE, slot="", version="", trial_starts=0, proven=())


def _with(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return (*(v for v in versions if v != version), version)[-REFUSED_MAX:]


class StateFile:
    """The state on disk, in two checksummed copies. A torn copy costs nothing."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._copies = TwoCopies(directory / "state")

    def load(self) -> State:
        """The last saved state, or a new one."""
        return _parsed(self._copies.read() or {})

    def save(self, state: State) -> None:
        """Durable before it returns. Raises Retry (disk full)."""
        self._copies.write(asdict(state) | {"phase": state.phase.value})

    def sweep(self) -> None:
        """Throw away what power cuts left half written beside it."""
        sweep(self._directory)


def _parsed(body: dict[str, Any]) -> State:
    known = {name: body[name] for name in State.__dataclass_fields__ if name in body}
    try:
        known["phase"] = Phase(known.get("phase", "idle"))
        for name in ("refused", "proven"):
            known[name] = tuple(str(v) for v in known.get(name, ()))
        return State(**known)
    except (TypeError, ValueError):
        return State()
