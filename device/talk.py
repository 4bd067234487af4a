"""`vitrine device talk`: the talk key, for a button that is no keyboard and for trying."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

_SECONDS_MAX = 60.0
HELP = """examples:
  vitrine device talk                   listen until Enter is pressed
  vitrine device talk --seconds 5       listen for 5 s
  vitrine device talk --down            what a button's script calls when it is pressed,
  vitrine device talk --up              and when it is let go
"""


def add_talk(verbs: Any) -> None:
    """Add `device talk`."""
    parser = verbs.add_parser(
        "talk", help="press the talk key of the running kiosk",
        description="Press the talk key of a kiosk whose programme says \"listen\": "
                    "{\"mode\": \"push\"}.",
        epilog=HELP, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--seconds", type=float, help="hold it for so long")
    how.add_argument("--down", action="store_true", help="press it, and leave")
    how.add_argument("--up", action="store_true", help="let it go, and leave")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from device import messages as m
    from device.bus import Bus
    from device.bus.topics import TECHNICIAN
    from device.paths import Places
    from ota.clock import monotonic_ns, sleep_s
    from ota.errors import Refused

    seconds = args.seconds
    if seconds is not None and not 0 < seconds <= _SECONDS_MAX:
        raise Refused(f"The key can be held for up to {_SECONDS_MAX:.0f} s, not {seconds:g}.")
    with Bus(Places.from_environment().run, TECHNICIAN) as bus:

        def talk(pressed: bool) -> None:
            bus.publish(m.Talk(at_ns=monotonic_ns(), pressed=pressed))

        if args.down or args.up:
            talk(args.down)
            return 0
        talk(True)
        try:
            with contextlib.suppress(KeyboardInterrupt):
                if seconds is not None:
                    sleep_s(seconds)
                else:
                    print("Speak, then press Enter. / 请说话,说完按回车。", file=sys.stderr)
                    sys.stdin.readline()
        finally:
            talk(False)
    return 0
