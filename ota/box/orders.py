"""Words between the updater and the others on the box: orders in, progress and state out.

Small files under `run`, so that the agent and the command line need no right but to write there:
what an order may cause is only what the fleet has signed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ota.box.state import Phase, StateFile
from ota.box.window import Wait
from ota.clock import monotonic_s
from ota.errors import Refused
from ota.files import read_bounded, write_durable

FILE_BYTES_MAX = 1 << 16
TELL_EACH_S = 0.5
ORDER = "ota-order.json"
ORDERS = ("check", "install", "confirm", "rollback", "system")


@dataclass(frozen=True)
class Order:
    """A word from a person or from the agent: one of ORDERS.

    `version`: a signed release instead of the newest. `stick`: a folder with the signed
    repository, instead of the chain's server. `now`: "now" does not wait for the shop to close.
    `by`: "fleet" where no person at the box asked, who is bound by the roll-out.
    "system" installs a signed system, or `bundle`, a file of RAUC's.
    """

    name: str
    version: str | None = None
    stick: str | None = None
    now: str | None = None
    by: str | None = None
    bundle: str | None = None


def by_a_person(order: Order) -> bool:
    """Did somebody at the box ask for something to be installed? Pure."""
    return order.name in ("install", "system") and order.by != "fleet"


def give_order(run: Path, order: Order) -> None:
    """Leave a word for the updater; the last one counts."""
    if order.name not in ORDERS:
        raise Refused(f"{order.name!r} is no order; they are {', '.join(ORDERS)}.")
    body = json.dumps(asdict(order))
    write_progress(run, "ordered")
    write_durable(run / ORDER, body.encode())


def take_order(run: Path) -> Order | None:
    """The word left for the updater, once."""
    path = run / ORDER
    try:
        told = json.loads(read_bounded(path, FILE_BYTES_MAX))
        names = ("version", "stick", "now", "by", "bundle")
        rest = (told.get(name) and str(told[name]) for name in names)
        order = Order(str(told["name"]), *rest)
    except FileNotFoundError:
        return None
    except (
        OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, Refused
    ):
        order = None
    path.unlink(missing_ok=True)
    return order if order is not None and order.name in ORDERS else None


def write_progress(
    run: Path,
    what: str,
    done: int = 0,
    whole: int = 0,
    message: str = "",
    failed: bool = False,
    wait: Wait | None = None,
) -> None:
    """For people watching: `run/ota-progress.json`. Worthless after a reboot.

    `wait`: why a release that lies ready does not take the screen now, and until when.
    """
    body = {"what": what, "done": done, "whole": whole, "message": message, "failed": failed}
    if wait is not None:
        until = wait.until.isoformat(timespec="seconds") if wait.until else None
        body |= {"wait": wait.why, "until": until}
    write_durable(run / "ota-progress.json", json.dumps(body, ensure_ascii=False).encode())


def read_progress(run: Path) -> dict[str, Any]:
    """What the updater is at: {"what", "done", "whole", "message", "failed", "wait", "until"};
    empty: it never ran."""
    try:
        told: dict[str, Any] = json.loads(read_bounded(run / "ota-progress.json", FILE_BYTES_MAX))
        return told if isinstance(told, dict) else {}
    except (OSError, ValueError, RecursionError, Refused):
        return {}


def release_and_slot(var: Path) -> tuple[str | None, str | None]:
    """The release that runs now and its slot, for `reported`; None: the code it came with."""
    state = StateFile(var / "ota").load()
    if state.phase is Phase.TRIAL:
        return state.version, state.slot
    return (state.good_version if state.good else None), state.good


def update_facts(var: Path) -> dict[str, Any]:
    """Where an update stands, for `reported`: {"phase", "version", "failed": versions}."""
    state = StateFile(var / "ota").load()
    return {"phase": state.phase.value, "version": state.version, "failed": list(state.refused)}


class Teller:
    """Progress for people, at most twice a second."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._last = ("", -1.0)

    def __call__(self, what: str, done: int, whole: int) -> None:
        now_s = monotonic_s()
        if what == self._last[0] and done < whole and now_s - self._last[1] < TELL_EACH_S:
            return
        self._last = (what, now_s)
        write_progress(self._run, what, done, whole)
