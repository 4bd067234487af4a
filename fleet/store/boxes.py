"""Boxes as the console knows them: presence, desired and reported state, health."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from device.messages import Reported, Status
from fleet.store.database import Database, Row

PAGE = 50
BEATS = 48
UNLABELLED = "(online=1 and player<>'{}' and not coalesce(json_extract(player,'$.ai_label'),0))"


@dataclass(frozen=True)
class Counts:
    """The four numbers of the first page, and the whole."""

    total: int
    on_air: int
    silent: int
    drifted: int
    unlabelled: int


@dataclass(frozen=True)
class Box:
    """One screen. Times are ISO 8601, UTC; `reported` and `player` are as the box sent them."""

    id: str
    label: str
    programme: str
    enrolled_at: str
    certificate_until: str
    online: bool
    session: str
    since: str
    seen_at: str
    desired_seq: int
    desired: dict[str, Any]
    desired_at: str
    reported_seq: int
    reported: dict[str, Any]
    player: dict[str, Any]
    ear: dict[str, Any]
    telemetry: dict[str, Any]
    settings: dict[str, Any]
    variables: dict[str, str]
    notice: dict[str, Any]

    @property
    def drifted(self) -> bool:
        """True while the box has not taken what the console wants of it."""
        return self.reported_seq != self.desired_seq

    @property
    def labelled(self) -> bool:
        """True when the renderer says that the AI label is on the picture."""
        return bool(self.player.get("ai_label"))

    @property
    def unlabelled(self) -> bool:
        """On air, and the renderer does not say the AI label is there: not compliant."""
        return self.online and bool(self.player) and not self.labelled

    @property
    def errors(self) -> list[str]:
        """What the box reports as wrong."""
        found = [str(error) for error in self.reported.get("errors", [])]
        faults = (self.player.get("fault"), self.ear.get("fault"))
        return found + [str(fault) for fault in faults if fault]


class Boxes:
    """Queries and changes of the table `box`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enrolled(self, box: str, programme: str, certificate_until: str, now: datetime) -> None:
        """A box got its certificate; a second time for the same place keeps its history."""
        with self._database.write() as w:
            w.execute(
                "insert into box(id,programme,enrolled_at,certificate_until) values(?,?,?,?)"
                " on conflict(id) do update set enrolled_at=excluded.enrolled_at, retired=0,"
                " certificate_until=excluded.certificate_until",
                (box, programme, _text(now), certificate_until),
            )

    def get(self, box: str) -> Box | None:
        """One box, or None."""
        row = self._database.one("select * from box where id=? and retired=0", (box,))
        return _box(row) if row else None

    def page(
        self, query: str = "", only: str = "", after: str = "", limit: int = PAGE
    ) -> list[Box]:
        """Boxes in order of their name after `after`; `only` is silent|drifted|unlabelled."""
        where = ["retired=0", "id>?"]
        values: list[str | int] = [after]
        if query:
            # Not full text search: trigrams find nothing for two Chinese characters.
            where.append("(id like ? escape '\\' or label like ? escape '\\')")
            wanted = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            values += [f"%{wanted}%"] * 2
        where += {
            "silent": ["online=0"],
            "on_air": ["online=1"],
            "drifted": ["desired_seq<>reported_seq"],
            "unlabelled": [UNLABELLED],
        }.get(only, [])
        values.append(limit)
        rows = self._database.all(
            f"select * from box where {' and '.join(where)} order by id limit ?", values
        )
        return [_box(row) for row in rows]

    def counts(self) -> Counts:
        """How many are there, on air, silent, behind, without the AI label."""
        row = self._database.one(
            "select count(*) total, coalesce(sum(online),0) on_air,"
            " coalesce(sum(desired_seq<>reported_seq),0) drifted,"
            f" coalesce(sum({UNLABELLED}),0) unlabelled"
            " from box where retired=0"
        )
        assert row is not None
        return Counts(
            row["total"],
            row["on_air"],
            row["total"] - row["on_air"],
            row["drifted"],
            row["unlabelled"],
        )

    def rename(self, box: str, label: str) -> None:
        """Set the human name of a place."""
        with self._database.write() as w:
            w.execute("update box set label=? where id=?", (label[:80], box))

    def retire(self, box: str) -> None:
        """Take a box out of the lists; its events stay."""
        with self._database.write() as w:
            w.execute("update box set retired=1, online=0 where id=?", (box,))

    def set_wishes(
        self, box: str, settings: dict[str, Any], variables: dict[str, str], notice: dict[str, Any]
    ) -> None:
        """What the next desired document shall say beside the programme."""
        with self._database.write() as w:
            w.execute(
                "update box set settings=?, variables=?, notice=? where id=?",
                (_json(settings), _json(variables), _json(notice) if notice else "", box),
            )

    def put_desired(self, made: Sequence[tuple[str, int, bytes, bytes]], now: datetime) -> None:
        """Keep new desired documents: (box, seq, payload, envelope), all or none."""
        with self._database.write() as w:
            for box, seq, payload, envelope in made:
                w.execute(
                    "update box set desired_seq=?, desired=?, envelope=?, desired_at=? where id=?"
                    " and desired_seq<?",
                    (seq, payload.decode(), envelope, _text(now), box, seq),
                )

    def envelopes(self) -> list[tuple[str, bytes]]:
        """Every signed desired document, to be published again after a (re)connect."""
        rows = self._database.all(
            "select id, envelope from box where envelope is not null and retired=0 order by id"
        )
        return [(row["id"], bytes(row["envelope"])) for row in rows]

    def with_programme(self, programme: str) -> list[Box]:
        """The boxes that play `programme`."""
        rows = self._database.all(
            "select * from box where programme=? and retired=0 order by id", (programme,)
        )
        return [_box(row) for row in rows]

    def every(self) -> list[Box]:
        """All boxes, by id."""
        rows = self._database.all("select * from box where retired=0 order by id")
        return [_box(row) for row in rows]

    def assign(self, box: str, programme: str) -> None:
        """Let a box play another programme from its next desired document on."""
        with self._database.write() as w:
            w.execute("update box set programme=? where id=?", (programme, box))

    def presence(self, box: str, now: datetime, hours: int = 24) -> list[bool | None]:
        """The last `hours` in BEATS slices: True on air throughout, False gone, None unknown."""
        since = now - timedelta(hours=hours)
        before = self._database.one(
            "select online from presence where box=? and at<? order by at desc limit 1",
            (box, _text(since)),
        )
        changes = self._database.all(
            "select at, online from presence where box=? and at>=? order by at limit 2000",
            (box, _text(since)),
        )
        return slices(
            bool(before["online"]) if before else None,
            [(datetime.fromisoformat(row["at"]), bool(row["online"])) for row in changes],
            since,
            now,
        )


