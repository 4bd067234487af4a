"""What was done (audit), asked of boxes (orders), claimed (tickets) and played (events)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from device.messages import Answer, Event, Ticket
from fleet.store.database import Database, Row
from fleet.store.proof import drop_old_rows, take_row

EVENTS_KEPT = 200_000
SPOKEN = ("segment", "answer", "fallback", "notice")


@dataclass(frozen=True)
class AuditLine:
    """Who did what to which thing, when."""

    number: int
    at: str
    who: str
    what: str
    about: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class OrderLine:
    """One command and its answer; `ok` is None while the box has not answered."""

    id: str
    box: str
    name: str
    args: dict[str, Any]
    at: str
    until: str
    by: str
    ok: bool | None
    result: dict[str, Any]
    answered_at: str
    has_picture: bool


@dataclass(frozen=True)
class EventLine:
    """One thing that happened on a box."""

    id: str
    box: str
    at: str
    kind: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class TicketLine:
    """One claim ticket; its text is shown once and not kept."""

    box: str
    at: str
    until: str
    by: str
    used_at: str


class Journal:
    """Queries and changes of the tables `audit`, `orders`, `event`, `played`, `ticket`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(
        self, who: str, what: str, about: str, now: datetime, detail: dict[str, Any] | None = None
    ) -> None:
        """Write one line of the audit."""
        with self._database.write() as w:
            w.execute(
                "insert into audit(at,who,what,about,detail) values(?,?,?,?,?)",
                (_text(now), who, what, about, _json(detail or {})),
            )

    def audit(self, before: int = 0, about: str = "", limit: int = 100) -> list[AuditLine]:
        """The newest lines first, older than number `before` when given."""
        rows = self._database.all(
            "select * from audit where (?=0 or number<?) and (?='' or about=?)"
            " order by number desc limit ?",
            (before, before, about, about, limit),
        )
        return [
            AuditLine(r["number"], r["at"], r["who"], r["what"], r["about"], _dict(r["detail"]))
            for r in rows
        ]

    def ordered(self, line: OrderLine) -> None:
        """Keep a command before it is sent."""
        with self._database.write() as w:
            w.execute(
                "insert into orders(id,box,name,args,at,until,by) values(?,?,?,?,?,?,?)",
                (line.id, line.box, line.name, _json(line.args), line.at, line.until, line.by),
            )

    def order(self, order_id: str) -> OrderLine | None:
        """One command, or None."""
        row = self._database.one("select * from orders where id=?", (order_id,))
        return _order(row) if row else None

    def orders(self, box: str, limit: int = 12) -> list[OrderLine]:
        """The newest commands of a box first."""
        rows = self._database.all(
            "select * from orders where box=? order by at desc limit ?", (box, limit)
        )
        return [_order(row) for row in rows]

    def picture(self, box: str) -> tuple[bytes, str] | None:
        """The newest screenshot a box sent and when, or None."""
        row = self._database.one(
            "select picture, answered_at from orders where box=? and picture is not null"
            " order by answered_at desc limit 1",
            (box,),
        )
        return (bytes(row["picture"]), row["answered_at"]) if row else None

    def events(self, box: str = "", kind: str = "", limit: int = 50) -> list[EventLine]:
        """The newest events first."""
        rows = self._database.all(
            "select * from event where (?='' or box=?) and (?='' or kind=?)"
            " order by at desc limit ?",
            (box, box, kind, kind, limit),
        )
        return [EventLine(r["id"], r["box"], r["at"], r["kind"], _dict(r["detail"])) for r in rows]

    def played_on(self, day: str, box: str = "") -> list[tuple[str, str, int]]:
        """(programme, line, count) of one day, most played first."""
        rows = self._database.all(
            "select programme, line, sum(count) n from played where day=? and (?='' or box=?)"
            " group by programme, line order by n desc, line limit 200",
            (day, box, box),
        )
        return [(r["programme"], r["line"], r["n"]) for r in rows]

    def played_total(self, day: str) -> int:
        """How many lines were said on a day, all boxes."""
        row = self._database.one("select coalesce(sum(count),0) n from played where day=?", (day,))
        return int(row["n"]) if row else 0

    def ticket_made(self, ticket: Ticket, who: str, now: datetime) -> None:
        """Remember a claim, not its text."""
        with self._database.write() as w:
            w.execute(
                "insert into ticket(nonce,box,until,at,by) values(?,?,?,?,?)",
                (ticket.nonce, ticket.box, ticket.until, _text(now), who),
            )

    def ticket_used(self, box: str, now: datetime) -> None:
        """The newest open claim of a place was spent."""
        with self._database.write() as w:
            w.execute(
                "update ticket set used_at=? where nonce=(select nonce from ticket where box=?"
                " and used_at='' order by at desc limit 1)",
                (_text(now), box),
            )

    def tickets(self, limit: int = 30) -> list[TicketLine]:
        """The newest claims first."""
        rows = self._database.all("select * from ticket order by at desc limit ?", (limit,))
        return [TicketLine(r["box"], r["at"], r["until"], r["by"], r["used_at"]) for r in rows]


def take_event(writer: Any, box: str, event: Event, now: datetime) -> bool:
    """Keep an event once; False when its id was here before (the outbox sends at least once).

    A row of the proof is remembered far longer than other events, and with it that it was counted.
    """
    if take_row(writer, box, event) is False:
        return False
    done = writer.execute(
        "insert or ignore into event(id,box,at,kind,detail,came_at) values(?,?,?,?,?,?)",
        (f"{box}/{event.id}", box, event.at, event.kind, _json(event.detail), _text(now)),
    )
    if done.rowcount == 0:
        return False
    if event.kind == "played" and event.detail.get("complete", True):
        named = [kind for kind in SPOKEN if kind in event.detail]
        line = f"{named[0]}/{event.detail[named[0]]}" if named else "?"
        writer.execute(
            "insert into played(day,box,programme,line,count) values(?,?,?,?,1)"
            " on conflict(day,box,programme,line) do update set count=count+1",
            (event.at[:10], box, str(event.detail.get("programme", ""))[:80], line[:200]),
        )
    return True


def take_answer(
    writer: Any, box: str, answer: Answer, picture: bytes | None, now: datetime
) -> bool:
    """Keep the answer to a command of this box; False when nobody asked."""
    done = writer.execute(
        "update orders set ok=?, result=?, answered_at=?, picture=? where id=? and box=?"
        " and answered_at=''",
        (answer.ok, _json(answer.result), _text(now), picture, answer.id, box),
    )
    return bool(done.rowcount)


def drop_old_events(writer: Any) -> None:
    """Keep the newest EVENTS_KEPT rows; the counts in `played` stay."""
    drop_old_rows(writer)
    writer.execute(
        "delete from event where rowid <= (select max(rowid) from event) - ?", (EVENTS_KEPT,)
    )


def _order(row: Row) -> OrderLine:
    return OrderLine(
        id=row["id"],
        box=row["box"],
        name=row["name"],
        args=_dict(row["args"]),
        at=row["at"],
        until=row["until"],
        by=row["by"],
        ok=None if row["ok"] is None else bool(row["ok"]),
        result=_dict(row["result"]),
        answered_at=row["answered_at"],
        has_picture=row["picture"] is not None,
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _dict(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any]) if text else {}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
