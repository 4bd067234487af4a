"""`vitrine-ota`: looks for releases, installs them, watches their trial. One loop.

Its only word to the supervisor is the switch `<opt>/current`; the supervisor's only word to it is
`run/health.json`. It runs from its own code, never from the slot it replaces.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ota.clock import Deadline, monotonic_s, sleep_s
from ota.confirm import Health, Verdict
from ota.errors import Broken, Refused, VitrineError
from ota.fetch import Fetcher, tls_for_downloads
from ota.files import read_bounded
from ota.floor import FloorClock, locked
from ota.history import History
from ota.install import (
    Parts,
    Settings,
    Source,
    confirm,
    find_offer,
    go_back,
    install,
    objection,
    recover,
    roll_back,
    run_trial,
)
from ota.manifest import Machine
from ota.orders import Order, Teller, take_order, write_progress
from ota.slots import DirectorySlots
from ota.state import SLOTS, Phase, StateFile
from ota.stick import SCHEME, StickFetcher
from ota.store import Store
from ota.trust import NothingSigned, TrustClient

CHECK_S = 6 * 3600.0
RETRY_S = 300.0
ARTEFACTS_BYTES_MAX = 6 << 30
FILE_BYTES_MAX = 1 << 20
# One end of a process may be chance (a port still taken); a release that cannot run ends often.
CRASHES_MAX = 3
HEALTH_AGE_MAX_S = 5.0


class Roots(Protocol):
    """What is needed of `device.paths.Places`."""

    @property
    def identity(self) -> Path: ...
    @property
    def var(self) -> Path: ...
    @property
    def opt(self) -> Path: ...
    @property
    def run(self) -> Path: ...


def run(
    places: Roots,
    restart: Callable[[str | None], None] | None = None,
    health: Callable[[], Health | None] | None = None,
    settings: Settings | None = None,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda text: None,
) -> int:
    """The main loop; returns 0 when `stop()` says so. Raises Retry: another updater runs.

    Without `restart` and `health` the supervisor follows the switch and writes `run/health.json`.
    """
    with locked(places.var / "ota" / "lock", wait_s=1.0):
        parts = make_parts(places, restart, health, settings or Settings(), stop)
        state = recover(parts)
        if state.phase is Phase.TRIAL:
            say(f"release {state.version} is tried")
            run_trial(parts)
        check, failed = Deadline(random.uniform(0.0, 5.0)), ""
        write_progress(places.run, "idle")
        while not stop():
            order = take_order(places.run)
            if order is not None or check.passed:
                before = failed
                spoken, failed = _safe_turn(parts, places, order)
                check = Deadline(RETRY_S if failed else CHECK_S * random.uniform(0.8, 1.2))
                write_progress(places.run, "idle", message=spoken or failed, failed=bool(failed))
                # The same trouble every five minutes is said once.
                if spoken or failed != before:
                    say(spoken or failed or "the fleet answers again")
            sleep_s(parts.settings.look_s)
    return 0


def _safe_turn(parts: Parts, places: Roots, order: Order | None) -> tuple[str, str]:
    """What was done, and what went wrong; either may be empty."""
    try:
        return _turn(parts, places, order), ""
    except VitrineError as error:
        return "", str(error)
    except Exception as error:
        # Unknown trouble: leave the screen alone, and start clean.
        raise Broken(f"The updater failed ({error!r}) and starts again.") from error


def _turn(parts: Parts, places: Roots, order: Order | None) -> str:
    """One look at the fleet, or one order; returns a sentence for people."""
    # A full disk stopped the last turn in its middle: go on as after a power cut.
    if parts.state.load().phase is not Phase.IDLE and recover(parts).phase is Phase.TRIAL:
        run_trial(parts)
    name = "check" if order is None else order.name
    if name == "rollback":
        return f"went back to release {go_back(parts).good_version}"
    if name == "confirm":
        raise Refused("There is no release on trial; there is nothing to confirm.")
    source = open_source(places, parts.clock, order.stick if order else None)
    try:
        offer = find_offer(source, order.version if order else None)
    except NothingSigned:
        # A new chain has no release, and that is no trouble.
        if name == "check":
            return ""
        raise
    state = parts.state.load()
    against = objection(state, offer, parts.machine)
    if against:
        if name == "install":
            raise Refused(f"Nothing was installed: {against}.")
        return ""
    verdict = install(parts, source, offer)
    if verdict is Verdict.ROLLBACK:
        reason = parts.state.load().reason
        raise Refused(f"Release {offer.version} was taken back: {reason}.")
    return f"release {offer.version} is " + (
        "installed and confirmed" if verdict is Verdict.CONFIRM else "on trial"
    )


def make_parts(
    places: Roots,
    restart: Callable[[str | None], None] | None,
    health: Callable[[], Health | None] | None,
    settings: Settings,
    stop: Callable[[], bool] = lambda: False,
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
        machine=Machine.here(requirements=environment_hash(places)),
        restart=restart or (lambda slot: None),
        health=health or (lambda: read_health(places.run / "health.json", slots)),
        settings=settings,
        order=lambda: _word(take_order(places.run)),
        stop=stop,
        tell=Teller(places.run),
    )


def open_source(places: Roots, clock: FloorClock, stick: str | None = None) -> Source:
    """The chain's repository, by this box's identity, or from a stick with the same checks.

    Raises Refused: not enrolled.
    """
    folder = places.identity.resolve()
    try:
        box = json.loads(read_bounded(folder / "box.json", FILE_BYTES_MAX))
        url = str(box["content_url"]).rstrip("/")
        root = read_bounded(folder / "tuf-root.json", FILE_BYTES_MAX)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused("This box is not enrolled yet; run `vitrine provision enrol`.") from error
    fetcher: Fetcher | StickFetcher
    if stick is None:
        fetcher = Fetcher(tls_for_downloads(folder, clock.now()))
    else:
        url, fetcher = SCHEME, StickFetcher(Path(stick))
    trust = TrustClient(places.var / "ota" / "trust", f"{url}/metadata", fetcher, clock)
    trust.bootstrap(root)
    return Source(trust, fetcher, f"{url}/targets")


def environment_hash(places: Roots) -> str:
    """The sha256 of the list of packages this box's environment was made from, if noted."""
    try:
        return read_bounded(places.opt / "requirements.sha256", 200).decode("ascii").strip()
    except (OSError, ValueError, Refused):
        return ""


