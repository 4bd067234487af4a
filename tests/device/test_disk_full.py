"""The disk fills up in the middle of anything: the old programme plays, the box says so, and goes
on as soon as there is room. A small real file system that is really full. (A release that finds no
room: tests/ota/test_install.py.)"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from device.messages import Event
from device.sync import keeping
from device.sync.content import Content
from device.sync.following import Following
from device.sync.outbox import Outbox
from ota import fetch
from ota.errors import Retry, VitrineError
from ota.fetch import Fetcher
from ota.floor import KEEP_S, FloorClock
from ota.trust import dsse
from ota.trust.keys import SigningKey
from ota.trust.withdrawn import Withdrawn
from tests.ota.origin import serve
from tests.sim.shelf import Shelf, box

NOW = datetime(2026, 11, 25, tzinfo=timezone.utc)
SIZE_MIB = 12
# Room that is left when the work begins: every kind of write gets its turn to fail.
ROOM_KIB = (0, 4, 8, 16, 24, 40, 72, 120, 200, 400)
KEY = SigningKey.generate()


class Disk:
    """A file system of its own; `fill` leaves `room_kib` free, `free` makes room again."""

    def __init__(self, root: Path) -> None:
        self.root, self._ballast = root, root / "ballast"

    def fill(self, room_kib: int) -> None:
        self.free()
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(4096, self.room() - (room_kib << 10)))

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def room(self) -> int:
        found = os.statvfs(self.root)
        return found.f_bavail * found.f_frsize


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Skipped, with the reason, where no file system may be mounted."""
    root = tmp_path / "disk"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "vitrine-test", str(root)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()[:80]}")
    # The reserve would keep downloads from running into the wall, which is what we want to see.
    for module in (fetch, keeping):
        monkeypatch.setattr(module, "DISK_RESERVE_BYTES", 0)
    yield Disk(root)
    subprocess.run(["umount", "--lazy", str(root)], check=True)


def bytes_of(folder: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def test_a_programme_that_finds_no_room_leaves_the_old_one_playing(
    disk: Disk, tmp_path: Path
) -> None:
    shelf = Shelf(tmp_path / "tuf")
    with serve(tmp_path / "tuf") as origin:
        def content() -> Content:
            return box(disk.root / "box", shelf, origin.url, Fetcher(None, attempts=1))

        shelf.files = {"assets/a.bin": os.urandom(90_000)}
        old = content().bring(shelf.publish())
        before = bytes_of(old.path)
        shelf.files = {"assets/a.bin": os.urandom(150_000), "speech/b.opus": os.urandom(60_000)}
        wanted = shelf.publish()
        refused = 0
        for room_kib in ROOM_KIB:
            disk.fill(room_kib)
            try:
                content().bring(wanted)
                break
            except Retry as error:
                refused += 1
                assert "disk" in str(error), str(error)
            held = content().held()
            assert held == old and bytes_of(old.path) == before, f"{room_kib} KiB"
        assert refused >= 4, "the disk was never full"
        disk.free()
        assert content().bring(wanted).wanted == wanted
        assert bytes_of(old.path) == before


def test_a_desired_state_is_followed_but_said_to_be_unkept(disk: Disk) -> None:
    def following() -> Following:
        return Following(disk.root / "desired.json", disk.root / "seq", [KEY.public], "tea", "b-1")

    def envelope(seq: int) -> bytes:
        return dsse.sign(json.dumps({"seq": seq}).encode(), dsse.DESIRED, [KEY])

    assert following().offer(envelope(1), NOW)
    disk.fill(0)
    box = following()
    box.load()
    with pytest.raises(Retry, match="disk"):
        box.offer(envelope(2), NOW)
    assert box.desired is not None and box.desired.seq == 2, "it is followed all the same"
    after = following()
    after.load()
    assert after.desired is not None and after.desired.seq == 1, "whole, and the old one"
    disk.free()
    assert after.offer(envelope(2), NOW)


def test_events_wait_in_memory_and_none_is_lost(disk: Disk) -> None:
    outbox = Outbox(disk.root / "outbox.db")
    outbox.put_many([Event(id="before", at=NOW.isoformat(), kind="played", detail={})])
    disk.fill(0)
    for number in range(60):
        outbox.put_many([Event(id=f"e{number}", at=NOW.isoformat(), kind="played",
                               detail={"what": "x" * 400})])
    disk.free()
    outbox.put_many([Event(id="after", at=NOW.isoformat(), kind="played", detail={})])
    outbox.close()
    again = Outbox(disk.root / "outbox.db")
    assert len(again) == 62
    again.close()


def test_the_floors_and_the_withdrawn_faces_say_so_and_keep_what_they_had(disk: Disk) -> None:
    up = [0.0]
    clock = FloorClock(disk.root / "clock", lambda: NOW, lambda: up[0])
    clock.seen(NOW + timedelta(days=1))
    withdrawn = Withdrawn(disk.root / "withdrawn")
    withdrawn.learn(["mei-1"])
    disk.fill(0)
    up[0] += KEEP_S + 1
    for work in (clock.keep, lambda: withdrawn.learn(["mei-2"]),
                 lambda: clock.seen(NOW + timedelta(days=9))):
        with pytest.raises(VitrineError, match="disk"):
            work()
    assert withdrawn.ids() == {"mei-1"}
    assert FloorClock(disk.root / "clock", lambda: NOW).now() >= NOW + timedelta(days=1)


def test_whichever_write_of_a_programme_fails_the_old_one_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quota strikes at the system call, at ever later moments; then there is room again."""
    shelf = Shelf(tmp_path / "tuf")
    with serve(tmp_path / "tuf") as origin:
        def content() -> Content:
            return box(tmp_path / "box", shelf, origin.url, Fetcher(None, attempts=1))

        old = content().bring(shelf.publish())
        before = bytes_of(old.path)
        shelf.files = {"assets/a.bin": os.urandom(9_000)}
        wanted = shelf.publish()
        real, struck = os.write, 0
        for room_bytes in range(0, 40_000, 1_500):
            room = [room_bytes]

            def write(descriptor: int, data: bytes, room: list[int] = room) -> int:
                if room[0] < len(data):
                    raise OSError(errno.ENOSPC, "No space left on device")
                room[0] -= len(data)
                return real(descriptor, data)

            with monkeypatch.context() as full:
                full.setattr(os, "write", write)
                try:
                    brought = content().bring(wanted)
                    break
                except Retry as error:
                    struck += 1
                    assert "disk" in str(error).lower()
            assert content().held() == old and bytes_of(old.path) == before
        assert struck >= 5 and brought.wanted == wanted and bytes_of(old.path) == before
