"""`vitrine fleet rollout`: begin the roll-out of a signed release, look at it, hold it back."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

ROLLOUT_HELP = "begin, look at, pause, resume or stop the roll-out of a signed release"
ROLLOUT_EXAMPLE = """vitrine fleet rollout start 1.4.0 --waves 1%,10%@24h,100%@3d
  vitrine fleet rollout start 1.4.0 --waves 100% --group 'shanghai-*' --window 02:00-05:00
  vitrine fleet rollout status --json
  vitrine fleet rollout pause --reason 'shop 12 says the picture flickers'
  vitrine fleet rollout start 36.5.1 --system --waves 1%,100%@3d
  vitrine fleet rollout resume
  vitrine fleet rollout stop"""
ACTIONS = ("start", "status", "pause", "resume", "stop")


def add_rollout(
    parser: argparse.ArgumentParser,
    connect: Callable[[argparse.ArgumentParser, Any], None],
    client: Callable[[argparse.Namespace], Any],
) -> None:
    """Arguments of the command; `connect` adds where the console is, `client` opens it."""
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("release", nargs="?", default="", help="the signed release, for `start`")
    parser.add_argument("--system", action="store_true", help="a system, not a release")
    parser.add_argument("--waves", default="100%", help="like 1%%,10%%@24h,100%%@3d")
    parser.add_argument(
        "--group", action="append", default=[], metavar="PATTERN", help="only boxes like shanghai-*"
    )
    parser.add_argument("--window", default="", help="local time for the switch: 02:00-05:00")
    parser.add_argument(
        "--error-budget", type=float, default=2.0, metavar="PERCENT",
        help="pause by itself when more of the boxes that tried it took it back (default 2)",
    )
    parser.add_argument(
        "--pin", action="append", default=[], metavar="BOX=VERSION",
        help="this box takes that version or nothing",
    )
    parser.add_argument("--reason", default="", help="why, for the audit and the page")
    connect(parser, lambda args: run_rollout(args, client(args)))


def run_rollout(args: argparse.Namespace, client: Any) -> int:
    """Exit 0 when it was done; the state goes to stderr, with --json to stdout."""
    if args.action == "status":
        told = client.ask("GET", "/rollouts", None, {"kind": _kind(args)})
    else:
        told = client.ask("POST", "/rollouts", wanted(args))
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n".join(lines(told)), file=sys.stderr)
    return 0


def wanted(args: argparse.Namespace) -> dict[str, Any]:
    """The request of these arguments. Raises Refused."""
    from ota.errors import Refused

    pins = dict(pin.partition("=")[::2] for pin in args.pin)
    if args.action == "start" and not args.release:
        raise Refused("Name the release: vitrine fleet rollout start 1.4.0 --waves 1%,100%@3d")
    if not all(pins.values()):
        raise Refused("A pin is BOX=VERSION, for example --pin shanghai-001=1.3.0.")
    return {
        "action": args.action,
        "kind": _kind(args),
        "release": args.release,
        "waves": args.waves,
        "groups": args.group,
        "window": args.window,
        "error_budget_percent": args.error_budget,
        "pins": pins,
        "reason": args.reason,
    }


def _kind(args: argparse.Namespace) -> str:
    return "system" if args.system else "release"


def lines(told: dict[str, Any]) -> list[str]:
    """The state for people."""
    if not told["release"]:
        return ["Nothing has been signed for a roll-out yet; sign it with `vitrine ota publish` or "
                "`vitrine ota publish-system --waves`."]
    boxes = told["boxes"]
    found = [
        f"release {told['release']}: {told['state']}"
        + (f" ({told['reason']})" if told["reason"] else ""),
        f"reached {boxes['reached']} of {boxes['boxes']} boxes (up to {told['share_percent']:g} %);"
        f" confirmed {boxes['runs']}, on trial {boxes['tries']}, waiting {boxes['waits']},"
        f" taken back {boxes['failed']}",
    ]
    for phase in told["phases"]:
        begun = "begun" if phase["begun"] else "begins"
        found.append(
            f"  up to {phase['percent']:5g} %  {begun} {phase['at']}  boxes {phase['boxes']}"
            f"  confirmed {phase['runs']}  taken back {phase['failed']}"
        )
    return found
