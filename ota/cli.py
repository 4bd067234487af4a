"""`vitrine ota`: updates, both ends. Publisher: keys, publish. Box: check, install, confirm,
rollback, status, history, daemon."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota.errors import Refused, Retry
from ota.publish import keys_cli, prune_cli, systems_cli
from ota.system import cli as system_cli

if TYPE_CHECKING:
    from ota.box.orders import Order
    from ota.box.sources import Roots

WAIT_S = 900.0
LOOK_S = 0.3
PUBLISH_EXAMPLE = """example:
  vitrine ota publish --repository /srv/vitrine/tuf --keys keys --version 1.4.0
  vitrine ota publish --repository tuf --keys keys --version 1.4.0 --wheels wheels
  vitrine ota publish --repository tuf --keys keys --version 1.4.0 --tree ~/vitrine --not-newest
  vitrine ota publish --repository tuf --keys keys --version 1.4.0 --waves 1%,10%@24h,100%@3d
"""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `ota` and its sub-commands."""
    parser = commands.add_parser(
        "ota",
        help="updates: sign a release, install it, go back",
        description="Updates: sign releases on the publisher's side, install them on a box.",
        epilog="example:\n  vitrine ota status",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    orders = parser.add_subparsers(dest="order", metavar="WHAT", required=True)
    _register_publisher(orders)
    _register_box(orders)


def _register_publisher(orders: Any) -> None:
    words = "the keys of a chain: make, show, rotate, sign"
    keys_cli.register(_add(orders, "keys", keys_cli.run_make, words, keys_cli.EXAMPLE))
    withdraw = _add(orders, "withdraw", _run_withdraw, "take likeness consents back",
                    "vitrine ota withdraw --consent lin-1 --repository tuf --keys keys")
    withdraw.add_argument("--repository", type=Path, required=True, help="the TUF folder")
    withdraw.add_argument("--consent", required=True, action="append", metavar="ID",
                          help="its revocation_id; may repeat")
    keys_cli.change_options(withdraw)
    prune_cli.register(_add(orders, "prune", prune_cli.run, prune_cli.WORDS, prune_cli.EXAMPLE))
    publish = _add(orders, "publish", _run_publish, "sign a release", PUBLISH_EXAMPLE)
    publish.add_argument("--repository", type=Path, required=True, help="the TUF folder")
    publish.add_argument("--version", required=True, help="dotted numbers, higher than before")
    publish.add_argument("--tree", type=Path, help="source tree (default: this code's own)")
    publish.add_argument(
        "--wheels", type=Path, metavar="FOLDER",
        help="the Python packages to ship, as `pip wheel -r requirements/run.txt -w FOLDER` makes "
        "them on such a box; without it a box must have them already",
    )
    publish.add_argument("--needs", type=Path, metavar="FILE", help="JSON list of what it runs on")
    publish.add_argument("--notes", default="", help="one line for the fleet's admin")
    keys_cli.change_options(publish)
    publish.add_argument(
        "--waves", metavar="WAVES", help="at most so fast: 1%%,10%%@24h,100%%@3d (default: all)"
    )
    publish.add_argument(
        "--held", action="store_true", help="with --waves: nobody begins before the console says so"
    )
    publish.add_argument(
        "--not-newest", action="store_true", help="sign it, but do not send boxes to it"
    )
    systems_cli.register(_add(orders, "publish-system", systems_cli.run, systems_cli.WORDS,
                              systems_cli.EXAMPLE))


def _register_box(orders: Any) -> None:
    _add(orders, "check", _run_check, "is there a release for this box", "vitrine ota check --json")
    install = _add(
        orders,
        "install",
        _run_install,
        "install the newest release, or a version",
        "vitrine ota install\n  vitrine ota install --from /media/stick",
    )
    install.add_argument("--version", help="a signed version instead of the newest")
    install.add_argument(
        "--from",
        dest="stick",
        type=Path,
        metavar="FOLDER",
        help="the signed repository on a stick, instead of the chain's server",
    )
    install.add_argument(
        "--now", action="store_true", help="do not wait for closing time, only for the visitor"
    )
    _add(orders, "confirm", _run_order, "keep the release on trial", "vitrine ota confirm")
    _add(orders, "rollback", _run_order,
         "end a trial, put off what lies ready, or go back to the release before",
         "vitrine ota rollback")
    _add(
        orders,
        "status",
        _run_status,
        "what runs, and where an update stands",
        "vitrine ota status --json",
    )
    history = _add(
        orders,
        "history",
        _run_history,
        "what happened to this box's software",
        "vitrine ota history --last 20",
    )
    history.add_argument("--last", type=int, default=50, help="how many lines (default 50)")
    daemon = _add(
        orders,
        "daemon",
        _run_daemon,
        "the updater itself (the supervisor starts it)",
        "vitrine ota daemon",
    )
    daemon.add_argument("--show-s", type=float, help="longest time without a picture in a trial")
    daemon.add_argument("--hold-s", type=float, help="how long a trial must be healthy")
    system_cli.register(orders, keys_cli.tell, _follow)


def _add(
    orders: Any, name: str, run: Callable[[argparse.Namespace], int], words: str, example: str
) -> argparse.ArgumentParser:
    text = example if example.startswith("example") else f"example:\n  {example}"
    parser: argparse.ArgumentParser = orders.add_parser(
        name,
        help=words,
        description=f"{words[0].upper()}{words[1:]}.",
        epilog=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    if name not in ("keys", "prune", "publish", "publish-system", "withdraw"):
        parser.add_argument("--root", type=Path, help="the box's root (default: VITRINE_ROOT)")
    parser.set_defaults(run=run)
    return parser


def _run_withdraw(args: argparse.Namespace) -> int:
    from ota.publish.ceremony import listing
    from ota.publish.withdraw import add

    repository = keys_cli.open_for_change(args)
    add(repository, args.consent)
    return keys_cli.finish(args, repository, listing(repository, "avatars"))


def _run_publish(args: argparse.Namespace) -> int:
    from ota.clock import utc_now
    from ota.publish.collecting import Collecting
    from ota.publish.keyring import thresholds_in
    from ota.publish.release import build, publish, read_needs
    from ota.publish.repository import ROLES, Repository
    from ota.publish.spread import plan_of, sign_plan
    from ota.trust.consent import check_tree

    keys = keys_cli.hands(args, ROLES)
    tree = args.tree or Path(__file__).resolve().parent.parent
    check_tree(tree, utc_now())
    if (args.repository / "metadata" / "timestamp.json").exists():
        opened = Collecting if args.export else Repository
        repository = opened.open(args.repository, keys)
    else:
        repository = Repository.create(args.repository, keys, thresholds_in(args.keys))
    artefact = args.repository / ".release.tar"
    try:
        release = build(tree, args.version, artefact, notes=args.notes, wheels=args.wheels,
                        needs=read_needs(args.needs))
        plan = plan_of(args, utc_now())
        # What makes the ways lies above this folder; the dispatcher hands it in.
        publish(repository, release, newest=plan is None and not args.not_newest,
                shorten=getattr(args, "shorten", None))
        if plan is not None or not args.not_newest:
            sign_plan(repository, plan)
    finally:
        artefact.unlink(missing_ok=True)
    if isinstance(repository, Collecting):
        return keys_cli.finish(args, repository, repository.change("releases"))
    manifest = release.manifest
    size_mb = manifest.artefact.bytes / 1e6
    told = {
        **release.told(),
        "newest": not args.not_newest,
        "waves": args.waves,
        "at": utc_now().isoformat(timespec="seconds"),
    }
    words = "signed" if args.not_newest else "signed, and every box is sent to it"
    words = f"signed, and boxes are sent to it in waves ({args.waves})" if args.waves else words
    keys_cli.tell(
        args,
        told,
        [
            f"Release {manifest.version}: {len(manifest.files)} files, {size_mb:.1f} MB, {words}.",
            f"For {manifest.environment or 'any box with the packages of its list'}; "
            f"bill of materials in {args.repository / 'sbom'}.",
        ],
    )
    return 0


def _run_check(args: argparse.Namespace) -> int:
    from ota.box.daemon import machine_of
    from ota.box.install import find_offer, objection
    from ota.box.sources import open_source
    from ota.box.state import StateFile
    from ota.floor import FloorClock

    places = _places(args)
    source = open_source(places, FloorClock(places.var / "clock"))
    offer = find_offer(source)
    state = StateFile(places.var / "ota").load()
    against = objection(state, offer, machine_of(places))
    told = {
        "running": state.good_version if state.good else None,
        "newest": offer.version,
        "bytes": offer.manifest.artefact.bytes,
        "install": against is None,
        "reason": against,
    }
    size_mb = offer.manifest.artefact.bytes / 1e6
    sentence = (
        f"Release {offer.version} ({size_mb:.1f} MB) can be installed: vitrine ota install"
        if against is None
        else f"Nothing to install: {against}."
    )
    keys_cli.tell(args, told, [sentence])
    return 0


def _run_install(args: argparse.Namespace) -> int:
    from ota.box.orders import Order

    if args.stick is not None and not (args.stick / "metadata" / "timestamp.json").is_file():
        raise Refused(f"{args.stick} holds no signed repository; copy the fleet's `tuf` folder.")
    stick = None if args.stick is None else str(args.stick.absolute())
    return _ordered(args, Order("install", args.version, stick, "now" if args.now else None))


def _run_order(args: argparse.Namespace) -> int:
    from ota.box.orders import Order

    return _ordered(args, Order(args.order))


def _ordered(args: argparse.Namespace, order: Order) -> int:
    """By the running updater where there is one, else by ourselves."""
    from ota.box.daemon import apply_alone
    from ota.box.install import Settings
    from ota.box.orders import give_order
    from ota.floor import lock_taken

    places = _places(args)
    if lock_taken(places.var / "ota" / "lock"):
        give_order(places.run, order)
        message = _follow(args, places)
    else:
        message = apply_alone(places, order, Settings(), system_cli.beside(places))
    told = _status(places)
    keys_cli.tell(args, {"ok": True, "message": message, **told}, [message])
    return 0


def _follow(args: argparse.Namespace, places: Roots) -> str:
    """Show the updater's progress until it is idle again."""
    from ota.box.orders import read_progress
    from ota.box.words import progress_line
    from ota.clock import Deadline, sleep_s

    deadline = Deadline(WAIT_S)
    shown = ""
    while not deadline.passed:
        now = read_progress(places.run)
        what, message = str(now.get("what", "")), str(now.get("message", ""))
        if what == "idle":
            if now.get("failed"):
                raise Refused(message)
            return message or "there was nothing to do"
        done, whole = int(now.get("done", 0)), int(now.get("whole", 0))
        line = progress_line(what, done, whole, _language(args))
        if line != shown and not args.json:
            print(f"\r\x1b[K{line}" if sys.stderr.isatty() else line, end="", file=sys.stderr)
            print("" if sys.stderr.isatty() else "\n", end="", file=sys.stderr, flush=True)
            shown = line
        sleep_s(LOOK_S)
    raise Retry("The updater is still at work; `vitrine ota status` says how far it is.")


def _run_status(args: argparse.Namespace) -> int:
    from ota.box.words import status_lines
    from ota.system.words import system_lines

    told = _status(_places(args))
    lines = status_lines(told, _language(args)) + system_lines(told["system"], _language(args))
    keys_cli.tell(args, told, lines)
    return 0


def _status(places: Roots) -> dict[str, Any]:
    from ota.box.orders import read_progress, release_and_slot
    from ota.box.slots import DirectorySlots
    from ota.box.state import SLOTS, StateFile
    from ota.box.words import waits_told
    from ota.system.words import system_facts

    state = StateFile(places.var / "ota").load()
    slots = DirectorySlots(places.opt)
    running, slot = release_and_slot(places.var)
    return {
        "running": running,
        "slot": slot,
        "active": slots.active(),
        "previous": state.previous_version if state.previous else None,
        "phase": state.phase.value,
        "version": state.version or None,
        "floor": state.floor,
        "refused": list(state.refused),
        "reason": state.reason or None,
        "waits": waits_told(read_progress(places.run)) if state.phase.value == "waiting" else None,
        "slots": {name: slots.version(name) for name in SLOTS},
        "progress": read_progress(places.run),
        "system": system_facts(places.var),
    }


def _run_history(args: argparse.Namespace) -> int:
    from ota.box.words import history_lines
    from ota.history import History

    history = History(_places(args).var / "ota")
    entries = history.entries()[-max(1, args.last) :]
    broken = history.broken_at()
    told = {
        "entries": [
            {"n": e.number, "at": e.at, "what": e.what, "detail": e.detail} for e in entries
        ],
        "broken_at": broken,
    }
    lines = history_lines(entries, broken, _language(args))
    keys_cli.tell(args, told, lines)
    return 0 if broken is None else 1


def _run_daemon(args: argparse.Namespace) -> int:
    import signal
    import threading
    from dataclasses import replace

    from ota.box.daemon import run
    from ota.box.install import Settings

    leaving = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: leaving.set())
    settings = Settings()
    if args.show_s is not None:
        settings = replace(settings, show_s=args.show_s)
    if args.hold_s is not None:
        settings = replace(settings, hold_s=args.hold_s)
    return run(
        _places(args),
        settings=settings,
        beside=system_cli.beside(_places(args)),
        stop=leaving.is_set,
        say=lambda text: print(f"ota: {text}", file=sys.stderr, flush=True),
    )


def _language(args: argparse.Namespace) -> str:
    # As with the places: only the dispatcher knows the reader's locale.
    return str(getattr(args, "language", "en-US"))


def _places(args: argparse.Namespace) -> Roots:
    # The dispatcher knows the environment (VITRINE_ROOT); this folder does not read it.
    places: Roots = args.places(args.root)
    return places
