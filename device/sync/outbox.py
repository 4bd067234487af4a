"""What happened on the box, kept on disk until the broker has it: at least once, bounded.

The server drops repeats by id. When the box is full, the oldest least important event goes
first and proof of what was played goes last.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec

from device.messages import Event
from ota.clock import Deadline, monotonic_s
from ota.errors import Retry
from ota.trust.proof import HEAD

EVENT_BYTES_MAX = 8192
ITEMS_MAX = 50_000
BYTES_MAX = 32 << 20
MEMORY_MAX = 256
# Places of events in memory: far beyond any that SQLite will give.
MEMORY_SEQ = 1 << 62
LOWEST, HIGHEST = 0, 3
WEIGHTS = {
    "telemetry": 0, "health": 0, "asked": 1, "fault": 2, "played": 3, "live": 3,
    "proof-began": 3, "proof-dropped": 3, "proof-unlogged": 3, "proof-head": 3,
}
_OTHER_WEIGHT = 1
_DROP_SHARE = 100
UNWANTED_PAUSE_S = 2.0
# Longer than the autosave interval that fleet/broker.py writes (10 s).
SETTLE_S = 20.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS held (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  weight INTEGER NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS held_by_weight ON held (weight, seq);
CREATE TABLE IF NOT EXISTS gone (log TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (log, n));
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


@dataclass(frozen=True)
class _Waiting:
    """An event that the disk could not take yet."""

    seq: int
    event: Event


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
        self._memory: deque[_Waiting] = deque(maxlen=ITEMS_MAX)
        self._memory_seq = MEMORY_SEQ
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
            self._memory_seq += 1
            self._memory.append(_Waiting(self._memory_seq, event))
        self._flush_memory()
        return taken

    def first(self, limit: int, after: int = 0) -> list[Held]:
        """Up to `limit` events, oldest first, on disk those with a place after `after`.

        What waits in memory comes last.
        """
        self._flush_memory()
        rows = self._read(
            "SELECT seq, id, body FROM held WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit)
        )
        held = [Held(row[0], row[1], row[2]) for row in rows]
        for waiting in islice(self._memory, max(0, limit - len(held))):
            body = msgspec.json.encode(waiting.event)
            held.append(Held(waiting.seq, waiting.event.id, body))
        return held

    def remove(self, seqs: Sequence[int]) -> None:
        """Forget what the broker has taken. After a failure they are sent again: harmless."""
        if not seqs:
            return
        self._forget_waiting({seq for seq in seqs if seq >= MEMORY_SEQ})
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
            (each.event.id, weight_of(each.event.kind), msgspec.json.encode(each.event))
            for each in self._memory
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
            lightest = min(self._memory, key=lambda each: weight_of(each.event.kind))
            self._memory.remove(lightest)
            self.dropped[lightest.event.kind] += 1

    def gone(self, log: str) -> list[int]:
        """The numbers of rows of that log which there was no room for, since `forget_gone`."""
        try:
            query = "SELECT n FROM gone WHERE log = ? ORDER BY n"
            return [row[0] for row in self._db.execute(query, (log,))]
        except sqlite3.DatabaseError:
            return []

    def forget_gone(self, log: str, last: int) -> None:
        """The log has told of those up to `last`."""
        with contextlib.suppress(sqlite3.DatabaseError), self._db:
            self._db.execute("DELETE FROM gone WHERE log = ? AND n <= ?", (log, last))

    def _note_gone(self, events: Iterable[Event]) -> None:
        """Before they go: rows of the log of what was said are missed, and it says so."""
        rows = [(e.detail["log"], e.detail["n"]) for e in events
                if isinstance(e.detail.get("log"), str) and isinstance(e.detail.get("n"), int)
                and e.kind != HEAD]
        if rows:
            with contextlib.suppress(sqlite3.DatabaseError), self._db:
                self._db.executemany("INSERT OR IGNORE INTO gone VALUES (?, ?)", rows)

    def _forget_waiting(self, seqs: set[int]) -> None:
        if seqs:
            left = [each for each in self._memory if each.seq not in seqs]
            self._memory.clear()
            self._memory.extend(left)

    def _make_room(self) -> None:
        """Drop a share at once, so that a full box does not pay for every event."""
        while self._items > self._items_max or self._bytes > self._bytes_max:
            share = max(1, min(self._items // _DROP_SHARE, self._items - self._items_max))
            rows = self._read(
                "SELECT seq, id, body FROM held ORDER BY weight, seq LIMIT ?", (share,)
            )
            if not rows:
                return
            before = self._items
            events = [msgspec.json.decode(row[2], type=Event) for row in rows]
            self._note_gone(events)
            self.remove([row[0] for row in rows])
            if self._items >= before:
                return
            self.dropped.update(event.kind for event in events)

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
    """Which events are on their way: a window over the outbox.

    A broker that is killed right after its acknowledgement loses what it had not passed on or
    saved. So an acknowledged event is kept for `settle_s` more seconds of the same connection
    (longer than the broker's save interval), and all that has not settled is sent again after a
    new connection; the console knows repeats by their id.
    """

    def __init__(self, outbox: Outbox, window: int = 20, settle_s: float = SETTLE_S) -> None:
        self._outbox, self._window, self._settle_s = outbox, window, settle_s
        self._after = 0
        self._flying: set[int] = set()
        self._landed: dict[int, float] = {}
        self._pause = Deadline(0.0)

    def restart(self) -> None:
        """A new connection: everything that has not settled is sent again."""
        self.settle()
        self._flying.clear()
        self._landed.clear()
        self._after = 0

    def due(self) -> list[Held]:
        """The next events to send; each is counted as flying until `landed` or `restart`."""
        room = self._window - len(self._flying)
        if room <= 0 or not self._pause.passed:
            return []
        gone = self._flying.union(self._landed)
        ahead = sum(seq > self._after for seq in gone)
        held = self._outbox.first(room + ahead, self._after)
        items = [item for item in held if item.seq not in gone][:room]
        for item in items:
            self._flying.add(item.seq)
            if item.seq < MEMORY_SEQ:
                self._after = max(self._after, item.seq)
        return items

    def unsent(self, seq: int) -> None:
        """It did not leave the house: it is due again."""
        self._flying.discard(seq)
        self._after = min(self._after, seq - 1)

    def unwanted(self, seq: int) -> None:
        """Nobody listens at the broker: keep it, and try again in a moment."""
        self.unsent(seq)
        self._pause = Deadline(UNWANTED_PAUSE_S)

    def landed(self, seq: int) -> None:
        """The broker has it for somebody."""
        self._flying.discard(seq)
        self._landed.setdefault(seq, monotonic_s())

    def settle(self) -> None:
        """Remove what landed long enough ago, many with one fsync."""
        limit_s = monotonic_s() - self._settle_s
        settled = [seq for seq, at_s in self._landed.items() if at_s <= limit_s]
        if settled:
            self._outbox.remove(settled)
            for seq in settled:
                del self._landed[seq]
