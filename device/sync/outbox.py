"""What happened on the box, kept on disk until the broker has it: at least once, bounded.

The server drops repeats by id. When the box is full, the oldest least important event goes
first and proof of what was played goes last.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from device.messages import Event
from ota.clock import Deadline
from ota.errors import Retry

EVENT_BYTES_MAX = 8192
ITEMS_MAX = 50_000
BYTES_MAX = 32 << 20
MEMORY_MAX = 256
LOWEST, HIGHEST = 0, 3
WEIGHTS = {"telemetry": 0, "health": 0, "asked": 1, "fault": 2, "played": 3}
_OTHER_WEIGHT = 1
_DROP_SHARE = 100
UNWANTED_PAUSE_S = 2.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  weight INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS held_by_weight ON held (weight, seq);
CREATE TABLE IF NOT EXISTS totals (items INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals SELECT count(*), coalesce(sum(length(body)), 0) FROM held
  WHERE NOT EXISTS (SELECT 1 FROM totals);
CREATE TRIGGER IF NOT EXISTS held_more AFTER INSERT ON held BEGIN
  UPDATE totals SET items = items + 1, bytes = bytes + length(new.body);
END;
CREATE TRIGGER IF NOT EXISTS held_less AFTER DELETE ON held BEGIN
  UPDATE totals SET items = items - 1, bytes = bytes - length(old.body);
END;
"""


@dataclass(frozen=True)
class Held:
    """One event that waits: its place in the queue and its JSON."""

    seq: int
    id: str
    body: bytes


def weight_of(kind: str) -> int:
    """How dear an event of this kind is: 0 goes first, 3 (proof of play) last."""
    return WEIGHTS.get(kind, _OTHER_WEIGHT)


