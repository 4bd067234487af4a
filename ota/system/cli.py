"""`vitrine ota system`: the operating system's two slots, on a box that has them."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota.box.orders import ORDER
from ota.errors import Broken, Refused

if TYPE_CHECKING:
    from ota.box.install import Parts as Application
    from ota.box.sources import Roots
    from ota.system.beside import Beside

EXAMPLE = """examples:
  vitrine ota system status --json
  vitrine ota system install                    the signed system for this box
  vitrine ota system install --from /media/stick
  vitrine ota system install /media/stick/vitrine-orin-36.5.1.raucb
  vitrine ota system start      at each start of the machine (its unit does it)
  vitrine ota system stop       when it is switched off as it should be (its unit does it)
"""
RESTART_S = 60.0
# One bundle is kept, until its bytes are in place.
BUNDLES_BYTES_MAX = 8 << 30
LOCK_S = 1.0
Tell = Callable[[argparse.Namespace, dict[str, Any], Sequence[str]], None]
# Shows the running updater's progress until it is idle; returns its last word.
Follow = Callable[[argparse.Namespace, "Roots"], str]


def register(orders: Any, tell: Tell, follow: Follow) -> None:
    """Add `system`; `tell` prints for people or as JSON, `follow` waits for the updater."""
    words = "the operating system's two slots"
    parser = orders.add_parser(
        "system", help=words, description=f"{words[0].upper()}{words[1:]}.", epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    for name, run, words, more in (
        ("status", _status, "both systems, and where an update of them stands", "--json"),
        ("install", _install, "write a signed system, or a bundle, into the idle one", ""),
        ("start", _start, "confirm this start, heal the other system, go on with an update", ""),
        ("stop", _stop, "note that this machine ends as it should", ""),
    ):
        act = acts.add_parser(
            name, help=words, description=f"{words[0].upper()}{words[1:]}.",
            epilog=f"example:\n  vitrine ota system {name} {more}".rstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter)
        act.add_argument("--json", action="store_true", help="one JSON object on stdout")
        act.add_argument("--root", type=Path, help="the box's root (default: VITRINE_ROOT)")
        act.set_defaults(run=lambda args, run=run: run(args, tell), follow=follow)
        if name == "install":
            act.add_argument("bundle", type=Path, nargs="?",
                             help="a .raucb file, checked by RAUC; without it the signed one")
            act.add_argument("--version", help="a signed version instead of the fleet's choice")
            act.add_argument("--from", dest="stick", type=Path, metavar="FOLDER",
                             help="the signed repository on a stick, not the chain's server")
            act.add_argument("--now", action="store_true",
                             help="do not wait for closing time, only for the visitor")


def _status(args: argparse.Namespace, tell: Tell) -> int:
    from ota.system.boot import SYSTEMS

    here, places = _opened(args)
    parts = here.parts
    state, counts = parts.state.load(), _tally(places).read()
    systems = parts.rauc.systems()
    told = {
        "running": parts.control.booted(), "next": parts.control.primary(),
        "phase": state.phase.value, "version": state.version, "tries": state.tries,
        "refused": list(state.refused), "reason": state.reason,
        "starts": counts.starts, "power_cuts": counts.cuts,
        "systems": {name: {"version": found.version, "good": parts.control.is_good(name)}
                    for name, found in systems.items()},
    }
    lines = [f"running   system {told['running']} / 正在运行", f"next      system {told['next']}",
             f"starts    {counts.starts}, {counts.cuts} after a power cut / 断电 {counts.cuts} 次"]
    lines += [f"system {name}  {systems[name].version or 'as flashed'}"
              + ("" if parts.control.is_good(name) else ", given up by the firmware / 已停用")
              for name in SYSTEMS if name in systems]
    if state.version:
        lines.append(f"update    {state.version} is {state.phase.value}")
    if state.reason:
        lines.append(f"reason    {state.reason}")
    tell(args, told, lines)
    return 0


def _install(args: argparse.Namespace, tell: Tell) -> int:
    from ota.box.daemon import alone
    from ota.box.orders import Order, give_order
    from ota.floor import lock_taken

    here, places = _opened(args)
    order = Order(
        "system", args.version, args.stick and str(args.stick.absolute()),
        "now" if args.now else None, bundle=args.bundle and str(args.bundle.absolute()))
    if lock_taken(places.var / "ota" / "lock"):
        give_order(places.run, order)
        message = args.follow(args, places)
    else:
        with alone(places, "system install", 0.0):
            message, failed = here.turn(order)
        if failed:
            raise Refused(failed)
    state = here.parts.state.load()
    tell(args, {"version": state.version, "system": state.system, "message": message,
                "begun": state.phase.value == "trial"}, [message or "There was nothing to do."])
    return 0


def _start(args: argparse.Namespace, tell: Tell) -> int:
    from ota.box.confirm import Verdict
    from ota.box.daemon import alone
    from ota.clock import boot_id
    from ota.floor import lock_taken
    from ota.system import keeper, update

    here, places = _opened(args)
    parts = here.parts
    counts = _tally(places).begin(boot_id())
    seen = keeper.look(parts.control, parts.state.load(),
                       lambda system: update.whole(parts.rauc, system))
    found = keeper.keep(parts.control, seen, parts.note)
    verdict = Verdict.WAIT
    # A trial is watched by the updater, when there is something to see.
    if not lock_taken(places.var / "ota" / "lock"):
        with alone(places, "system start", LOCK_S):
            verdict = update.after_start(parts, watches=False)
    tell(args, {**keeper.as_json(counts, found), "verdict": verdict.value},
         [f"{duty.what} system {duty.system}: {duty.why}" for duty in found])
    return 0


def _stop(args: argparse.Namespace, tell: Tell) -> int:
    _tally(_places(args)).end()
    tell(args, {"noted": True}, ["This machine ends as it should."])
    return 0


def beside(places: Roots) -> Callable[[Application], Beside | None]:
    """For `ota.box.daemon.run`: the system's updates on a machine that can have them, else None."""
    def make(application: Application) -> Beside | None:
        try:
            return _made(places, application)
        except Refused:
            return None

    return make