def slices(
    state: bool | None, changes: list[tuple[datetime, bool]], since: datetime, until: datetime
) -> list[bool | None]:
    """A state that changes at known moments, in BEATS equal parts; a part with a gap is False."""
    width = (until - since) / BEATS
    bars: list[bool | None] = []
    position = 0
    for number in range(BEATS):
        end = since + width * (number + 1)
        bar = state
        while position < len(changes) and changes[position][0] <= end:
            state = changes[position][1]
            bar = state if bar is None else (bar and state)
            position += 1
        bars.append(bar)
    return bars


def take_status(writer: Any, box: str, status: Status, now: datetime) -> bool:
    """Birth or last will; False when it is the will of a session that is over."""
    row = writer.execute("select online, session, since from box where id=?", (box,)).fetchone()
    if row is None:
        return False
    # A birth is always believed (a box's clock may have gone back); a will only for its session.
    if not status.online and row["session"] not in ("", status.session):
        return False
    if bool(row["online"]) != status.online or row["session"] != status.session:
        writer.execute(
            "insert into presence(box,at,online) values(?,?,?)", (box, _text(now), status.online)
        )
    writer.execute(
        "update box set online=?, session=?, since=?, seen_at=? where id=?",
        (status.online, status.session, status.since, _text(now), box),
    )
    return True


def take_reported(writer: Any, box: str, reported: Reported, now: datetime) -> None:
    """Keep what the box says it plays."""
    # The document carries the slow facts of player and ear; telemetry has the counters as well.
    writer.execute(
        "update box set reported_seq=?, reported=?, seen_at=?,"
        " player=json_patch(player, ?), ear=json_patch(ear, ?) where id=?",
        (
            reported.desired_seq,
            _json(reported),
            _text(now),
            _json(reported.player),
            _json(reported.ear),
            box,
        ),
    )


def take_telemetry(writer: Any, box: str, reading: dict[str, Any], now: datetime) -> None:
    """Keep the newest health reading; a part named player or ear refreshes that state."""
    writer.execute(
        "update box set telemetry=?, seen_at=? where id=?", (_json(reading), _text(now), box)
    )
    for part in ("player", "ear"):
        if isinstance(reading.get(part), dict) and reading[part]:
            writer.execute(f"update box set {part}=? where id=?", (_json(reading[part]), box))


def _box(row: Row) -> Box:
    return Box(
        id=row["id"],
        label=row["label"],
        programme=row["programme"],
        enrolled_at=row["enrolled_at"],
        certificate_until=row["certificate_until"],
        online=bool(row["online"]),
        session=row["session"],
        since=row["since"],
        seen_at=row["seen_at"],
        desired_seq=row["desired_seq"],
        desired=_dict(row["desired"]),
        desired_at=row["desired_at"],
        reported_seq=row["reported_seq"],
        reported=_dict(row["reported"]),
        player=_dict(row["player"]),
        ear=_dict(row["ear"]),
        telemetry=_dict(row["telemetry"]),
        settings=_dict(row["settings"]),
        variables=_dict(row["variables"]),
        notice=_dict(row["notice"]),
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _dict(text: str) -> dict[str, Any]:
    return msgspec.json.decode(text, type=dict[str, Any]) if text else {}


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
