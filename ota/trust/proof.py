"""Proof of speech: rows that vouch for the row before, and heads that a box has signed. Pure.

A row is an event's JSON: {"id", "at", "kind", "detail"}, where `detail` also holds `log` (which
log), `n` (1, 2, ...) and `before` (the sha256 of row n - 1, FIRST for row 1). A head is the kind
HEAD: `detail` holds `log`, `n`, `envelope` (DSSE over `head_payload`, signed with the box's key)
and `certificate`, which the chain's authority gave that key. docs/adr/0009 has the reasons.
"""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import certified_key, issued_name

FIRST = "0" * 64
BEGAN, DROPPED, UNLOGGED, HEAD = "proof-began", "proof-dropped", "proof-unlogged", "proof-head"
SIGNED_EVERY_ROWS = 64
# A head may be on its way while the next rows are here already.
UNSIGNED_ROWS_MAX = 2 * SIGNED_EVERY_ROWS

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that the proof says. `broken`: somebody changed what stood there."""

    line: int
    broken: bool
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What is proved of one log: rows seen, the last one that a good signature covers."""

    box: str
    log: str
    rows: int
    signed_to: int
    signed_at: str
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """True when nothing was changed, taken out, put in or moved."""
        return not any(finding.broken for finding in self.findings)


def row_hash(row: Row) -> str:
    """Of the four fields alone, their keys sorted: the same before and after any JSON library."""
    body = {name: row[name] for name in ("id", "at", "kind", "detail")}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def head_payload(chain: str, box: str, log: str, n: int, head: str, at: str) -> bytes:
    """What is signed: row `n` of this box's log has the hash `head`, and so have all before."""
    body = {"chain": chain, "box": box, "log": log, "n": n, "head": head, "at": at}
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def verify(box: str, log: str, rows: Sequence[Row], authority_pem: bytes) -> Verdict:
    """Judge one log's rows and heads in the order in which they were kept.

    `authority_pem` is the chain's CA, trusted. Rows before the first one that is here, and rows
    that the box says it had to drop, are gaps: named, not broken. The newest rows may be unsigned.
    """
    said = [row for row in rows if row.get("kind") != HEAD]
    findings: list[Finding] = []
    by_number = _numbered(said, findings)
    numbers = sorted(by_number)
    hashes = {n: row_hash(by_number[n]) for n in numbers}
    certificates = _Certificates(box, authority_pem)
    signed = _good_heads(box, log, rows, certificates, hashes, findings)
    dropped = _dropped(said)
    findings += _links(by_number, numbers, hashes, dropped)
    findings += _unsigned(numbers, [n for n, _ in signed])
    signed_to, signed_at = max(signed, default=(0, ""))
    findings.sort(key=lambda each: each.line)
    return Verdict(box, log, len(numbers), signed_to, signed_at, tuple(findings))


def _numbered(said: Sequence[Row], findings: list[Finding]) -> dict[int, Row]:
    """Rows by their number; two of a number, or a wrong order, are found here."""
    by_number: dict[int, Row] = {}
    last = 0
    for row in said:
        n = number_of(row)
        if n is None:
            findings.append(Finding(0, True, f"Row {row.get('id')!r} has no number: put in."))
            continue
        if n in by_number:
            if row_hash(row) != row_hash(by_number[n]):
                findings.append(Finding(n, True, f"There are two rows {n}: one was put in."))
            continue
        if n < last:
            findings.append(Finding(n, True, f"Row {n} stands after row {last}: moved."))
        by_number[n], last = row, max(n, last)
    return by_number


def number_of(row: Row) -> int | None:
    """The row's number, None for nonsense."""
    detail = row.get("detail")
    n = detail.get("n") if isinstance(detail, Mapping) else None
    return n if isinstance(n, int) and not isinstance(n, bool) and n > 0 else None


