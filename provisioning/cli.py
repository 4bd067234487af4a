"""`vitrine provision`: what a technician does with a box, and on the chain's server for it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

_Commands = argparse._SubParsersAction

EXAMPLES = """examples:
  vitrine provision claim --box shanghai-001 --fleet http://127.0.0.1:8080
  vitrine provision claim --box shanghai-001 --authority fleet-state --png ticket.png
  vitrine provision enrol VITRINE1:...
  vitrine provision selftest
  vitrine provision swap --box shanghai-001
  vitrine provision label --out label.svg
"""


def register(commands: _Commands[argparse.ArgumentParser]) -> None:
    """Add `provision` with its sub-commands."""
    parser = commands.add_parser(
        "provision", help="the technician: enrol, self-test, swap, wipe, label",
        description="Make a box a member of a chain, check it, replace it, retire it.",
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _claim(_verb(verbs, "claim", _run_claim, "make an enrolment ticket for a place", (
        "vitrine provision claim --box shanghai-001 --fleet http://127.0.0.1:8080",
        "vitrine provision claim --box shanghai-001 --authority fleet-state --png ticket.png",
    )))
    enrol = _verb(verbs, "enrol", _run_enrol, "give this box its identity", (
        "vitrine provision enrol VITRINE1:...",
        "vitrine provision enrol --ticket-file ticket.txt --json",
    ))
    _ticket_arguments(enrol)
    enrol.add_argument("--force", action="store_true", help="replace an identity that is there")
    _selftest_arguments(_verb(verbs, "selftest", _run_selftest, "check all, in plain words", (
        "vitrine provision selftest", "vitrine provision selftest --json > report.json",
    )))
    diagnose = _verb(verbs, "diagnose", _run_diagnose, "all facts for a remote expert", (
        "vitrine provision diagnose --out diagnosis.json",
    ))
    diagnose.add_argument("--out", type=Path, help="write the facts here instead of stdout")
    diagnose.add_argument("--json", action="store_true", help="for programs")
    swap = _verb(verbs, "swap", _run_swap, "a new box takes the place of a dead one", (
        "vitrine provision swap --box shanghai-001 --fleet http://127.0.0.1:8080   (at the server)",
        "vitrine provision swap VITRINE1:...                                     (at the new box)",
    ))
    _claim(swap, required=False)
    _ticket_arguments(swap, required=False)
    wipe = _verb(verbs, "wipe", _run_wipe, "remove identity and content from this box", (
        "vitrine provision wipe", "vitrine provision wipe --yes",
    ))
    wipe.add_argument("--yes", action="store_true", help="do not ask")
    wipe.add_argument("--json", action="store_true", help="for programs")
    label = _verb(verbs, "label", _run_label, "a label with the box's id as text and QR", (
        "vitrine provision label --out label.svg", "vitrine provision label --out code.png",
    ))
    label.add_argument("--out", type=Path, required=True, help=".svg: whole label; .png: the QR")
    label.add_argument("--json", action="store_true", help="for programs")


def _verb(
    verbs: _Commands[argparse.ArgumentParser], name: str, run: Any, text: str,
    examples: tuple[str, ...],
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".",
        epilog="examples:\n" + "".join(f"  {example}\n" for example in examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _claim(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument("--box", required=required, help="the place's id, such as shanghai-001")
    source = parser.add_mutually_exclusive_group(required=required)
    source.add_argument("--fleet", metavar="URL", help="address of the console")
    source.add_argument("--authority", type=Path, metavar="DIR", help="folder of the fleet server")
    parser.add_argument("--minutes", type=int, default=60, help="how long the ticket is good")
    parser.add_argument("--token", type=Path, metavar="FILE", help="the console's api-token file")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="authority of an https console")
    parser.add_argument("--png", type=Path, help="write the QR code here (.png or .svg)")
    parser.add_argument("--no-qr", action="store_true", help="no QR code in the terminal")
    parser.add_argument("--json", action="store_true", help="for programs")


def _ticket_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    source = parser.add_mutually_exclusive_group(required=required)
    source.add_argument("ticket", nargs="?", metavar="TICKET", help="the ticket's text, or -")
    source.add_argument("--ticket", dest="ticket_text", help="the same, by name")
    source.add_argument("--ticket-file", type=Path, help="a file with the ticket's text")
    parser.add_argument("--ticket-key", type=Path, help="check its signature with this public key")
    if required:
        parser.add_argument("--json", action="store_true", help="for programs")


def _selftest_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--language", choices=("zh-CN", "en-US"), help="of the sentences")
    parser.add_argument("--only", metavar="CHECK", action="append", default=[],
                        help="screen, sound, microphone, echo, recogniser, network, disk or clock")


def _run_claim(args: argparse.Namespace) -> int:
    from provisioning.claim import claim

    ticket = claim(
        args.box, args.minutes, fleet=args.fleet, authority=args.authority, token=args.token,
        ca=args.ca,
    )
    _show_ticket(ticket.text, ticket.box, ticket.until, args)
    return 0


def _show_ticket(text: str, box: str, until: str, args: argparse.Namespace) -> None:
    from provisioning.qr import terminal_qr, write_qr

    if args.png is not None:
        write_qr(text, args.png)
    if args.json:
        print(json.dumps({"ticket": text, "box": box, "until": until}))
        return
    if not args.no_qr:
        _tell(terminal_qr(text))
    _tell(f"ticket for {box}, good until {until}; at the box: vitrine provision enrol TICKET")
    print(text)


def _run_enrol(args: argparse.Namespace) -> int:
    from device.paths import Places
    from ota.clock import monotonic_s, utc_now
    from ota.trust.keys import PublicKey
    from provisioning.enrol import enrol

    began_s = monotonic_s()
    key = PublicKey.load(args.ticket_key) if args.ticket_key else None
    places = Places.from_environment()
    done = enrol(places, _ticket_text(args), utc_now(), args.force, key, _tell)
    took_s = monotonic_s() - began_s
    if args.json:
        print(json.dumps({
            "ok": True, "chain": done.chain, "box": done.box,
            "certificate_until": done.until.isoformat(), "identity": str(done.folder),
            "took_s": round(took_s, 3),
        }))
    else:
        _tell(f"this box is now {done.chain}/{done.box} ({took_s:.1f} s)")
    return 0


def _ticket_text(args: argparse.Namespace) -> str:
    from ota.errors import Refused
    from ota.files import read_bounded

    if args.ticket_file is not None:
        try:
            return read_bounded(args.ticket_file, 8192).decode("utf-8", "replace")
        except OSError as error:
            raise Refused(f"{args.ticket_file} cannot be read: {error.strerror}.") from error
    text = args.ticket_text or args.ticket
    return sys.stdin.read(8192) if text == "-" else str(text)


def _run_selftest(args: argparse.Namespace) -> int:
    from provisioning.selftest import run_selftest

    return run_selftest(args.language, tuple(args.only), args.json)


def _run_diagnose(args: argparse.Namespace) -> int:
    from device.paths import Places
    from ota.files import write_durable
    from provisioning.diagnose import diagnose

    text = json.dumps(diagnose(Places.from_environment()), ensure_ascii=False, indent=2)
    if args.out is not None:
        write_durable(args.out.absolute(), text.encode() + b"\n")
        _tell(f"written to {args.out}")
    else:
        print(text)
    return 0


def _run_swap(args: argparse.Namespace) -> int:
    """At the server: a new ticket for the same place. At the new box: enrol with it."""
    from ota.errors import Refused

    if args.ticket or args.ticket_text or args.ticket_file:
        args.force = True
        return _run_enrol(args)
    if args.box is None or (args.fleet is None and args.authority is None):
        raise Refused("Give --box and --fleet (at the server), or --ticket (at the new box).")
    _tell(
        f"{args.box} keeps its programme and settings; the old box's certificate is revoked as "
        "soon as the new box enrols with this ticket."
    )
    return _run_claim(args)


def _run_wipe(args: argparse.Namespace) -> int:
    from device.paths import Places
    from ota.errors import Refused
    from provisioning.wipe import wipe

    places = Places.from_environment()
    if not args.yes:
        _tell(f"This removes identity and content under {places.root}. Type `wipe` to go on:")
        if sys.stdin.readline().strip() != "wipe":
            raise Refused("Nothing was removed; type the word, or use --yes.")
    removed = wipe(places)
    if args.json:
        print(json.dumps({"ok": True, "removed": removed}))
    else:
        _tell(f"removed: {', '.join(removed) or 'nothing was there'}")
    return 0


def _run_label(args: argparse.Namespace) -> int:
    from device.paths import Places
    from provisioning.label import write_label

    facts = write_label(Places.from_environment(), args.out)
    if args.json:
        print(json.dumps({"ok": True, **facts}))
    else:
        _tell(f"label of {facts['box']} written to {args.out}")
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