def read_health(path: Path, slots: DirectorySlots, now_s: float | None = None) -> Health | None:
    """What the supervisor says: {"code", "player_presented", "ear_ready", "crashes", "at_s"}.

    `code` is the folder the processes run from, `at_s` the monotonic clock of this machine. None
    when it says nothing, or is silent for seconds.
    """
    try:
        told: dict[str, Any] = json.loads(read_bounded(path, FILE_BYTES_MAX))
        age_s = (monotonic_s() if now_s is None else now_s) - float(told["at_s"])
        code = Path(str(told["code"])).resolve()
        crashed = int(told["crashes"]) >= CRASHES_MAX
        presented, ready = bool(told["player_presented"]), bool(told["ear_ready"])
    except (OSError, ValueError, KeyError, TypeError, Refused):
        return None
    if not 0.0 <= age_s <= HEALTH_AGE_MAX_S:
        return None
    for slot in SLOTS:
        if slots.folder(slot).resolve() == code:
            return Health(slot, presented, ready, crashed)
    return None


def apply_alone(places: Roots, order: Order, settings: Settings) -> str:
    """Carry out an order where no updater runs (a technician's command). Raises Retry, Refused.

    An installed release is then tried when the updater starts.
    """
    with locked(places.var / "ota" / "lock", wait_s=0.0):
        parts = make_parts(places, None, None, settings)
        state = recover(parts)
        if order.name == "confirm":
            confirm(parts, "a person confirmed it")
            return f"release {state.version} is confirmed"
        if order.name == "rollback":
            if state.phase is Phase.TRIAL:
                roll_back(parts, "a person refused it")
                return f"release {state.version} was taken back"
            return f"went back to release {go_back(parts).good_version}"
        source = open_source(places, parts.clock, order.stick)
        offer = find_offer(source, order.version)
        install(parts, source, offer, trial=False)
        return f"release {offer.version} is installed; its trial begins when the kiosk starts"


def _word(order: Order | None) -> str | None:
    return None if order is None else order.name


def requirements_mark(requirements: Path) -> bytes:
    """What provisioning writes to `<opt>/requirements.sha256` after it made the environment."""
    return hashlib.sha256(requirements.read_bytes()).hexdigest().encode() + b"\n"
