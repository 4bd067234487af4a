"""Programmes and their published versions. Drafts are folders; this keeps who, when and what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fleet.store.database import Database, Row

# So many versions are listed, and can be brought back with all their files.
LISTED = 30


@dataclass(frozen=True)
class Programme:
    """One programme: its newest published version (0: none yet) and its draft's last change."""

    id: str
    version: int
    draft_at: str
    draft_by: str


@dataclass(frozen=True)
class Version:
    """One published version, never changed again."""

    programme: str
    version: int
    at: str
    by: str
    note: str
    target: str
    document: dict[str, Any]
    took_ms: int
    bytes_new: int


class Programmes:
    """Queries and changes of the tables `programme` and `version`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, programme: str) -> None:
        """Know a programme; a second time changes nothing."""
        with self._database.write() as w:
            w.execute("insert or ignore into programme(id) values(?)", (programme,))

    def all(self) -> list[Programme]:
        """Every programme by name."""
        return [_programme(r) for r in self._database.all("select * from programme order by id")]

    def get(self, programme: str) -> Programme | None:
        """One programme, or None."""
        row = self._database.one("select * from programme where id=?", (programme,))
        return _programme(row) if row else None

    def draft_changed(self, programme: str, who: str, now: datetime) -> None:
        """Remember who touched the draft last."""
        with self._database.write() as w:
            w.execute(
                "update programme set draft_at=?, draft_by=? where id=?",
                (now.isoformat(timespec="seconds"), who, programme),
            )

    def published(self, version: Version) -> None:
        """Keep a published version and make it the newest."""
        with self._database.write() as w:
            w.execute(
                "insert into version(programme,version,at,by,note,target,document,took_ms,"
                "bytes_new) values(?,?,?,?,?,?,?,?,?)",
                (
                    version.programme,
                    version.version,
                    version.at,
                    version.by,
                    version.note,
                    version.target,
                    msgspec.json.encode(version.document).decode(),
                    version.took_ms,
                    version.bytes_new,
                ),
            )
            w.execute(
                "update programme set version=? where id=?", (version.version, version.programme)
            )

    def versions(self, programme: str, limit: int = LISTED) -> list[Version]:
        """The newest versions first."""
        rows = self._database.all(
            "select * from version where programme=? order by version desc limit ?",
            (programme, limit),
        )
        return [_version(row) for row in rows]

    def version(self, programme: str, version: int) -> Version | None:
        """One version, or None."""
        row = self._database.one(
            "select * from version where programme=? and version=?", (programme, version)
        )
        return _version(row) if row else None


def _programme(row: Row) -> Programme:
    return Programme(row["id"], row["version"], row["draft_at"], row["draft_by"])


def _version(row: Row) -> Version:
    return Version(
        programme=row["programme"],
        version=row["version"],
        at=row["at"],
        by=row["by"],
        note=row["note"],
        target=row["target"],
        document=msgspec.json.decode(row["document"], type=dict[str, Any]),
        took_ms=row["took_ms"],
        bytes_new=row["bytes_new"],
    )
