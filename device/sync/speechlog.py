"""What this screen said, in a log that cannot be changed unnoticed: rows chained by hash, heads
signed with the box's key (`ota.trust.proof`).

    var/proof/rows-<first number>.jsonl      an event's JSON a line, heads among them;
                                             an empty line before what was written at once
Appended and fsynced, many rows at once; a power cut tears the last line at most, which is cut off
and named in the next row. Bounded: the oldest files go.
"""

from __future__ import annotations

import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import msgspec

from device.messages import Event
from device.sync.outbox import EVENT_BYTES_MAX
from ota.clock import Deadline
from ota.errors import Refused, Retry, VitrineError
from ota.files import GrowingFile, read_bounded, sync_directory
from ota.trust import dsse, proof
from ota.trust.keys import private_key

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
KINDS = frozenset({"played", "live"})
SIGNED_EVERY_S = 900.0
LINES_A_FILE, FILES_MAX = 4096, 16
FILE_BYTES_MAX = LINES_A_FILE * EVENT_BYTES_MAX
# A box that was told something twice has heard it within its last words.
KNOWN_MAX = 2048
# Room for what a row gets beside the event's own fields.
LINKS_BYTES = 256
GAPS_MAX = 200


class Missed(Protocol):
    """What is needed of `device.sync.outbox.Outbox`."""

    def gone(self, log: str) -> list[int]:
        """Numbers of rows that there was no room for."""
        ...

    def forget_gone(self, log: str, last: int) -> None:
        """Those up to `last` were told."""


@dataclass(frozen=True)
class Signer:
    """Who signs: the box's names, its certificate and the key that belongs to it (PEM)."""

    chain: str
    box: str
    certificate_pem: str
    key_pem: bytes

    @classmethod
    def of(cls, chain: str, box: str, identity: Path) -> Signer:
        """Out of the folder of an identity. Raises Refused when it is incomplete."""
        try:
            certificate = read_bounded(identity / "cert.pem", 16_384).decode("ascii")
            return cls(chain, box, certificate, read_bounded(identity / "key.pem", 16_384))
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"The identity in {identity} is incomplete; enrol again.") from error

    def head(self, log: str, n: int, head: str, at: str) -> Event:
        """A signed head over row `n`."""
        payload = proof.head_payload(self.chain, self.box, log, n, head, at)
        envelope = dsse.sign_with(payload, dsse.PROOF, private_key(self.key_pem)).decode()
        detail = {"log": log, "n": n, "envelope": envelope, "certificate": self.certificate_pem}
        return Event(id=f"{log}-{n}-head", at=at, kind=proof.HEAD, detail=detail)


@dataclass
class _End:
    """Where the log stands."""

    log: str
    n: int = 0
    hash: str = proof.FIRST
    signed_n: int = 0
    lines: int = 0


