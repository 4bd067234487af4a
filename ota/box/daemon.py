"""`vitrine-ota`: looks for releases, installs them, watches their trial. One loop.

Its only word to the supervisor is the switch `<opt>/current`; the supervisor's only word to it is
`run/health.json`. It runs from its own code, never from the slot it replaces.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ota.box.confirm import Health, Verdict
from ota.box.going_back import rolled_back
from ota.box.install import (
    Parts,
    Settings,
    Source,
    confirm,
    find_offer,
    go_on,
    install,
    objection,
    put_off,
    recover,
    run_trial,
)
from ota.box.orders import Order, Teller, by_a_person, take_order
from ota.box.seen import read_health, read_plays, read_proven
from ota.box.slots import DirectorySlots
from ota.box.sources import FILE_BYTES_MAX, Roots, open_source
from ota.box.standing import Standing
from ota.box.state import Phase, State, StateFile
from ota.box.steer import Steering, look
from ota.box.store import Store
from ota.box.updater import renew, settled
from ota.box.window import Shop, Wait, read_shop, waits
from ota.box.words import wait_sentence
from ota.clock import Deadline, monotonic_s, sleep_s
from ota.errors import Broken, Refused, VitrineError
from ota.files import read_bounded
from ota.floor import FloorClock
from ota.formats.manifest import Machine
from ota.history import History
from ota.holder import held

CHECK_S = 6 * 3600.0
RETRY_S = 300.0
ARTEFACTS_BYTES_MAX = 6 << 30


@dataclass
class Gate:
    """When the switch may be made; `asked` by a person with --now, `window` of the roll-out."""

    shop: Callable[[], Shop]
    now: Callable[[], datetime]
    asked: bool = False
    window: str = ""

    def __call__(self) -> Wait | None:
        """Why not now, None: go on."""
        return waits(self.shop(), self.now(), monotonic_s(), self.window, self.asked)


class Neighbour(Protocol):
    """What else is updated under this lock: the operating system (`ota.system.beside.Beside`)."""

    def begin(self) -> str: ...
    def turn(self, order: Order | None = None) -> tuple[str, str]: ...
    def go_on(self) -> None: ...
    def decline(self) -> str: ...


def run(
    places: Roots,
    restart: Callable[[str | None], None] | None = None,
    health: Callable[[], Health | None] | None = None,
    settings: Settings | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda text: None,
    beside: Callable[[Parts], Neighbour | None] = lambda parts: None,
) -> int:
    """The main loop; returns 0 when `stop()` says so. Raises Retry: another updater runs.

    Without `restart` and `health` the supervisor follows the switch and writes `run/health.json`.
    `beside` makes what is updated in the same turns.
    """
    with alone(places, "daemon", wait_s=1.0):
        gate = make_gate(places)
        parts = make_parts(places, restart, health, settings or Settings(), stop, gate)
        state = recover(parts)
        if state.phase is Phase.TRIAL:
            say(f"release {state.version} is tried")
            run_trial(parts)
        system = beside(parts)
        failed = "" if system is None else system.begin()
        check = Deadline(random.uniform(0.0, 5.0))
        standing = Standing(places.run)
        standing.tell(parts, failed, bool(failed))
        while not stop():
            order = take_order(places.run)
            if order is None and standing.may_go_on(parts):
                order = Order("go-on")
            if order is not None or check.passed:
                before = failed
                gate.asked = order is not None and order.now == "now"
                spoken, failed = _safe_turn(parts, places, order, gate, system)
                soon = failed or (system is not None and not _is_a_look(order))
                check = Deadline(RETRY_S if soon else CHECK_S * random.uniform(0.8, 1.2))
                standing.tell(parts, spoken or failed, bool(failed))
                # The same trouble every five minutes is said once.
                if spoken or failed != before:
                    say(spoken or failed or "the fleet answers again")
                settled(places.opt)
                if renew(places.opt, parts.slots, parts.state.load()):
                    say("the updater itself is of the new release now, and starts again")
                    return 0
            elif system is not None:
                system.go_on()
            sleep_s(parts.settings.look_s)
    return 0


def _safe_turn(
    parts: Parts, places: Roots, order: Order | None, gate: Gate, system: Neighbour | None
) -> tuple[str, str]:
    """What was done, and what went wrong; either may be empty. The system's turn comes second."""
    try:
        for_system = order is not None and order.name == "system"
        mine = ("", "") if for_system else _own_turn(
            parts, places, order, gate, system)
        if system is None or not (for_system or _is_a_look(order)):
            return mine
        other = system.turn(order)
        return "; ".join(filter(None, (mine[0], other[0]))), mine[1] or other[1]
    except Exception as error:
        # Unknown trouble: leave the screen alone, and start clean.
        raise Broken(f"The updater failed ({error!r}) and starts again.") from error


