"""`vitrine device said`: what this screen said, out of its own log, and whether that holds."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import groupby
from typing import Any

from device.paths import Places

LAST = 20
CA_BYTES_MAX = 65_536


def add_said(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb `said`."""
    parser = verbs.add_parser(
        "said", help="what this screen said, and the proof of it",
        description="What this screen said, out of its own signed log.",
        epilog="example:\n  vitrine device said --last 50\n  vitrine device said --verify --json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--last", type=int, default=LAST, metavar="N",
                        help=f"the newest N lines (default {LAST})")
    parser.add_argument("--verify", action="store_true",
                        help="judge the whole log; exit code 1 when a row was changed")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    rows = stored_rows(Places.from_environment())
    if args.verify:
        return _verify(Places.from_environment(), rows, args.json)
    said = [row for row in rows if row["kind"] in ("played", "live")][-max(1, args.last) :]
    if args.json:
        print(json.dumps({"said": said}, ensure_ascii=False))
        return 0
    for row in said:
        print(line_of(row), file=sys.stderr)
    return 0


def stored_rows(places: Places) -> list[dict[str, Any]]:
    """Every row and head on this box, oldest first. Raises Refused when one cannot be read."""
    import msgspec

    from device.sync.speechlog import as_row, log_files, read_events
    from ota.errors import Refused

    found = []
    for path in log_files(places.var / "proof"):
        try:
            found += [as_row(event) for event in read_events(path)]
        except (msgspec.MsgspecError, OSError) as error:
            raise Refused(f"{path} holds a line that is no row: it was changed, or the disk "
                          f"fails ({error}).") from error
    return found


def line_of(row: dict[str, Any]) -> str:
    """One row for people: when, what, whole or cut off, the label, the words."""
    detail = row["detail"]
    if row["kind"] == "live":
        what, words = "live", f"{detail.get('seconds', 0)} s"
    else:
        kinds = ("segment", "answer", "fallback", "notice")
        named = next((kind for kind in kinds if kind in detail), "?")
        what, words = f"{named}/{detail.get(named, '?')}", str(detail.get("said", "-"))
    whole = "" if detail.get("complete", True) else " (cut off)"
    label = f"AI {detail.get('label_px')} px" if detail.get("label") else "NO AI LABEL"
    began, words = str(detail.get("began", row["at"]))[:19], words.replace("\n", " ")
    return f"{detail.get('n', 0):>6}  {began}  {label:<12} {what}{whole}  {words}"


def _verify(places: Places, rows: list[dict[str, Any]], as_json: bool) -> int:
    from device.sync.identity import load_identity
    from ota.files import read_bounded
    from ota.trust.proof import verify

    identity = load_identity(places.identity)
    authority_pem = read_bounded(identity.folder / "ca.pem", CA_BYTES_MAX)
    box = identity.box.box
    verdicts = [
        verify(box, str(log), list(found), authority_pem)
        for log, found in groupby(rows, lambda row: row["detail"].get("log", ""))
    ]
    holds = bool(verdicts) and all(verdict.holds for verdict in verdicts)
    sentences = [(v.log, f.broken, f.sentence) for v in verdicts for f in v.findings]
    if as_json:
        print(json.dumps({
            "holds": holds, "rows": sum(v.rows for v in verdicts),
            "findings": [{"log": log, "broken": broken, "sentence": sentence}
                         for log, broken, sentence in sentences]}, ensure_ascii=False))
        return 0 if holds else 1
    for verdict in verdicts:
        print(f"log {verdict.log[:8]}: {'holds' if verdict.holds else 'BROKEN'}; {verdict.rows} "
              f"rows, signed to row {verdict.signed_to}", file=sys.stderr)
    for _, broken, sentence in sentences:
        print(f"  {'BROKEN' if broken else 'note'}: {sentence}", file=sys.stderr)
    if not verdicts:
        print("This box has no log of what it said yet.", file=sys.stderr)
    return 0 if holds else 1
