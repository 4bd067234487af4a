"""Download limits of the chain, a group and a box: as people write them, signed for the boxes."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from rig import Fleet, SimBox

from device.messages import Download
from fleet.console.download_form import (
    amount,
    avatar_hours,
    bytes_of,
    limits_words,
    sentences,
    shown,
    typed,
)
from fleet.console.templates import Pages

MB = 1_000_000


@pytest.mark.parametrize(("text", "count"), [
    ("", None), ("500", 500 * MB), ("1.5", 1_500_000), ("0,5 MB", 500_000), ("2 GB", 2000 * MB),
    ("0.5mb", 500_000), ("300兆", 300 * MB)])
def test_megabytes_are_read_as_people_write_them(text: str, count: int | None) -> None:
    assert bytes_of(text) == count
    assert bytes_of(amount(count)) == count


@pytest.mark.parametrize(("field", "text", "words"), [
    ("bytes_per_day", "much", "不是数量.*write MB"), ("bytes_per_day", "-5", "write MB"),
    ("bytes_per_hour", "0", "at least 0.02 MB"), ("bytes_per_hour", "1e9", "write MB"),
    ("open_bytes_per_s", "9" * 12, "Too little or too much"),
    ("bytes_per_hour", "600", "一小时不能比一天还多.*cannot have more than the day")])
def test_a_slip_is_told_at_its_field(field: str, text: str, words: str) -> None:
    found = typed({"own": "on", "bytes_per_day": "500", "bytes_per_hour": "",
                   "open_bytes_per_s": "1", field: text})
    assert [fault.field for fault in found.faults] == [field] and found.limits is None
    sentence = found.faults[0].sentence_zh + found.faults[0].sentence_en
    assert re.search(words, sentence), sentence
    assert found.texts[field] == text, "what was typed stays in the form"


def test_a_form_comes_back_as_it_was_set_and_says_what_happens() -> None:
    form = {"own": "on", "bytes_per_day": "500", "bytes_per_hour": "100", "open_bytes_per_s": ""}
    limits = typed(form).limits
    assert limits == Download(bytes_per_day=500 * MB, bytes_per_hour=100 * MB,
                              open_bytes_per_s=None)
    assert shown(limits, Download()).texts == {k: v for k, v in form.items() if k != "own"}
    assert typed({**form, "own": "off"}).limits is None, "as what is above"
    t = partial(_text, "en-US")
    assert limits_words(limits, t) == "at most 500 MB a day, at most 100 MB an hour"
    assert limits_words(Download(open_bytes_per_s=None), partial(_text, "zh-CN")) == "不限流量"
    told = " ".join(sentences(limits, 3, t))
    assert "concerned: 3" in told and "within about 2 hours" in told and "at full speed" not in told
    assert "full speed" in " ".join(sentences(Download(), 1, t))


def _text(language: str, key: str, **values: object) -> str:
    return Pages().text(key, language, **values)


@pytest.mark.parametrize(("day", "hour", "hours"), [
    (None, None, 0), (None, 200, 0), (None, 100, 1), (None, 30, 6), (200, None, 0), (100, None, 24),
    (50, None, 72), (150, 20, 26), (150, 150, 24)])
def test_how_long_a_new_face_takes(day: int | None, hour: int | None, hours: int) -> None:
    limits = Download(bytes_per_day=day and day * MB, bytes_per_hour=hour and hour * MB)
    assert avatar_hours(limits) == hours


def test_a_box_goes_by_its_own_limits_then_its_group_then_the_chain(
    fleet: Fleet, box: SimBox, tmp_path: Path
) -> None:
    """By the API; each change is signed and sent to those whom it concerns, and to no others."""
    other = SimBox(fleet, tmp_path / "airport-1", "airport-1")
    assert other.enrol(fleet.ticket("airport-1"))[0] == 200
    other.connect()
    other.follow()

    def put(where: str, limits: dict[str, int | None] | None) -> dict[str, object]:
        status, told = fleet.ask(f"/api/v1/downloads/{where}", {"limits": limits}, "PUT")
        assert status == 200, told
        return dict(told)

    def day(sim: SimBox) -> int | None:
        return sim.follow().settings.download.bytes_per_day

    assert put("chain/tea", {"bytes_per_day": 900 * MB})["boxes"] == 2
    assert day(box) == day(other) == 900 * MB
    groups = {"settings": {"groups": ["airport"]}}
    assert fleet.ask("/api/v1/boxes/airport-1", groups, "PUT")[0] == 200
    assert day(other) == 900 * MB
    assert put("group/airport", {"bytes_per_day": 300 * MB})["boxes"] == 1
    assert day(other) == 300 * MB
    assert put("box/airport-1", {"bytes_per_day": 50 * MB})["from"] == "box"
    assert day(other) == 50 * MB
    told = put("group/airport", {"bytes_per_day": 200 * MB})
    assert told["boxes"] == 0, "its only box has limits of its own"
    assert put("box/airport-1", None)["holds"] == {
        "bytes_per_hour": None, "bytes_per_day": 200 * MB, "open_bytes_per_s": MB}
    assert day(other) == 200 * MB
    new = SimBox(fleet, tmp_path / "new", "new-1")
    assert new.enrol(fleet.ticket("new-1"))[0] == 200
    new.connect()
    assert day(new) == 900 * MB, "who comes later goes by the chain's too"
    assert box.desired.empty()
    for where, body, status in (
        ("chain/tea", {"limits": {"bytes_per_day": 5}}, 422), ("chain/tea", {}, 422),
        ("chain/tea", {"limits": {"bytes_per_day": 20_000, "bytes_per_hour": MB}}, 422),
        ("chain/other", {"limits": None}, 404), ("box/nobody", {"limits": None}, 404),
        ("group/No%20Way", {"limits": None}, 404), ("world/x", {"limits": None}, 404)):
        found, answer = fleet.ask(f"/api/v1/downloads/{where}", body, "PUT")
        assert found == status and answer["error"], where
    bad = {"settings": {"download": {"bytes_per_day": 20_000, "bytes_per_hour": MB}}}
    assert fleet.ask("/api/v1/boxes/new-1", bad, "PUT")[0] == 422, "the older door has the checks"
    assert new.desired.empty()
    for sim in (other, new):
        sim.leave()
