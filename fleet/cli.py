"""`vitrine fleet`: start the server, and its scripting face over `/api/v1`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from fleet.rollout_cli import ROLLOUT_EXAMPLE, ROLLOUT_HELP, add_rollout

DEFAULT_URL = "http://127.0.0.1:8080"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `fleet` and its sub-commands."""
    fleet = _parser(
        commands,
        "fleet",
        "the chain's server and its scripting face",
        "vitrine fleet serve --state ~/vitrine-fleet",
    )
    parts = fleet.add_subparsers(required=True, metavar="COMMAND")
    _register_serve(parts)
    boxes = _parser(parts, "boxes", "list boxes", "vitrine fleet boxes --only silent --json")
    boxes.add_argument("--only", choices=("on_air", "silent", "drifted", "unlabelled"))
    boxes.add_argument("--find", metavar="TEXT", help="part of an id or a name")
    _connect(boxes, run_boxes)
    publish = _parser(
        parts,
        "publish",
        "publish a programme's draft, or a folder's programme.json",
        "vitrine fleet publish tea-shop --from programmes/tea-shop --note 'new price'",
    )
    publish.add_argument("programme")
    publish.add_argument(
        "--from",
        dest="folder",
        type=Path,
        metavar="DIR",
        help="take programme.json of this folder as the draft first",
    )
    publish.add_argument("--back-to", type=int, metavar="N", help="publish version N again")
    publish.add_argument("--note", default="", help="what changed")
    _connect(publish, run_publish)
    add_rollout(_parser(parts, "rollout", ROLLOUT_HELP, ROLLOUT_EXAMPLE), _connect, _client)
    stick = _parser(
        parts,
        "stick",
        "write everything signed onto a USB stick, for shops without a line",
        "vitrine fleet stick --state ~/vitrine-fleet --to /media/stick",
    )
    stick.add_argument("--state", type=Path, required=True, help="the server's folder")
    stick.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the stick")
    stick.set_defaults(run=run_stick)
    command = _parser(
        parts,
        "command",
        "send one command to a box and wait for its answer",
        "vitrine fleet command shanghai-001 volume volume=0.6\n"
        "  vitrine fleet command shanghai-001 say segment=welcome",
    )
    command.add_argument("box")
    command.add_argument("name")
    command.add_argument("args", nargs="*", metavar="NAME=VALUE", help="JSON values or words")
    command.add_argument("--wait", type=int, default=15, metavar="S", help="seconds (default 15)")
    _connect(command, run_command)
    _register_export(parts)


