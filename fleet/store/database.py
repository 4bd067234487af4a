"""The SQLite file of the console: schema, one writer at a time, a reader per thread.

The only importer of sqlite3 in the fleet. WAL, so that pages read while messages are written.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ota.errors import Refused, Retry

Row = sqlite3.Row
Value = str | int | float | bytes | None
SCHEMA_VERSION = 1
BUSY_S = 10.0

SCHEMA = """
create table if not exists box(
  id text primary key, label text not null default '', programme text not null default '',
  enrolled_at text not null default '', certificate_until text not null default '',
  online integer not null default 0, session text not null default '',
  since text not null default '', seen_at text not null default '',
  desired_seq integer not null default 0, desired text not null default '',
  envelope blob, desired_at text not null default '',
  reported_seq integer not null default 0, reported text not null default '',
  player text not null default '{}', ear text not null default '{}',
  telemetry text not null default '{}',
  settings text not null default '{}', variables text not null default '{}',
  notice text not null default '', retired integer not null default 0);
create table if not exists presence(
  box text not null, at text not null, online integer not null);
create index if not exists presence_box on presence(box, at);
create table if not exists programme(
  id text primary key, version integer not null default 0, draft_at text not null default '',
  draft_by text not null default '');
create table if not exists version(
  programme text not null, version integer not null, at text not null, by text not null,
  note text not null, target text not null, document text not null,
  took_ms integer not null default 0, bytes_new integer not null default 0,
  primary key(programme, version));
create table if not exists ticket(
  nonce text primary key, box text not null, until text not null, at text not null,
  by text not null, used_at text not null default '');
create table if not exists orders(
  id text primary key, box text not null, name text not null, args text not null,
  at text not null, until text not null, by text not null,
  ok integer, result text not null default '', answered_at text not null default '',
  picture blob);
create index if not exists orders_box on orders(box, at);
create table if not exists audit(
  number integer primary key autoincrement, at text not null, who text not null,
  what text not null, about text not null, detail text not null);
create table if not exists event(
  id text primary key, box text not null, at text not null, kind text not null,
  detail text not null, came_at text not null);
create index if not exists event_box on event(box, at);
create table if not exists proof(
  box text not null, log text not null, n integer not null, head integer not null,
  id text not null, at text not null, kind text not null, detail text not null,
  primary key(box, log, n, head, id));
create index if not exists proof_said on proof(box, at);
create table if not exists download(
  kind text not null, name text not null, value text not null, primary key(kind, name));
create table if not exists played(
  day text not null, box text not null, programme text not null, line text not null,
  count integer not null, primary key(day, box, programme, line));
"""


class Database:
    """One file; `write()` is a transaction under a lock, `read()` never waits for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        try:
            self._writer = self._connect()
            self._writer.executescript(SCHEMA)
            self._migrate()
        except sqlite3.DatabaseError as error:
            raise Refused(
                f"{path} is no console database ({error}); move it away or restore a copy."
            ) from error

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction; all or nothing. Raises Retry when the disk is full or locked."""
        with self._lock:
            try:
                self._writer.execute("begin immediate")
                yield self._writer
                self._writer.execute("commit")
            except sqlite3.OperationalError as error:
                self._roll_back()
                raise Retry(f"The console's database cannot be written now ({error}).") from error
            except BaseException:
                self._roll_back()
                raise

    def all(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Rows of a query (give it a limit)."""
        return self._reader().execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence[Value] = ()) -> Row | None:
        """The first row, or None."""
        row: Row | None = self._reader().execute(sql, values).fetchone()
        return row

    def close(self) -> None:
        """Close every connection; call when no thread uses it any more."""
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("rollback")

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = Row
        connection.execute("pragma journal_mode=wal")
        # FULL: a desired sequence number that a box has seen must never be given out twice.
        connection.execute("pragma synchronous=full")
        self._opened.append(connection)
        return connection

    def _migrate(self) -> None:
        found = self._writer.execute("pragma user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise Refused(
                f"{self.path} was written by a newer Vitrine (schema {found}); update this one."
            )
        self._writer.execute(f"pragma user_version={SCHEMA_VERSION}")
