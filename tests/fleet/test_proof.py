"""Proof of speech at the console: kept once, counted once, and judged without trust in us."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from device.messages import Event
from fleet.cli import register
from fleet.store.database import Database
from fleet.store.journal import Journal, drop_old_events, take_event
from fleet.store.proof import Proof
from ota.trust import proof
from tests.sim.said_box import BOX, SaidBox

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=timezone.utc)


def fleet(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="vitrine")
    register(parser.add_subparsers())
    args = parser.parse_args(["fleet", *words])
    return int(args.run(args))


class Server:
    """The console's database, as the inbox fills it."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.journal, self.proof = Journal(self.database), Proof(self.database)

    def takes(self, *events: Event, box: str = BOX) -> list[bool]:
        with self.database.write() as writer:
            return [take_event(writer, box, event, NOW) for event in events]

    def export(self, path: Path) -> Path:
        rows: list[Any] = []
        after = None
        while page := self.proof.page(**({"after": after} if after else {}), limit=7):
            rows += page
            after = page[-1].place
        path.write_text("".join(json.dumps(row.as_json(), ensure_ascii=False) + "\n"
                                for row in rows))
        return path


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "console.db")


@pytest.fixture
def box(tmp_path: Path) -> SaidBox:
    made = SaidBox(tmp_path / "proof")
    made.says(0, 20)
    made.says(20, 10, sign=True)
    return made


def test_each_line_is_kept_and_counted_once_however_often_it_comes(
    server: Server, box: SaidBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(server.takes(*box.sent))
    assert not any(server.takes(*box.sent[3:9]))
    assert server.journal.played_on("2026-11-25") == [("tea-shop", "segment/longjing", 30)]
    monkeypatch.setattr("fleet.store.journal.EVENTS_KEPT", 1)
    with server.database.write() as writer:
        drop_old_events(writer)
    # A box that comes back after long tells again what the list of events has forgotten.
    assert not any(server.takes(*box.sent))
    assert server.journal.played_on("2026-11-25") == [("tea-shop", "segment/longjing", 30)]
    said = server.proof.said(BOX, 3)
    assert [row.detail["said"][-5:] for row in said] == ["第29次。", "第28次。", "第27次。"]


def test_the_export_is_judged_and_a_changed_row_is_named(
    server: Server, box: SaidBox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.takes(*reversed(box.sent))  # whatever the order in which they came
    ca = tmp_path / "ca.pem"
    ca.write_bytes(box.issuer.cert_pem)
    path = server.export(tmp_path / "proof.jsonl")
    verify = ("export", "--verify", "--from", str(path), "--ca", str(ca))
    assert fleet(*verify) == 0
    assert "holds; 31 rows, signed to row 31" in capsys.readouterr().err
    with server.database.write() as writer:
        writer.execute("update proof set detail=replace(detail,'¥128','¥12') where n=17 and head=0")
    server.export(path)
    assert fleet(*verify) == 1
    err = capsys.readouterr().err
    assert f"{BOX} log" in err and "BROKEN: Row 17 does not fit row 18: it was changed." in err
    assert fleet(*verify, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["holds"] and found["logs"][0]["findings"][0]["line"] == 17
    ca.write_bytes(SaidBox(tmp_path / "other").issuer.cert_pem)
    assert fleet(*verify) == 1 and "not issued by this chain" in capsys.readouterr().err


def test_rows_that_never_were_prove_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ota.errors import Refused

    empty, ca = tmp_path / "proof.jsonl", tmp_path / "ca.pem"
    ca.write_bytes(b"-")
    empty.write_text("")
    verify = ("export", "--verify", "--from", str(empty), "--ca", str(ca))
    assert fleet(*verify) == 1 and "nothing was judged" in capsys.readouterr().err
    for nonsense in ("{", "[]", '{"box": 1}', "[" * 9000, '{"box":"b","id":1,"at":1,"kind":1,'
                     '"detail":[]}'):
        empty.write_text(nonsense + "\n")
        with pytest.raises(Refused, match="Line 1 of"):
            fleet(*verify)
    with pytest.raises(Refused, match="--ca"):
        fleet("export", "--verify", "--from", str(empty))
    with pytest.raises(Refused, match="Name what"):
        fleet("export")


@pytest.mark.parametrize("detail", [
    {"log": "a", "n": 2**70}, {"log": "a", "n": -1}, {"log": "a", "n": True}, {"log": "", "n": 1},
    {"log": "x" * 99, "n": 1}, {"log": 7, "n": 1}, {"n": 1}, {"log": "a", "n": "1"},
])  # fmt: skip
def test_a_box_that_sends_nonsense_does_not_stop_the_inbox(
    server: Server, detail: dict[str, Any]
) -> None:
    assert server.takes(Event(id="e", at="2026", kind="played", detail=detail)) == [True]
    assert server.proof.page() == []


def test_two_boxes_and_a_forged_row_of_the_same_number_stay_apart(
    server: Server, box: SaidBox
) -> None:
    server.takes(*box.sent)
    server.takes(*box.sent, box="shanghai-002")
    forged = Event(id="f", at=box.sent[5].at, kind="played",
                   detail={**box.sent[5].detail, "said": "今天全部免费。"})
    assert server.takes(forged) == [True], "kept, so that it is found"
    rows = [row.as_json() for row in server.proof.page(BOX, limit=1000)]
    verdict = proof.verify(BOX, box.sent[5].detail["log"], rows, box.issuer.cert_pem)
    assert "There are two rows 6: one was put in." in [f.sentence for f in verdict.findings]
    stolen = [row.as_json() for row in server.proof.page("shanghai-002", limit=1000)]
    other = proof.verify("shanghai-002", rows[0]["detail"]["log"], stolen, box.issuer.cert_pem)
    assert not other.holds, "another box's signature"


