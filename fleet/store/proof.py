"""Proof of speech as the boxes sent it: rows and signed heads, never changed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from device.messages import Event
from fleet.store.database import Database, Row
from ota.trust import proof

# About 900 bytes each, indexes with it; `vitrine fleet export proof` keeps what is older.
ROWS_KEPT = 5_000_000
PAGE = 2000
LOG_CHARS_MAX = 64
# What SQLite and every JSON library can hold.
NUMBER_MAX = 2**53

Place = tuple[str, str, int, int, str]
BEGIN: Place = ("", "", 0, 0, "")


@dataclass(frozen=True)
class ProofRow:
    """One row or head of one box; `place` is where it stands in the order of all."""

    box: str
    log: str
    id: str
    at: str
    kind: str
    detail: dict[str, Any]
    place: Place

    def as_json(self) -> dict[str, Any]:
        """As it is exported: what `ota.trust.proof` verifies, and whose it is."""
        return {"box": self.box, "id": self.id, "at": self.at, "kind": self.kind,
                "detail": self.detail}


class Proof:
    """Queries of the table `proof`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, box: str = "", after: Place = BEGIN, limit: int = PAGE) -> list[ProofRow]:
        """By box, log and number, after a place; of one box, or of all."""
        rows = self._database.all(
            "select * from proof where (box, log, n, head, id) > (?,?,?,?,?) and (?='' or box=?)"
            " order by box, log, n, head, id limit ?",
            (*after, box, box, limit),
        )
        return [_row(row) for row in rows]

    def said(self, box: str, limit: int = 20) -> list[ProofRow]:
        """What a screen said last, newest first."""
        rows = self._database.all(
            "select * from proof where box=? and kind in ('played','live')"
            " order by at desc limit ?",
            (box, limit),
        )
        return [_row(row) for row in rows]


def take_row(writer: Any, box: str, event: Event) -> bool | None:
    """Keep a row or a head. None: the event is neither; False: it was here before."""
    log, n = event.detail.get("log"), proof.number_of({"detail": event.detail})
    if not isinstance(log, str) or not 0 < len(log) <= LOG_CHARS_MAX:
        return None
    if n is None or n > NUMBER_MAX:
        return None
    done = writer.execute(
        "insert or ignore into proof(box,log,n,head,id,at,kind,detail) values(?,?,?,?,?,?,?,?)",
        (box, log, n, event.kind == proof.HEAD, event.id, event.at, event.kind,
         msgspec.json.encode(event.detail).decode()),
    )
    return bool(done.rowcount)


def drop_old_rows(writer: Any) -> None:
    """Keep the newest ROWS_KEPT."""
    writer.execute(
        "delete from proof where rowid <= (select max(rowid) from proof) - ?", (ROWS_KEPT,))


def place_of(parts: Sequence[Any]) -> Place:
    """A place as JSON gave it back. Raises ValueError for nonsense."""
    try:
        box, log, n, head, event_id = parts
        return str(box), str(log), int(n), int(head), str(event_id)
    except (TypeError, ValueError) as error:
        raise ValueError("no place") from error


def _row(row: Row) -> ProofRow:
    detail = msgspec.json.decode(row["detail"], type=dict[str, Any])
    place = (row["box"], row["log"], row["n"], row["head"], row["id"])
    return ProofRow(row["box"], row["log"], row["id"], row["at"], row["kind"], detail, place)
