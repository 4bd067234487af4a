"""`vitrine fleet export proof [--verify]`: proof of speech out of the console, and its judgement.

The judge needs no trust in the console: rows, signatures and certificates come from the boxes,
and with `--ca` the chain's authority from wherever its file was kept.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from ota.errors import Refused
from ota.files import read_bounded
from ota.trust.proof import Verdict, verify

CA_BYTES_MAX = 65_536
LINE_BYTES_MAX = 65_536
SHOWN_MAX = 20

Rows = Iterator[dict[str, Any]]


def fetched(client: Any, box: str) -> tuple[bytes, Rows]:
    """The authority that the console names, and all rows by box, log and number."""
    first = client.ask("GET", "/proof", query={"box": box})
    return str(first["authority_pem"]).encode(), _pages(client, box, first)


def _pages(client: Any, box: str, answer: dict[str, Any]) -> Rows:
    while True:
        yield from answer["proof"]
        if answer["next"] is None:
            return
        answer = client.ask(
            "GET", "/proof", query={"box": box, "after": json.dumps(answer["next"])})


def from_file(path: Path) -> Rows:
    """The lines of an export, in the order of the file. Raises Refused with the bad line."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(LINE_BYTES_MAX), b""), 1):
                yield _read(line, number, path)
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}).") from error


def _read(line: bytes, number: int, path: Path) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if not isinstance(row["detail"], dict):
            raise TypeError
        return {name: row[name] for name in ("box", "id", "at", "kind", "detail")}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Refused(f"Line {number} of {path} is no row of an export.") from error


def judged(rows: Iterable[dict[str, Any]], authority_pem: bytes) -> Iterator[Verdict]:
    """One verdict a log. The rows of a log stand together."""
    def owner(row: dict[str, Any]) -> tuple[str, str]:
        return str(row["box"]), str(row["detail"].get("log", ""))

    for (box, log), found in groupby(rows, owner):
        yield verify(box, log, list(found), authority_pem)


def authority(path: str) -> bytes:
    """The chain's CA file. Raises Refused."""
    try:
        return read_bounded(Path(path), CA_BYTES_MAX)
    except OSError as error:
        raise Refused(f"The CA file {path} cannot be read ({error.strerror}).") from error


def tell(verdicts: Iterable[Verdict], as_json: bool) -> int:
    """Print what was found, a line each; exit code 1 when something was changed, or is missing
    without the box's own word, or when there was nothing to judge."""
    holds, told = True, []
    for verdict in verdicts:
        holds = holds and verdict.holds
        told.append(_as_json(verdict))
        if as_json:
            continue
        name = f"{verdict.box} log {verdict.log[:8]}"
        good = "holds" if verdict.holds else "BROKEN"
        print(f"{name}: {good}; {verdict.rows} rows, signed to row {verdict.signed_to} "
              f"({verdict.signed_at or 'never'})", file=sys.stderr)
        shown = sorted(verdict.findings, key=lambda each: not each.broken)[:SHOWN_MAX]
        for finding in shown:
            mark = "BROKEN" if finding.broken else "note"
            print(f"  {mark}: {finding.sentence}", file=sys.stderr)
    if as_json:
        print(json.dumps({"holds": holds and bool(told), "logs": told}, ensure_ascii=False))
    elif not told:
        print("There is no row of proof; nothing was judged.", file=sys.stderr)
    return 0 if holds and told else 1


def _as_json(verdict: Verdict) -> dict[str, Any]:
    found = [{"line": each.line, "broken": each.broken, "sentence": each.sentence}
             for each in verdict.findings]
    return {"box": verdict.box, "log": verdict.log, "rows": verdict.rows, "holds": verdict.holds,
            "signed_to": verdict.signed_to, "signed_at": verdict.signed_at, "findings": found}