def _opened(args: argparse.Namespace) -> tuple[Beside, Roots]:
    """The system's updates on this box. Raises Refused or Broken elsewhere."""
    from ota.box.daemon import make_parts
    from ota.box.install import Settings

    places = _places(args)
    return _made(places, make_parts(places, None, None, Settings())), places


def _made(places: Roots, application: Application) -> Beside:
    """Raises Refused: a machine that has not two systems, or not what asks RAUC."""
    from ota.box import daemon
    from ota.box.seen import read_any_health
    from ota.box.sources import open_source
    from ota.box.store import Store
    from ota.clock import boot_id
    from ota.system.beside import Beside, waits_for
    from ota.system.jetson import EFIVARS, JetsonBoot
    from ota.system.update import Parts, StateFile

    if not EFIVARS.is_dir():
        raise Refused("This machine has no UEFI firmware that keeps two systems; only a Jetson "
                      "flashed with ROOTFS_AB=1 is updated this way.")
    try:
        from ota.system.rauc import Rauc
    except ImportError as error:
        raise Refused("The package dbus-fast is missing; run "
                      "`pip install -r requirements/jetson.txt`.") from error
    home, gate = places.var / "ota", daemon.make_gate(places)
    parts = Parts(
        StateFile(home / "system"), JetsonBoot(), Rauc(), application.note, _restart,
        waits=waits_for(gate, application),
        health=lambda: read_any_health(places.run / "health.json"), proven=application.proven,
        tell=application.tell, order=application.order, boot=boot_id,
        settings=application.settings)
    return Beside(
        parts, application, Store(home / "bundles", BUNDLES_BYTES_MAX),
        lambda stick: open_source(places, application.clock, stick), gate,
        home / "steer", lambda: daemon.box_id(places), (places.run / ORDER).exists)


def _restart() -> None:
    try:
        subprocess.run(("systemctl", "reboot"), timeout=RESTART_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Broken(f"The machine did not restart ({error}); switch it off and on.") from error


def _tally(places: Roots) -> Any:
    from ota.system.keeper import Tally

    return Tally(places.var / "ota" / "starts")


def _places(args: argparse.Namespace) -> Roots:
    found: Roots = args.places(args.root)
    return found