def run_serve(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from fleet.serve import run

    return run(
        args.state,
        chain=args.chain,
        host=args.host,
        http_port=args.http_port,
        https_port=args.https_port,
        broker_port=args.broker_port,
        with_broker=not args.no_broker,
        first=args.programme,
        bind=args.bind,
        preview_url=args.preview_url,
    )


def run_stick(args: argparse.Namespace) -> int:
    """Bring a stick up to date from the server's own files."""
    from fleet.places import FleetPlaces
    from fleet.stick import write_stick
    from fleet.store.boxes import Boxes
    from fleet.store.database import Database

    places = FleetPlaces(args.state.absolute())
    places.read_settings()
    written = write_stick(places, Boxes(Database(places.database)).envelopes(), args.to)
    print(
        f"{args.to}: {written.files} files, {written.bytes_new / 1e6:.1f} MB of them new, for "
        f"{written.boxes} boxes. At the box: vitrine device import --from {args.to}",
        file=sys.stderr,
    )
    return 0


def run_boxes(args: argparse.Namespace) -> int:
    """One line a box: state, sequence found/wanted, what it says."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        query = {"q": args.find or "", "only": args.only or "", "after": after, "limit": 500}
        answer = _client(args).ask("GET", "/boxes", query=query)
        found += answer["boxes"]
        after = answer["next"] or ""
        if not after:
            break
    if args.json:
        return _print({"boxes": found, "counts": answer["counts"]})
    for box in found:
        state = "on air" if box["online"] else "silent"
        seq = f"{box['reported_seq']}/{box['desired_seq']}"
        saying = box["player"].get("saying") or "-"
        print(f"{box['id']:<24} {state:<8} {seq:>9}  {saying}")
    if not found:
        print("No boxes; make a ticket with `vitrine provision claim`.", file=sys.stderr)
    return 0


def run_publish(args: argparse.Namespace) -> int:
    """Exit 1 with the faults when the draft may not be published."""
    from ota.errors import Refused
    from ota.files import read_bounded

    client = _client(args)
    if args.folder:
        try:
            document = json.loads(read_bounded(args.folder / "programme.json", 4 << 20))
        except (OSError, ValueError) as error:
            raise Refused(f"{args.folder}/programme.json cannot be read ({error}).") from error
        client.ask("PUT", f"/programmes/{args.programme}", {"document": document})
    body = {"note": args.note, "back_to": args.back_to}
    answer = client.ask("POST", f"/programmes/{args.programme}/publish", body)
    if args.json:
        return _print(answer)
    print(
        f"{answer['programme']} version {answer['version']} is published "
        f"({answer['took_ms'] / 1000:.1f} s, {answer['bytes_new'] / 1024:.0f} kB new).",
        file=sys.stderr,
    )
    return 0


def run_command(args: argparse.Namespace) -> int:
    """Exit 0 when the box did it, 1 when it refused or did not answer in time."""
    from ota.errors import Refused

    values: dict[str, Any] = {}
    for part in args.args:
        name, equals, text = part.partition("=")
        if not equals:
            raise Refused(f"{part!r} is not NAME=VALUE.")
        values[name] = _value(text)
    body = {"name": args.name, "args": values}
    answer = _client(args).ask(
        "POST", f"/boxes/{args.box}/commands", body, {"wait_s": min(30, args.wait)}
    )
    if args.json:
        _print(answer)
    elif answer.get("ok") is None:
        print(f"{args.box} did not answer within {args.wait} s.", file=sys.stderr)
    else:
        print(json.dumps(answer["result"], ensure_ascii=False))
    return 0 if answer.get("ok") else 1


def run_export(args: argparse.Namespace) -> int:
    """JSON lines on stdout; with --json one object."""
    from ota.errors import Refused

    if args.verify or args.what == "proof":
        return _export_proof(args)
    if args.what is None:
        raise Refused("Name what to export: events, played, proof or audit.")
    query = {"box": args.box, "limit": 5000}
    if args.day:
        query["day"] = args.day
    answer = _client(args).ask("GET", f"/{args.what}", query=query)
    if args.json:
        return _print(answer)
    for line in answer[args.what]:
        print(json.dumps(line, ensure_ascii=False))
    return 0


def _export_proof(args: argparse.Namespace) -> int:
    """Rows by box and number, or what is to be held of them."""
    from fleet import verify
    from ota.errors import Refused

    if args.file is not None:
        if not args.verify or not args.ca:
            raise Refused("--from goes with --verify and --ca: whose signatures are to be good?")
        rows = verify.from_file(args.file)
        return verify.tell(verify.judged(rows, verify.authority(args.ca)), args.json)
    named, rows = verify.fetched(_client(args), args.box)
    if args.verify:
        trusted = verify.authority(args.ca) if args.ca else named
        return verify.tell(verify.judged(rows, trusted), args.json)
    if args.json:
        return _print({"proof": list(rows)})
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    return 0


def _register_serve(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = _parser(
        parts,
        "serve",
        "run authority, broker, publisher and console",
        "vitrine fleet serve --state ~/vitrine-fleet --host fleet.example.com --bind 0.0.0.0",
    )
    serve.add_argument(
        "--state",
        type=Path,
        required=True,
        metavar="DIR",
        help="keys, database and repository; made at the first start",
    )
    serve.add_argument("--chain", default="tea", help="name of the chain (first start only)")
    serve.add_argument("--host", default="127.0.0.1", help="name under which boxes reach this")
    serve.add_argument("--bind", default="127.0.0.1", help="address of the HTTPS listener")
    serve.add_argument("--http-port", type=int, default=8080, help="console, loopback only")
    serve.add_argument("--https-port", type=int, default=8443, help="enrolment, content, API")
    serve.add_argument("--broker-port", type=int, default=8883, help="MQTT over TLS")
    serve.add_argument("--no-broker", action="store_true", help="the broker runs elsewhere")
    serve.add_argument(
        "--programme",
        type=Path,
        metavar="DIR",
        help="programme of a new fleet (default programmes/tea-shop)",
    )
    serve.add_argument(
        "--preview-url",
        default="",
        metavar="URL",
        help="live picture of a box, linked on its page; {box} is its id",
    )
    serve.set_defaults(run=run_serve)


def _register_export(parts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = _parser(
        parts,
        "export",
        "events, proof of play, proof of speech or audit as JSON lines",
        "vitrine fleet export played --day 2026-11-20 > played.jsonl\n"
        "  vitrine fleet export --verify --box shanghai-001 --ca ca.pem\n"
        "  vitrine fleet export proof > proof.jsonl\n"
        "  vitrine fleet export --verify --from proof.jsonl --ca ca.pem",
    )
    export.add_argument("what", nargs="?", choices=("events", "played", "audit", "proof"))
    export.add_argument("--day", help="UTC day for `played` (default today)")
    export.add_argument("--box", default="")
    export.add_argument("--verify", action="store_true",
                        help="judge the proof of speech: exit 1 when a row was changed")
    export.add_argument("--from", dest="file", type=Path, metavar="FILE",
                        help="judge an export instead of what the console has")
    _connect(export, run_export)


def _parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, help_: str, eg: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help_,
        description=help_[0].upper() + help_[1:] + ".",
        epilog=f"example:\n  {eg}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _connect(parser: argparse.ArgumentParser, run: Any) -> None:
    parser.add_argument("--url", default=DEFAULT_URL, help=f"the console (default {DEFAULT_URL})")
    parser.add_argument("--token-file", type=Path, help="state/api-token, from another machine")
    parser.add_argument("--ca", default="", help="state/authority/ca.pem, for https URLs")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=run)


def _client(args: argparse.Namespace) -> Any:
    from fleet.client import FleetClient
    from ota.errors import Refused
    from ota.files import read_bounded

    token = ""
    if args.token_file:
        try:
            token = read_bounded(args.token_file, 256).decode().strip()
        except OSError as error:
            raise Refused(f"{args.token_file} cannot be read ({error.strerror}).") from error
    return FleetClient(args.url, token, args.ca)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _print(value: Any) -> int:
    print(json.dumps(value, ensure_ascii=False))
    return 0