def _is_a_look(order: Order | None) -> bool:
    """At the fleet, by time or by the console's bell; a person's order is done without one."""
    return order is None or order.name == "check"


def _own_turn(
    parts: Parts, places: Roots, order: Order | None, gate: Gate, system: Neighbour | None
) -> tuple[str, str]:
    try:
        if order is not None and order.name == "rollback":
            return rolled_back(parts, _decline(system)), ""
        return _turn(parts, places, order, gate), ""
    except VitrineError as error:
        return "", str(error)


def _decline(system: Neighbour | None) -> Callable[[], str]:
    return (lambda: "") if system is None else system.decline


def _turn(parts: Parts, places: Roots, order: Order | None, gate: Gate) -> str:
    """One look at the fleet, or one order; returns a sentence for people."""
    state = parts.state.load()
    # A full disk stopped the last turn in its middle: go on as after a power cut.
    if state.phase in (Phase.INSTALLING, Phase.TRIAL) and recover(parts).phase is Phase.TRIAL:
        run_trial(parts)
    name = "check" if order is None else order.name
    if name == "go-on":
        if (told := _news(parts, places)) is not None and _is_held_back(told, state):
            put_off(parts, "the roll-out was stopped or paused meanwhile")
            return f"release {state.version} was put off: its roll-out is held back"
        return _ended(parts, state.version, go_on(parts))
    if name == "confirm":
        raise Refused("There is no release on trial; there is nothing to confirm.")
    source = open_source(places, parts.clock, order.stick if order else None,
                         urgent=order is not None and by_a_person(order))
    version = _wanted(parts, places, source, order, gate)
    state = parts.state.load()
    if state.phase is Phase.WAITING and version == state.version:
        return _ended(parts, version, go_on(parts)) if name == "install" else ""
    if version is None:
        return ""
    if state.phase is Phase.WAITING:
        put_off(parts, f"release {version} is wanted instead")
    offer = find_offer(source, version)
    against = objection(parts.state.load(), offer, parts.machine())
    if against:
        if name == "install":
            raise Refused(f"Nothing was installed: {against}.")
        return ""
    return _ended(parts, offer.version, install(parts, source, offer))


def _ended(parts: Parts, version: str, verdict: Verdict) -> str:
    """What became of an install, for people. Raises Refused when it was taken back."""
    if verdict is Verdict.ROLLBACK:
        raise Refused(f"Release {version} was taken back: {parts.state.load().reason}.")
    if verdict is Verdict.CONFIRM:
        return f"release {version} is installed and confirmed"
    if parts.state.load().phase is not Phase.WAITING:
        return f"release {version} is on trial"
    wait = parts.waits()
    return f"release {version} lies ready" + (f"; {wait_sentence(wait)}" if wait else "")


def _wanted(
    parts: Parts, places: Roots, source: Source, order: Order | None, gate: Gate
) -> str | None:
    """The version to run now by a person's order, else by the fleet's plan; None: leave it.

    Raises Refused: a person asked, and there is nothing. What lies ready and is not wanted any
    more (paused, stopped) is put off.
    """
    asked = order is not None and order.name == "install"
    if order is not None and order.version and order.by != "fleet":
        return order.version
    state, box, now = parts.state.load(), box_id(places), parts.clock.now()
    told = look(source.trust, source.fetcher, source.targets_url, _kept(places))
    decision = told.decide(box, state.good_version, now)
    if order is not None and order.version:
        why = told.forbids(order.version, box, state.good_version, now)
        if why:
            raise Refused(f"Release {order.version} is not installed now: {why}.")
        return order.version
    gate.window = decision.window
    if state.phase is Phase.WAITING and decision.release != state.version:
        if _is_held_back(told, state):
            put_off(parts, decision.why)
        elif decision.release is None:
            return state.version
    if decision.release is None and asked:
        raise Refused(f"Nothing was installed: {decision.why}.")
    if decision.release in (*state.refused, state.declined) and not asked:
        return None
    return decision.release


