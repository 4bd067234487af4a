"""`vitrine ota system`: the operating system's two slots, on a box that has them."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota.errors import Broken, Refused

if TYPE_CHECKING:
    from ota.box.daemon import Roots
    from ota.system.update import Parts

EXAMPLE = """examples:
  vitrine ota system status --json
  vitrine ota system install /media/stick/vitrine-orin-36.5.1.raucb
  vitrine ota system start      at each start of the machine (its unit does it)
  vitrine ota system stop       when it is switched off as it should be (its unit does it)
"""
RESTART_S = 60.0
Tell = Callable[[argparse.Namespace, dict[str, Any], Sequence[str]], None]


def register(orders: Any, tell: Tell) -> None:
    """Add `system`; `tell` prints for people or as JSON."""
    words = "the operating system's two slots"
    parser = orders.add_parser(
        "system", help=words, description=f"{words[0].upper()}{words[1:]}.", epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", metavar="ACT", required=True)
    for name, run, words, more in (
        ("status", _status, "both systems, and where an update of them stands", "--json"),
        ("install", _install, "write a signed bundle into the idle system", "36.5.1.raucb"),
        ("start", _start, "confirm this start, heal the other system, go on with an update", ""),
        ("stop", _stop, "note that this machine ends as it should", ""),
    ):
        act = acts.add_parser(
            name, help=words, description=f"{words[0].upper()}{words[1:]}.",
            epilog=f"example:\n  vitrine ota system {name} {more}".rstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter)
        act.add_argument("--json", action="store_true", help="one JSON object on stdout")
        act.add_argument("--root", type=Path, help="the box's root (default: VITRINE_ROOT)")
        act.set_defaults(run=lambda args, run=run: run(args, tell))
        if name == "install":
            act.add_argument("bundle", type=Path, help="a .raucb file, checked by RAUC")
            act.add_argument("--now", action="store_true",
                             help="do not wait for closing time, only for the visitor")


def _status(args: argparse.Namespace, tell: Tell) -> int:
    from ota.system.boot import SYSTEMS

    parts, places = _parts(args)
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
    from ota.system import update

    parts, _ = _parts(args)
    state = update.install(parts, args.bundle)
    begun = update.go_on(parts)
    words = "the box restarts into it" if begun else "it lies ready for closing time"
    tell(args, {"version": state.version, "system": state.system, "begun": begun},
         [f"System {state.version} is written and verified; {words}."])
    return 0


def _start(args: argparse.Namespace, tell: Tell) -> int:
    from ota.clock import boot_id
    from ota.system import keeper, update

    parts, places = _parts(args)
    counts = _tally(places).begin(boot_id())
    seen = keeper.look(parts.control, parts.state.load(),
                       lambda system: update.whole(parts.rauc, system))
    found = keeper.keep(parts.control, seen, parts.note)
    verdict = update.after_start(parts)
    tell(args, {**keeper.as_json(counts, found), "verdict": verdict.value},
         [f"{duty.what} system {duty.system}: {duty.why}" for duty in found])
    return 0


def _stop(args: argparse.Namespace, tell: Tell) -> int:
    _tally(_places(args)).end()
    tell(args, {"noted": True}, ["This machine ends as it should."])
    return 0


def _parts(args: argparse.Namespace) -> tuple[Parts, Roots]:
    """Everything an update of this box's system touches. Raises Refused or Broken elsewhere."""
    from ota.box.daemon import make_gate, make_parts
    from ota.box.install import Settings
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
    places, gate = _places(args), make_gate(_places(args))
    gate.asked = bool(getattr(args, "now", False))
    app = make_parts(places, None, None, Settings(), gate=gate)
    return Parts(
        StateFile(places.var / "ota" / "system"), JetsonBoot(), Rauc(), app.note, _restart,
        waits=lambda: gate() is not None, health=app.health, proven=app.proven, tell=app.tell,
    ), places


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
