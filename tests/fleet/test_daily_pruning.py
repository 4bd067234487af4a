"""The server prunes once a day, and keeps what only it knows of: boxes' releases, the way back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from fleet.places import FleetPlaces
from fleet.pruning import Pruner, in_use_beside
from fleet.store.database import Database
from fleet.store.journal import Journal
from fleet.store.programmes import LISTED
from ota.publish.pruning import MEMORY
from ota.publish.repository import ROLES, Repository
from ota.trust.keys import SigningKey

DAY = timedelta(days=1)


class Server:
    """A state folder with a repository; `now` is the clock."""

    def __init__(self, state: Path) -> None:
        self.places = FleetPlaces(state)
        keys = {role: [SigningKey.generate()] for role in ROLES}
        self.repository = Repository.create(self.places.tuf, keys)
        self.database = Database(self.places.database)
        self.journal = Journal(self.database)
        self.now = datetime.now(timezone.utc)
        self.start()

    def start(self) -> None:
        self.pruner = Pruner(self.places, self.journal, lambda: self.now)

    def version(self, number: int, words: str, signed: bool = False) -> str:
        """A published version as the publisher leaves it; most are signed no longer."""
        sha256 = self.repository.put_content(words.encode())
        index = json.dumps({"files": {"w.txt": {"sha256": sha256, "bytes": len(words)}}}).encode()
        path = self.places.programmes / "tea" / "versions" / f"{number}.index.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(index)
        if signed:
            self.repository.add("programmes", f"programmes/tea/{number}.json", index)
            self.repository.publish()
        return sha256

    def has(self, sha256: str) -> bool:
        return self.repository.content_path(sha256).is_file()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "state")


def test_once_a_day_also_over_a_restart_and_the_way_back_stays_open(server: Server) -> None:
    last = LISTED + 2
    content = [server.version(number, f"words {number}", signed=number == last)
               for number in range(1, last + 1)]
    assert server.pruner.when_due() is not None
    assert server.pruner.when_due() is None
    server.start()
    assert server.pruner.when_due() is None and server.pruner.told()["waiting_bytes"] > 0
    server.now += 31 * DAY
    pruned = server.pruner.when_due()
    assert pruned is not None and len(pruned.goes) == 2
    assert [server.has(sha256) for sha256 in content] == [False] * 2 + [True] * LISTED
    told = server.pruner.told()
    assert told["freed_total_bytes"] == told["freed_bytes"] == 14 and told["waiting_bytes"] == 0
    assert told["pruned_at"] and not told["trouble"] and told["bytes"] > 0
    line, = server.journal.audit()
    assert (line.who, line.what, line.detail["freed_files"]) == ("system", "repository.pruned", 2)


def test_what_it_cannot_read_it_does_not_prune_and_says_so_until_it_can(server: Server) -> None:
    server.version(1, "one", signed=True)
    index = server.places.programmes / "tea" / "versions" / "2.index.json"
    index.mkdir()
    assert server.pruner.when_due() is None
    assert "nothing was removed" in server.pruner.told()["trouble"]
    assert not (server.places.tuf / MEMORY).exists()
    index.rmdir()
    assert server.pruner.when_due() is not None and server.pruner.told()["trouble"] == ""


def test_the_publisher_is_told_what_boxes_run_and_try(server: Server, tmp_path: Path) -> None:
    kept = server.version(1, "one")
    reports = {
        "b-1": ({"release": "1.2.0", "update": {"phase": "trial", "version": "1.3.0"}}, {}),
        "b-2": ({"release": None, "update": {}}, {"release": "1.1.0"}),
        "b-5": ({"update": {"system": {"floor": "36.4.4", "version": "36.5.1"}}}, {}),
        "b-6": ({"update": {"system": {"floor": "0", "version": ""}}}, {}),
        "b-3": ({"release": "9.0"}, {}),
    }
    with server.database.write() as w:
        for box, (reported, desired) in reports.items():
            w.execute("insert into box(id,reported,desired,retired) values(?,?,?,?)",
                      (box, json.dumps(reported), json.dumps(desired), int(box == "b-3")))
        w.execute("insert into box(id,reported) values('b-4','no report yet')")
    named = {"1.1.0", "1.2.0", "1.3.0", "36.4.4", "36.5.1"}
    assert in_use_beside(server.places.tuf) == (named, {kept})
    (tmp_path / "link").symlink_to(server.places.tuf)
    assert in_use_beside(tmp_path / "link")[0] == named
    # A publisher's own copy, away from any server.
    assert in_use_beside(tmp_path / "elsewhere" / "tuf") == (set(), set())