class SpeechLog:
    """One writer (the agent's thread). `unlogged` counts rows that a full disk could not take:
    they are sent without a place in the log, and the next row that can be written says so."""

    def __init__(
        self, folder: Path, signer: Signer, now: Callable[[], datetime], began: dict[str, Any]
    ) -> None:
        """Takes up what is on the disk; `began` (strings and numbers) tells of this start."""
        self._folder, self._signer, self._now = folder, signer, now
        self._known: OrderedDict[str, None] = OrderedDict()
        self._outbox: Missed | None = None
        self._sign_due = Deadline(SIGNED_EVERY_S)
        self._again: list[Event] = []
        self.unlogged = 0
        self._end, named = self._take_up()
        self._waiting: list[Event] = [self._own(proof.BEGAN, {**began, **named})]

    @property
    def rows(self) -> int:
        """The number of the newest row."""
        return self._end.n

    def chain(self, events: Sequence[Event], sign: bool = False) -> list[Event]:
        """The same events, those that prove speech as rows of the log, and what the log itself has
        to tell: all of it for the outbox, before this is called again. An event that is in the log
        already is left out. `sign` signs all rows now.
        """
        # A player that tells again may do so within one batch.
        once = {event.id: event for event in events}
        fresh = [event for event in once.values() if event.id not in self._known]
        rows = [event for event in fresh if event.kind in KINDS]
        out = [event for event in fresh if event.kind not in KINDS]
        again, self._again = self._again, []
        if sign:
            self._sign_due = Deadline(0.0)
        if rows or self._waiting or self._sign_due.passed:
            out += self._append(rows)
        return [*again, *out]

    def ask_of_gaps(self, outbox: Missed) -> None:
        """Whom to ask, before each signature, which rows never left the box."""
        self._outbox = outbox

    def _append(self, rows: Sequence[Event]) -> list[Event]:
        end, made = replace(self._end), []
        for event in [*self._waiting, *self._unlogged(), *rows]:
            made.append(self._linked(end, event))
            if end.n - end.signed_n >= proof.SIGNED_EVERY_ROWS:
                made += self._signed(end)
        if self._sign_due.passed:
            self._sign_due = Deadline(SIGNED_EVERY_S)
            if end.n > end.signed_n:
                made += self._signed(end)
        try:
            fresh = self._write(made)
        except (Retry, OSError):
            self.unlogged += len(rows)
            return list(rows)
        end.lines = len(made) + (0 if fresh else self._end.lines)
        self._end, self._waiting, self.unlogged = end, [], 0
        for event in made:
            self._remember(event.id)
            if event.kind == proof.DROPPED and self._outbox is not None:
                self._outbox.forget_gone(end.log, event.detail["rows"][-1][1])
        return made

    def _linked(self, end: _End, event: Event) -> Event:
        detail = {**event.detail, "log": end.log, "n": end.n + 1, "before": end.hash}
        row = msgspec.structs.replace(event, detail=detail)
        if len(msgspec.json.encode(row)) > EVENT_BYTES_MAX - LINKS_BYTES:
            kept = {name: detail[name] for name in ("log", "n", "before")}
            row = msgspec.structs.replace(event, detail={**kept, "too_large": True})
        end.n, end.hash = end.n + 1, proof.row_hash(as_row(row))
        return row

    def _signed(self, end: _End) -> list[Event]:
        """A head over all rows so far, and over one that names those that never left the box."""
        gone = spans(self._outbox.gone(end.log))[:GAPS_MAX] if self._outbox is not None else []
        told = [self._linked(end, self._own(proof.DROPPED, {"rows": gone}))] if gone else []
        at = self._now().isoformat(timespec="milliseconds")
        end.signed_n = end.n
        return [*told, self._signer.head(end.log, end.n, end.hash, at)]

    def _unlogged(self) -> list[Event]:
        return [self._own(proof.UNLOGGED, {"rows": self.unlogged})] if self.unlogged else []

    def _own(self, kind: str, detail: dict[str, Any]) -> Event:
        at = self._now().isoformat(timespec="milliseconds")
        return Event(id=secrets.token_hex(12), at=at, kind=kind, detail=detail)

    def _write(self, events: Sequence[Event]) -> bool:
        """One fsync for all of them; True when they begin a file. What was written of a batch that
        failed is cut off again. Raises Retry or OSError."""
        if not events:
            return False
        files = log_files(self._folder)
        fresh = not files or self._end.lines >= LINES_A_FILE
        path = self._folder / f"rows-{self._end.n + 1:012d}.jsonl" if fresh else files[-1]
        lines = [b"", *(msgspec.json.encode(event) for event in events), b""]
        with GrowingFile(path) as file:
            before = file.size_bytes
            try:
                file.write(b"\n".join(lines))
                os.fsync(file.descriptor)
            except (OSError, Retry):
                file.cut_back(before)
                raise
        if fresh:
            sync_directory(self._folder)
            for old in [*files, path][:-FILES_MAX]:
                old.unlink(missing_ok=True)
        return fresh

    def _take_up(self) -> tuple[_End, dict[str, Any]]:
        """Where the log ends, and what has to be said of how it was found."""
        files = log_files(self._folder)
        if not files:
            return _End(secrets.token_hex(8)), {}
        try:
            torn_bytes = mend_tail(files[-1])
            newest = read_events(files[-1])
            older = read_events(files[-2]) if len(files) > 1 else []
            end = _end_of([*older, *newest], len(newest))
        except (VitrineError, OSError, msgspec.MsgspecError, ValueError, KeyError) as error:
            return self._anew(), {"damaged": str(error)[:200]}
        # The last batch may have been killed on its way to the outbox.
        self._again = read_events(files[-1], last_batch=True)
        for event in [*older, *newest][-KNOWN_MAX:]:
            self._remember(event.id)
        return end, {"torn_bytes": torn_bytes} if torn_bytes else {}

    def _anew(self) -> _End:
        """The log was changed or rotted: it is kept for a person, and another one begun."""
        number = 1
        while (aside := self._folder.with_name(f"{self._folder.name}.damaged-{number}")).exists():
            number += 1
        self._folder.replace(aside)
        return _End(secrets.token_hex(8))

    def _remember(self, event_id: str) -> None:
        self._known[event_id] = None
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)


def boot_id() -> str:
    """Of this start of the machine, on whose monotonic clock the rows stand; "" where unknown."""
    try:
        return read_bounded(BOOT_ID, 64).decode("ascii").strip()
    except (OSError, VitrineError, UnicodeDecodeError):
        return ""


def log_files(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("rows-*.jsonl"))


def read_events(path: Path, last_batch: bool = False) -> list[Event]:
    """Whole lines only. Raises Refused (too large) or MsgspecError (not a row)."""
    data = read_bounded(path, FILE_BYTES_MAX)
    if last_batch:
        data = data[max(0, data.rfind(b"\n\n")) :]
    lines = data.split(b"\n")
    return [msgspec.json.decode(line, type=Event) for line in lines[:-1] if line]


def mend_tail(path: Path) -> int:
    """Cut off what a power cut left of a last line; how many bytes that were."""
    data = read_bounded(path, FILE_BYTES_MAX)
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with GrowingFile(path) as file:
            file.cut_back(whole)
            os.fsync(file.descriptor)
    return len(data) - whole


def as_row(event: Event) -> dict[str, Any]:
    """An event as `ota.trust.proof` takes it."""
    return {"id": event.id, "at": event.at, "kind": event.kind, "detail": event.detail}


def spans(numbers: Sequence[int]) -> list[list[int]]:
    """[[first, last], ...] of the numbers, which may come in any order."""
    found: list[list[int]] = []
    for n in sorted(set(numbers)):
        if found and n == found[-1][1] + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return found


def _end_of(events: Sequence[Event], lines: int) -> _End:
    """Raises Refused when the rows do not fit each other."""
    rows = [event for event in events if event.kind != proof.HEAD]
    if not rows:
        raise Refused("The log of what was said has no row.")
    for before, after in pairwise(rows):
        if after.detail.get("before") != proof.row_hash(as_row(before)):
            raise Refused(f"Row {before.detail.get('n')} of the log does not fit the next one.")
    last = rows[-1]
    signed = [int(event.detail["n"]) for event in events if event.kind == proof.HEAD]
    return _End(str(last.detail["log"]), int(last.detail["n"]), proof.row_hash(as_row(last)),
                max(signed, default=int(rows[0].detail["n"]) - 1), lines)
