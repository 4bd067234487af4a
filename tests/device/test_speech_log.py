"""Proof of speech on the box: chained, signed, durable, bounded; and what a forger can not do."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.messages import Event
from device.sync import speechlog
from device.sync.outbox import Outbox
from device.sync.speechlog import log_files, read_events, spans
from fleet import certificates
from ota.trust import proof
from ota.trust.proof import Verdict, row_hash, verify
from tests.sim.said_box import BOX, NOW, SaidBox, spoken

Rows = list[dict[str, Any]]


def judge(box: SaidBox, rows: Rows | None = None) -> Verdict:
    rows = box.rows() if rows is None else rows
    return verify(BOX, rows[0]["detail"]["log"], rows, box.issuer.cert_pem)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> SaidBox:
    """150 lines of one day, all of them signed."""
    box = SaidBox(tmp_path_factory.mktemp("day"))
    box.says(0, 150, sign=True)
    return box


def test_a_days_words_hold_and_are_signed_to_the_last(day: SaidBox) -> None:
    verdict = judge(day)
    assert verdict.holds and verdict.findings == ()
    assert (verdict.rows, verdict.signed_to) == (151, 151)  # the first row tells of the start
    heads = [row for row in day.rows() if row["kind"] == proof.HEAD]
    assert [row["detail"]["n"] for row in heads] == [64, 128, 151]
    over_the_wire = json.loads(json.dumps(day.rows()))
    assert judge(day, over_the_wire).holds


def changed(rows: Rows) -> Rows:
    row = next(row for row in rows if row["detail"]["n"] == 70)
    row["detail"]["price"] = "¥99"
    return rows


def removed(rows: Rows) -> Rows:
    return [row for row in rows if not 70 <= row["detail"]["n"] <= 71]


def put_in(rows: Rows) -> Rows:
    at = next(i for i, row in enumerate(rows) if row["detail"]["n"] == 70)
    forged = copy.deepcopy(rows[at])
    forged["id"], forged["detail"]["said"] = "forged", "今天全部免费。"
    return [*rows[: at + 1], forged, *rows[at + 1 :]]


def moved(rows: Rows) -> Rows:
    at = next(i for i, row in enumerate(rows) if row["detail"]["n"] == 70)
    rows[at], rows[at + 1] = rows[at + 1], rows[at]
    return rows


def renumbered(rows: Rows) -> Rows:
    first, second = (next(r for r in rows if r["detail"]["n"] == n) for n in (70, 71))
    first["detail"]["said"], second["detail"]["said"] = (
        second["detail"]["said"], first["detail"]["said"])
    return rows


def rewritten(rows: Rows) -> Rows:
    """Every link after the lie is made good again; only the signature is not."""
    before = None
    for row in rows:
        if row["kind"] == proof.HEAD:
            continue
        if row["detail"]["n"] == 70:
            row["detail"]["said"] = "龙井一罐1元。"
        if before is not None:
            row["detail"]["before"] = before
        before = row_hash(row)
    return rows


@pytest.mark.parametrize(("forge", "word", "line"), [
    (changed, "Row 70 does not fit row 71", 70), (removed, "Rows 70 to 71 are missing: taken", 70),
    (put_in, "There are two rows 70", 70), (moved, "Row 70 stands after row 71: moved", 70),
    (renumbered, "Row 70 does not fit row 71", 70),
    (rewritten, "Row 128, or one before it, was changed after", 128),
])  # fmt: skip
def test_what_a_forger_does_is_found_and_named(
    day: SaidBox, forge: Any, word: str, line: int
) -> None:
    verdict = judge(day, forge(copy.deepcopy(day.rows())))
    assert not verdict.holds
    broken = [finding for finding in verdict.findings if finding.broken]
    assert any(word in finding.sentence and finding.line == line for finding in broken), broken


def test_a_strangers_key_and_another_boxs_certificate_sign_nothing(day: SaidBox) -> None:
    rows = copy.deepcopy(day.rows())
    other_chain = certificates.new_issuer("coffee", NOW)
    last = next(row for row in rows if row["kind"] == "played" and row["detail"]["n"] == 151)
    for signer, why in (
        (day.signer_of(BOX, other_chain), "not issued by this chain"),
        (day.signer_of("shanghai-002"), "certificate is that of shanghai-002"),
    ):
        head = signer.head(rows[0]["detail"]["log"], 151, row_hash(last), NOW.isoformat())
        forged = {"box": BOX, "id": head.id, "at": head.at, "kind": head.kind,
                  "detail": head.detail}
        verdict = judge(day, [*rows, forged])
        assert not verdict.holds and why in verdict.findings[0].sentence
    rows[-1]["detail"]["n"] = 150  # a good signature, moved to another row
    assert not judge(day, rows).holds


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> SaidBox:
    box = SaidBox(tmp_path_factory.mktemp("hour"))
    box.says(0, 8, sign=True)
    return box


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_byte_of_a_signed_row_can_be_changed(hour: SaidBox, data: st.DataObject) -> None:
    day, rows = hour, copy.deepcopy(hour.rows())
    row = data.draw(st.sampled_from(rows))
    where = row if data.draw(st.booleans()) else row["detail"]
    name = data.draw(st.sampled_from(sorted(set(where) - {"detail", "box"})))
    where[name] = data.draw(
        st.text(max_size=9) | st.integers() | st.none() | st.lists(st.integers(), max_size=2)
    )
    if rows != day.rows() and not (row["kind"] == proof.HEAD and where is row and name == "id"):
        # A head that lost its kind, or a signature, leaves rows without one: named at least.
        verdict = judge(day, rows) if isinstance(rows[0]["detail"].get("log"), str) else None
        assert verdict is None or verdict.findings


def test_a_power_cut_tears_the_last_line_and_the_next_row_says_so(tmp_path: Path) -> None:
    box = SaidBox(tmp_path / "proof")
    box.says(0, 10)
    (path,) = log_files(tmp_path / "proof")
    data = path.read_bytes()
    path.write_bytes(data[:-40])
    box.sent = [event for event in box.sent if event.detail.get("n") != 11]  # it never left
    box.open()
    box.says(10, 1, sign=True)
    verdict = judge(box)
    assert verdict.holds and (verdict.rows, verdict.signed_to) == (12, 12)
    began = [row["detail"] for row in box.rows() if row["kind"] == proof.BEGAN]
    assert "torn_bytes" not in began[0] and began[1]["torn_bytes"] > 100


def test_what_was_written_and_not_yet_handed_on_is_told_again(tmp_path: Path) -> None:
    box = SaidBox(tmp_path / "proof")
    box.says(0, 5)
    lost = box.log.chain([spoken(5), spoken(6)])  # killed before the outbox had them
    box.open()
    assert box.log.chain([])[: len(lost)] == lost
    assert box.log.chain([spoken(5)]) == [], "the player tells it again: it is known"
    assert len(box.log.chain([spoken(7), spoken(7), spoken(7)])) == 1


def test_rows_that_the_full_box_dropped_are_a_named_gap(tmp_path: Path) -> None:
    box = SaidBox(tmp_path / "proof")
    outbox = Outbox(tmp_path / "o.db", items_max=50)
    box.log.ask_of_gaps(outbox)
    for number in range(0, 160, 8):
        outbox.put_many(box.log.chain([spoken(n) for n in range(number, number + 8)]))
    box.open().ask_of_gaps(outbox)  # what went before a restart is told as well
    outbox.put_many(box.log.chain([], sign=True))
    box.sent = [msgspec.json.decode(held.body, type=Event) for held in outbox.first(1000)]
    verdict = judge(box)
    assert verdict.holds and verdict.signed_to == box.log.rows, verdict.findings
    numbers = [row["detail"]["n"] for row in box.rows() if row["kind"] != proof.HEAD]
    assert "older than what is kept" in verdict.findings[0].sentence and numbers[0] > 100
    middle = [row for row in box.rows() if row["detail"]["n"] != numbers[20]]
    assert not judge(box, middle).holds, "one that it did not drop"
    told = [row["detail"]["rows"] for row in box.rows() if row["kind"] == proof.DROPPED]
    assert numbers[0] - 1 - told[-1][-1][-1] < 8, "all but those the last batch itself pushed out"
    outbox.close()


class Gone:
    """An outbox that had no room for one row."""

    def __init__(self, n: int) -> None:
        self.n = [n]

    def gone(self, log: str) -> list[int]:
        return list(self.n)

    def forget_gone(self, log: str, last: int) -> None:
        self.n.clear()


def test_dropped_rows_between_others_are_named_and_do_not_break_the_proof(tmp_path: Path) -> None:
    box = SaidBox(tmp_path / "proof")
    box.log.ask_of_gaps(Gone(30))
    box.says(0, 70, sign=True)
    rows = [row for row in box.rows() if row["detail"]["n"] != 30]
    verdict = judge(box, rows)
    assert verdict.holds
    assert [f.sentence for f in verdict.findings] == [
        "Rows 1 to 29 stand before a gap: not covered.",
        "Row 30 is missing: the box was full and dropped it."]


def test_a_full_disk_lets_the_words_go_without_proof_and_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = SaidBox(tmp_path / "proof")
    box.says(0, 3)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(speechlog.os, "fsync", full)
        plain = box.says(3, 2)
        assert plain == [spoken(3), spoken(4)] and box.log.unlogged == 2
    box.says(5, 1, sign=True)
    assert judge(box).holds and box.log.unlogged == 0
    told = next(row for row in box.rows() if row["kind"] == proof.UNLOGGED)
    assert told["detail"]["rows"] == 2


def test_a_log_that_was_changed_on_the_box_is_set_aside_and_told(tmp_path: Path) -> None:
    box = SaidBox(tmp_path / "proof")
    box.says(0, 10)
    (path,) = log_files(tmp_path / "proof")
    path.write_text(path.read_text().replace("¥128", "¥99", 1))
    box.open()
    again = box.says(10, 1, sign=True)
    assert (tmp_path / "proof.damaged-1").is_dir()
    assert again[0].kind == proof.BEGAN and "does not fit" in again[0].detail["damaged"]
    assert again[0].detail["log"] != box.sent[0].detail["log"]


def test_the_log_is_bounded_and_goes_on_in_the_next_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speechlog, "LINES_A_FILE", 20)
    monkeypatch.setattr(speechlog, "FILES_MAX", 3)
    box = SaidBox(tmp_path / "proof")
    for number in range(0, 100, 5):
        box.says(number, 5, sign=number == 95)
        if number == 45:
            box.open()
    files = log_files(tmp_path / "proof")
    assert len(files) == 3
    kept = [event for path in files for event in read_events(path)]
    assert kept[-1].detail["n"] == 102 and len(kept) < 80
    assert judge(box).holds
    box.sent = kept
    verdict = judge(box)
    assert verdict.holds and "older than what is kept" in verdict.findings[0].sentence


def test_an_event_that_is_too_large_for_a_row_keeps_its_place(tmp_path: Path) -> None:
    box = SaidBox(tmp_path / "proof")
    box.sent += box.log.chain([spoken(0, said="茶" * 4000)])
    box.says(1, 1, sign=True)
    assert judge(box).holds
    assert box.sent[1].detail.get("too_large") is True


def test_numbers_as_spans() -> None:
    assert spans([5, 1, 2, 2, 9, 3]) == [[1, 3], [5, 5], [9, 9]]
    assert spans([]) == []