class _Certificates:
    """The keys that certificates of this box prove, each judged once."""

    def __init__(self, box: str, authority_pem: bytes) -> None:
        self._box, self._authority_pem = box, authority_pem
        self._known: dict[str, dsse.Key] = {}

    def key(self, pem: str, at: datetime) -> dsse.Key:
        """Raises Refused or ValueError for a stranger's, or another box's."""
        if pem not in self._known:
            name = issued_name(ssl.PEM_cert_to_DER_cert(pem), self._authority_pem, at)
            if name != self._box:
                raise Refused(f"its certificate is that of {name}")
            self._known[pem] = dsse.foreign_key(certified_key(pem.encode()))
        return self._known[pem]


def _good_heads(
    box: str, log: str, rows: Sequence[Row], certificates: _Certificates,
    hashes: Mapping[int, str], findings: list[Finding],
) -> list[tuple[int, str]]:
    """(n, at) of each head with a good signature over the row that is here."""
    good = []
    for row in rows:
        if row.get("kind") != HEAD:
            continue
        n = number_of(row) or 0
        try:
            key = certificates.key(
                str(row["detail"]["certificate"]), datetime.fromisoformat(str(row["at"])))
            envelope = str(row["detail"]["envelope"]).encode()
            body = json.loads(dsse.verify_with(envelope, dsse.PROOF, [key]))
            told = (row["detail"].get("log"), row["at"])
            if (body["box"], body["log"], body["n"]) != (box, log, n) or told != (log, body["at"]):
                raise Refused("it was signed for another place")
        except (Refused, ValueError, KeyError, TypeError) as error:
            findings.append(Finding(n, True, f"The signature over row {n} is not good: {error}"))
            continue
        if n in hashes and hashes[n] != body["head"]:
            findings.append(Finding(n, True, f"Row {n}, or one before it, was changed after the "
                                             f"box had signed it at {body['at']}."))
        elif n in hashes:
            good.append((n, str(body["at"])))
    return good


def _dropped(said: Sequence[Row]) -> set[int]:
    """The numbers of rows that the box says never left it."""
    found: set[int] = set()
    for row in said:
        if row["kind"] == DROPPED:
            for first, last in row["detail"].get("rows", []):
                found.update(range(int(first), int(last) + 1))
    return found


def _links(
    by_number: Mapping[int, Row], numbers: Sequence[int], hashes: Mapping[int, str],
    dropped: set[int],
) -> Iterator[Finding]:
    if numbers and numbers[0] > 1:
        yield Finding(1, False, f"Rows 1 to {numbers[0] - 1} are older than what is kept here.")
    if numbers and numbers[0] == 1 and by_number[1]["detail"].get("before") != FIRST:
        yield Finding(1, True, "Row 1 is not the first one: it was changed.")
    for last, n in pairwise(numbers):
        if n == last + 1:
            if by_number[n]["detail"].get("before") != hashes[last]:
                yield Finding(last, True, f"Row {last} does not fit row {n}: it was changed.")
            continue
        gone = range(last + 1, n)
        one = len(gone) == 1
        name = f"Row {gone[0]} is" if one else f"Rows {gone[0]} to {gone[-1]} are"
        if dropped.issuperset(gone):
            those = "it" if one else "them"
            yield Finding(gone[0], False, f"{name} missing: the box was full and dropped {those}.")
        else:
            yield Finding(gone[0], True, f"{name} missing: taken out.")


def _unsigned(numbers: Sequence[int], signed: Sequence[int]) -> Iterator[Finding]:
    """Each run of rows without a gap is covered up to its last signed row."""
    covers = set(signed)
    for first, last in _runs(numbers):
        upto = max((n for n in covers if first <= n <= last), default=first - 1)
        if upto == last:
            continue
        newest = last == numbers[-1]
        words = f"Rows {upto + 1} to {last}" if upto + 1 < last else f"Row {last}"
        if newest and last - upto > UNSIGNED_ROWS_MAX:
            yield Finding(upto + 1, True, f"{words}: no signature of the box covers them.")
        elif newest:
            yield Finding(upto + 1, False, f"{words}: not signed yet.")
        else:
            yield Finding(upto + 1, False, f"{words} stand before a gap: not covered.")


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = None
    for n, after in zip(numbers, [*numbers[1:], None], strict=True):
        begin = n if begin is None else begin
        if after != n + 1:
            yield begin, n
            begin = None