def _news(parts: Parts, places: Roots) -> Steering | None:
    """What the fleet says just before the switch; None: a shop without a line goes on."""
    try:
        source = open_source(places, parts.clock)
        return look(source.trust, source.fetcher, source.targets_url, _kept(places))
    except VitrineError:
        return None


def _kept(places: Roots) -> Path:
    return places.var / "ota" / "steer"


def _is_held_back(told: Steering, state: State) -> bool:
    """Was what lies ready paused or stopped meanwhile?"""
    brake = told.rollout
    return brake is not None and brake.release == state.version and brake.state != "running"


def box_id(places: Roots) -> str:
    """This box's name, by which its wave is reckoned; empty before it is enrolled."""
    try:
        told = json.loads(read_bounded(places.identity.resolve() / "box.json", FILE_BYTES_MAX))
        return str(told.get("box", ""))
    except (OSError, ValueError, AttributeError, Refused):
        return ""


def make_parts(
    places: Roots,
    restart: Callable[[str | None], None] | None,
    health: Callable[[], Health | None] | None,
    settings: Settings,
    stop: Callable[[], bool] = lambda: False,
    gate: Gate | None = None,
) -> Parts:
    """Everything an update of this box touches, at its places."""
    slots = DirectorySlots(places.opt)
    home = places.var / "ota"
    return Parts(
        state=StateFile(home),
        slots=slots,
        artefacts=Store(home / "artefacts", ARTEFACTS_BYTES_MAX),
        history=History(home),
        clock=FloorClock(places.var / "clock"),
        machine=lambda: machine_of(places),
        restart=restart or (lambda slot: None),
        health=health or (lambda: read_health(places.run / "health.json", slots)),
        settings=settings,
        order=lambda: _word(take_order(places.run)),
        stop=stop,
        tell=Teller(places.run),
        waits=gate or make_gate(places),
        proven=lambda: read_proven(places.run / "health.json"),
    )


def make_gate(places: Roots) -> Gate:
    """The gate of this box: what its supervisor tells of the shop, by the box's trusted clock."""
    return Gate(lambda: read_shop(places.run), FloorClock(places.var / "clock").now)


def alone(places: Roots, who: str, wait_s: float) -> AbstractContextManager[None]:
    """This box's updates are ours alone. Raises Retry that names who has them."""
    now = FloorClock(places.var / "clock").now()
    return held(places.var / "ota" / "lock", places.run / "ota-holder.json", who, now, wait_s)


def machine_of(places: Roots) -> Machine:
    """What this box is now, for a release's compatibility matrix."""
    programmes, plays = places.var / "programmes", read_plays(places.run)
    return Machine.here(environment_hash(places), programmes, plays)


def environment_hash(places: Roots) -> str:
    """The sha256 of the list of packages this box's environment was made from, if noted."""
    try:
        return read_bounded(places.opt / "requirements.sha256", 200).decode("ascii").strip()
    except (OSError, ValueError, Refused):
        return ""


def apply_alone(
    places: Roots, order: Order, settings: Settings,
    beside: Callable[[Parts], Neighbour | None] = lambda parts: None,
) -> str:
    """Carry out an order where no updater runs (a technician's command). Raises Retry, Refused.

    An installed release is then tried when the updater starts.
    """
    with alone(places, order.name, wait_s=0.0):
        parts = make_parts(places, None, None, settings)
        state = recover(parts)
        if order.name == "confirm":
            confirm(parts, "a person confirmed it")
            return f"release {state.version} is confirmed"
        if order.name == "rollback":
            return rolled_back(parts, _decline(beside(parts)))
        source = open_source(places, parts.clock, order.stick, urgent=True)
        offer = find_offer(source, order.version)
        install(parts, source, offer, trial=False)
        return f"release {offer.version} is installed; its trial begins when the kiosk starts"


def _word(order: Order | None) -> str | None:
    return None if order is None else order.name


def requirements_mark(requirements: Path) -> bytes:
    """What provisioning writes to `<opt>/requirements.sha256` after it made the environment."""
    return hashlib.sha256(requirements.read_bytes()).hexdigest().encode() + b"\n"