class Outbox:
    """Outbox(path): a queue in SQLite (WAL, every commit fsynced), used from one thread.

    `dropped` counts by kind what did not fit, `set_aside` the damaged files, and
    `waiting_in_memory` the events that a full disk could not take yet.
    """

    def __init__(self, path: Path, items_max: int = ITEMS_MAX, bytes_max: int = BYTES_MAX) -> None:
        """Open or make it; a damaged file is renamed to `*.damaged-N` and a new one begun.

        Raises Retry when the folder cannot be written at all.
        """
        self._path, self._items_max, self._bytes_max = path, items_max, bytes_max
        self.dropped: Counter[str] = Counter()
        self.set_aside = 0
        self._memory: deque[Event] = deque(maxlen=ITEMS_MAX)
        self._items = self._bytes = 0
        self._db = self._open()

    def __len__(self) -> int:
        return self._items + len(self._memory)

    @property
    def bytes_held(self) -> int:
        """Payload bytes on disk."""
        return self._bytes

    @property
    def waiting_in_memory(self) -> int:
        """Events that wait for room on the disk."""
        return len(self._memory)

    def put(self, event: Event) -> bool:
        """Keep one event; False when it is too large. A known id is kept once."""
        return self.put_many((event,)) == 1

    def put_many(self, events: Iterable[Event]) -> int:
        """Keep several events with one fsync; returns how many were within the size limit."""
        taken = 0
        for event in events:
            if len(msgspec.json.encode(event)) > EVENT_BYTES_MAX:
                self.dropped[event.kind] += 1
                continue
            taken += 1
            self._memory.append(event)
        self._flush_memory()
        return taken

    def after(self, seq: int, limit: int) -> list[Held]:
        """Up to `limit` events with a place after `seq`, oldest first."""
        self._flush_memory()
        rows = self._read(
            "SELECT seq, id, body FROM held WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        )
        return [Held(row[0], row[1], row[2]) for row in rows]

    def remove(self, seqs: Sequence[int]) -> None:
        """Forget what the broker has taken. After a failure they are sent again: harmless."""
        if not seqs:
            return
        try:
            with self._db:
                self._db.executemany("DELETE FROM held WHERE seq = ?", [(seq,) for seq in seqs])
            self._count()
        except sqlite3.OperationalError:
            return  # disk full: the rows stay and will be sent and removed again
        except sqlite3.DatabaseError:
            self._begin_anew()

    def close(self) -> None:
        """Close the file; what is in memory only is written first, where it can be."""
        self._flush_memory()
        self._db.close()

    def _flush_memory(self) -> None:
        if not self._memory:
            return
        rows = [
            (event.id, weight_of(event.kind), msgspec.json.encode(event)) for event in self._memory
        ]
        for attempt in range(2):
            try:
                with self._db:
                    self._db.executemany(
                        "INSERT OR IGNORE INTO held (id, weight, body) VALUES (?, ?, ?)", rows
                    )
                break
            except sqlite3.OperationalError:
                self._trim_memory()
                return
            except sqlite3.DatabaseError:
                self._begin_anew()
                if attempt:
                    self._trim_memory()
                    return
        self._memory.clear()
        self._count()
        self._make_room()

    def _trim_memory(self) -> None:
        """Disk full: keep the dearest and newest few in memory until there is room again."""
        while len(self._memory) > MEMORY_MAX:
            lightest = min(self._memory, key=lambda event: weight_of(event.kind))
            self._memory.remove(lightest)
            self.dropped[lightest.kind] += 1

    def _make_room(self) -> None:
        """Drop a share at once, so that a full box does not pay for every event."""
        while self._items > self._items_max or self._bytes > self._bytes_max:
            share = max(1, min(self._items // _DROP_SHARE, self._items - self._items_max))
            rows = self._read(
                "SELECT seq, id, body FROM held ORDER BY weight, seq LIMIT ?", (share,)
            )
            if not rows:
                return
            for row in rows:
                self.dropped[msgspec.json.decode(row[2], type=Event).kind] += 1
            before = self._items
            self.remove([row[0] for row in rows])
            if self._items >= before:
                return

    def _read(self, query: str, values: tuple[int, ...]) -> list[tuple[int, str, bytes]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            return []
        except sqlite3.DatabaseError:
            self._begin_anew()
            return []

    def _count(self) -> None:
        self._items, self._bytes = self._db.execute("SELECT items, bytes FROM totals").fetchone()

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return self._connect()
        except sqlite3.OperationalError as error:
            raise Retry(f"{self._path} cannot be opened ({error}); check the disk.") from error
        except sqlite3.DatabaseError:
            self._move_damaged()
            return self._connect()
        except OSError as error:
            reason = error.strerror or str(error)
            raise Retry(f"{self._path} cannot be made ({reason}); check the disk.") from error

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=2.0)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError("damaged")
            db.executescript(_SCHEMA)
            self._db = db
            self._count()
        except BaseException:
            db.close()
            raise
        return db

    def _begin_anew(self) -> None:
        self._db.close()
        self._move_damaged()
        self._db = self._connect()

    def _move_damaged(self) -> None:
        """The damaged file is kept for a person to read; its journal goes with it."""
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.damaged-{number}")).exists():
            number += 1
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._path.replace(aside)
        self.set_aside += 1


class Sender:
    """Which events are on their way: a window over the outbox, sent again after each Up."""

    def __init__(self, outbox: Outbox, window: int = 20) -> None:
        self._outbox, self._window = outbox, window
        self._sent_to = 0
        self._flying: set[int] = set()
        self._landed: list[int] = []
        self._pause = Deadline(0.0)

    def restart(self) -> None:
        """A new connection: everything that was not acknowledged is sent again."""
        self.settle()
        self._flying.clear()
        self._sent_to = 0

    def due(self) -> list[Held]:
        """The next events to send; each is counted as flying until `landed` or `restart`."""
        room = self._window - len(self._flying)
        if room <= 0 or not self._pause.passed:
            return []
        items = self._outbox.after(self._sent_to, room)
        for item in items:
            self._flying.add(item.seq)
            self._sent_to = item.seq
        return items

    def unsent(self, seq: int) -> None:
        """It did not leave the house: it and all behind it are due again."""
        self._flying = {flying for flying in self._flying if flying < seq}
        self._sent_to = min(self._sent_to, seq - 1)

    def unwanted(self, seq: int) -> None:
        """Nobody listens at the broker: keep it, and try again in a moment."""
        self.unsent(seq)
        self._pause = Deadline(UNWANTED_PAUSE_S)

    def landed(self, seq: int) -> None:
        """The broker has it for somebody; it is removed with the next `settle`."""
        self._flying.discard(seq)
        self._landed.append(seq)

    def settle(self) -> None:
        """Remove what has landed, many with one fsync."""
        if self._landed:
            self._outbox.remove(self._landed)
            self._landed = []
