"""The outbox: nothing dear is lost to a restart, a full disk, a damaged file or a small limit."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from device.messages import Event
from device.sync.outbox import EVENT_BYTES_MAX, Outbox, Sender

ROOT = Path(__file__).resolve().parent.parent.parent


def event(number: int, kind: str = "played", size: int = 10) -> Event:
    return Event(id=f"id-{number}", at="2026-11-21T12:00:00Z", kind=kind, detail={"x": "y" * size})


def ids(box: Outbox) -> list[str]:
    return [item.id for item in box.first(100_000)]


def test_events_are_there_after_a_restart_in_order_and_once(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db")
    box.put_many([event(n) for n in range(5)] + [event(2)])
    box.close()
    again = Outbox(tmp_path / "o.db")
    assert ids(again) == [f"id-{n}" for n in range(5)]
    again.remove([again.first(1)[0].seq])
    assert ids(again)[0] == "id-1" and len(again) == 4


def test_a_process_killed_while_it_writes_loses_nothing_it_reported(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from device.sync.outbox import Outbox; from device.messages import Event\n"
        f"box = Outbox(Path({str(tmp_path / 'o.db')!r}))\n"
        "for n in range(10**6):\n"
        "    box.put(Event(id=str(n), at='t', kind='played'))\n"
        "    print(n, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                               cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    reported = -1
    for line in process.stdout:
        reported = int(line)
        if reported >= 60:
            break
    process.send_signal(signal.SIGKILL)
    rest = [int(line) for line in process.stdout if line.strip().isdigit()]
    process.wait()
    reported = max([reported, *rest])
    kept = {int(i) for i in ids(Outbox(tmp_path / "o.db"))}
    assert kept >= set(range(reported + 1))


def test_a_damaged_file_is_set_aside_and_the_work_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    box = Outbox(path)
    box.put_many([event(n) for n in range(200)])
    box.close()
    data = bytearray(path.read_bytes())
    data[100:] = os.urandom(len(data) - 100)
    path.write_bytes(data)
    again = Outbox(path)
    assert again.set_aside == 1 and (tmp_path / "o.db.damaged-1").exists()
    assert again.put(event(1000)) and ids(again) == ["id-1000"]


def test_a_file_damaged_under_a_running_box_is_set_aside_too(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    box = Outbox(path)
    box.put_many([event(n, size=500) for n in range(500)])
    box._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(40 * 4096))
    box._db.execute("PRAGMA shrink_memory")
    for number in range(5000, 5400):
        box.put(event(number, size=500))
    box.first(1000)
    assert box.set_aside >= 1
    assert box.put(event(9999)) and "id-9999" in ids(box)


def test_not_a_database_at_all(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    path.write_bytes(b"#!/bin/sh\n" * 1000)
    box = Outbox(path)
    assert box.set_aside == 1 and box.put(event(1))


def test_when_full_telemetry_goes_first_and_proof_of_play_last(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db", items_max=100)
    box.put_many([event(n, "played") for n in range(60)])
    box.put_many([event(100 + n, "telemetry") for n in range(30)])
    box.put_many([event(200 + n, "asked") for n in range(30)])
    kept = ids(box)
    assert len(kept) == 100
    assert sum(i.startswith("id-1") and len(i) == 6 for i in kept) == 10  # telemetry, the newest
    assert box.dropped["telemetry"] == 20 and box.dropped["played"] == 0
    box.put_many([event(1000 + n, "played") for n in range(100)])
    assert box.dropped["telemetry"] == 30 and box.dropped["asked"] == 30
    assert box.dropped["played"] == 60 and ids(box)[0] == "id-1000"


def test_bytes_are_bounded_and_a_giant_is_refused(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db", bytes_max=50_000)
    box.put_many([event(n, size=1000) for n in range(100)])
    assert box.bytes_held <= 50_000
    assert not box.put(event(1, size=EVENT_BYTES_MAX)) and box.dropped["played"] > 0


def test_a_full_disk_keeps_the_dearest_in_memory_until_there_is_room(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db")
    box.put(event(0))
    box._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = box._db.execute("PRAGMA page_count").fetchone()[0]
    box._db.execute(f"PRAGMA max_page_count={pages}")  # SQLite's own "database or disk is full"
    for number in range(1, 400):
        box.put(event(number, "played" if number % 2 else "telemetry", size=300))
    assert 0 < box.waiting_in_memory <= 256
    assert box.dropped["telemetry"] > 0 and box.dropped["played"] == 0
    waiting = box.first(1000)[-1]  # the network still takes what the disk does not
    assert waiting.id == "id-399"
    box.remove([waiting.seq])
    assert "id-399" not in ids(box)
    box.put(event(399, size=300))
    box._db.execute("PRAGMA max_page_count=1000000")
    box.put(event(1000))
    assert box.waiting_in_memory == 0
    played = {f"id-{n}" for n in range(1, 400, 2)}
    assert played <= set(ids(box)) and "id-1000" in ids(box)


def test_reading_while_another_process_holds_the_file_is_no_damage(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db")
    box.put(event(1))
    other = sqlite3.connect(tmp_path / "o.db", isolation_level=None, timeout=0.1)
    other.execute("BEGIN EXCLUSIVE")
    box._db.execute("PRAGMA busy_timeout=50")
    box.put(event(2))
    assert box.set_aside == 0 and box.waiting_in_memory == 1
    other.execute("COMMIT")
    other.close()
    assert ids(box) == ["id-1", "id-2"]


class World:
    """A broker that may be away, may have no subscriber, and a console that dedups by id."""

    def __init__(self) -> None:
        self.up = self.listens = True
        self.got: set[str] = set()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["put", "send", "drop", "up", "down", "deaf", "hear", "restart"]),
                max_size=60))
def test_whatever_happens_every_event_arrives_in_the_end(
    tmp_path_factory: object, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("outbox")  # type: ignore[attr-defined]
    box, world, made = Outbox(folder / "o.db"), World(), 0
    sender = Sender(box, window=3, settle_s=0.0)

    def turn(acknowledge: bool) -> None:
        if not world.up:
            return
        for item in sender.due():
            if not world.listens:
                sender.unwanted(item.seq)
                sender._pause = type(sender._pause)(0.0)
                continue
            world.got.add(item.id)
            if acknowledge:
                sender.landed(item.seq)
        sender.settle()

    for step in steps:
        if step == "put":
            box.put(event(made))
            made += 1
        elif step == "send":
            turn(True)
        elif step == "drop":
            turn(False)  # delivered, but the acknowledgement is lost
        elif step in ("up", "down"):
            world.up = step == "up"
            sender.restart()
        elif step in ("deaf", "hear"):
            world.listens = step == "hear"
        else:
            box.close()
            box = Outbox(folder / "o.db")
            sender = Sender(box, window=3, settle_s=0.0)
    world.up = world.listens = True
    sender.restart()
    for _ in range(made + 2):
        turn(True)
    assert world.got == {f"id-{n}" for n in range(made)}
    assert len(box) == 0
    box.close()


def test_an_acknowledgement_counts_only_when_the_broker_outlives_it(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "o.db")
    box.put_many([event(n) for n in range(3)])
    sender = Sender(box, settle_s=60.0)
    for item in sender.due():
        sender.landed(item.seq)
    sender.settle()
    assert sender.due() == [] and len(box) == 3
    sender.restart()  # killed before it could save: everything once more
    assert [item.id for item in sender.due()] == ["id-0", "id-1", "id-2"]
    patient = Sender(box, settle_s=0.0)
    for item in patient.due():
        patient.landed(item.seq)
    patient.settle()
    assert len(box) == 0
