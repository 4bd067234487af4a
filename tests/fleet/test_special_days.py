"""Closed days and other hours: rows of a form become holidays or dated hours, and come back."""

from __future__ import annotations

import copy
import json
import re
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from rig import Fleet, SimBox, small_programme

from device.programme.playable import playable
from device.programme.schema import Programme
from device.stage.hours import opening
from fleet.console.days_form import sentences, typed
from fleet.console.download_form import FIELDS
from fleet.console.templates import HERE, Pages
from fleet.downloads import KINDS
from fleet.special_days import Day, Kind, days_in, days_of, faults_of, with_days, with_days_in

TODAY = date(2026, 11, 26)
FESTIVAL = Day(starts="2027-02-17", until="2027-02-23", id="spring-festival",
               name={"zh-CN": "春节", "en-US": "Spring Festival"})
EVE = Day(starts="2027-02-16", kind="hours", opens="10:00", closes="15:00", id="eve")
FLOWERS = Day(starts="2027-03-08", kind="usual", id="flowers", name={"en-US": "Flowers"})
DAYS = [FESTIVAL, EVE, FLOWERS]


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    text = (small_programme(tmp_path / "tea") / "programme.json").read_text()
    found: dict[str, Any] = json.loads(text)
    found["opening_hours"] = [{"from": "09:00", "until": "21:30"}]
    return found


def plays(document: dict[str, Any], moment: str) -> tuple[bool, list[str]]:
    """What a box does at that hour in Shanghai: is it open, and what may be said."""
    programme = msgspec.convert(document, Programme)
    at = datetime.fromisoformat(f"{moment}+08:00").astimezone(timezone.utc)
    found = playable(programme, at, {"store_name": "x"}, "zh-CN")
    return found.is_open, [segment.id for segment in found.segments]


def test_rows_become_holidays_that_a_box_keeps_to(document: dict[str, Any]) -> None:
    made = with_days(document, DAYS)
    both = ["welcome", "longjing"]
    assert plays(made, "2027-02-15T12:00") == (True, both)
    assert plays(made, "2027-02-16T12:00") == (True, both)
    assert plays(made, "2027-02-16T16:00") == (False, []), "the eve closes at three"
    assert plays(made, "2027-02-17T12:00") == plays(made, "2027-02-23T12:00") == (False, [])
    assert plays(made, "2027-02-24T12:00") == plays(made, "2027-03-08T12:00") == (True, both)
    assert days_of(made) == DAYS, "and they come back into the form"
    assert with_days(made, DAYS) == made
    assert with_days(made, []) == document, "nothing is left behind"


@pytest.mark.parametrize("part", ["opening_hours", "schedule"])
def test_a_programme_that_names_no_hours_can_be_closed_too(
    document: dict[str, Any], part: str
) -> None:
    del document[part]
    made = with_days(document, [FESTIVAL, EVE])
    assert plays(made, "2027-02-17T12:00") == (False, [])
    assert plays(made, "2027-02-16T11:00")[1] and not plays(made, "2027-02-16T16:00")[1]
    assert days_of(made) == [FESTIVAL, EVE] and with_days(made, []) == document


def test_what_was_written_by_hand_stays(document: dict[str, Any]) -> None:
    document["holidays"] = [{"id": "launch", "from": "2027-01-02"}]
    document["schedule"].append({"from": "22:00", "until": "23:00", "only_on": ["launch"],
                                 "play": ["longjing"]})
    rows = days_of(document)
    assert [row.kind for row in rows] == ["custom"]
    made = with_days(document, [*rows, FESTIVAL])
    assert document["schedule"][1] in made["schedule"]
    moved = msgspec.structs.replace(rows[0], starts="2027-01-03")
    assert plays(with_days(document, [moved]), "2027-01-03T22:30")[1] == ["longjing"]
    assert len(with_days(document, [])["schedule"]) == 1, "a day that goes takes its own along"
    groups = copy.deepcopy(document)
    groups["schedule"][0]["groups"] = ["flagship"]
    own = [slot for slot in with_days(groups, [EVE])["schedule"] if slot.get("only_on") == ["eve"]]
    assert [slot["groups"] for slot in own] == [["flagship"]]


def test_drafts_that_are_no_programmes_yet_break_nothing() -> None:
    for broken in ({}, {"holidays": 7, "schedule": {}, "opening_hours": [1]},
                   {"holidays": [{}, 3], "schedule": [{"only_on": "x", "not_on": 3}]}):
        assert isinstance(days_of(broken), list)
        assert days_of(with_days(broken, [FESTIVAL]))[-1].name == FESTIVAL.name


def test_dates_of_a_stores_hours_are_rows_and_a_shop_without_hours_stays_open() -> None:
    hours = ("mon-fri 09:00-21:00; sat,sun 10:00-02:00; 2026-12-25 closed; 2026-12-26 closed; "
             "2026-12-31 9:00-18:00; 2027-01-01 10:00-12:00,14:00-18:00")
    rows = days_in(hours)
    assert [(row.starts, row.until, row.kind, row.opens, row.text) for row in rows] == [
        ("2026-12-25", "2026-12-26", "closed", "", ""), ("2026-12-31", "", "hours", "09:00", ""),
        ("2027-01-01", "", "custom", "", "10:00-12:00,14:00-18:00")]
    again = with_days_in(hours, rows)
    assert days_in(again) == rows and again is not None and again.startswith("mon-fri 09:00-21:00")
    made = with_days_in(None, [FESTIVAL, EVE])

    def is_open(at: str) -> bool:
        return opening(made, "Asia/Shanghai", datetime.fromisoformat(f"{at}+08:00")).is_open

    assert is_open("2027-02-15T03:00") and is_open("2027-02-16T12:00")
    assert not is_open("2027-02-16T16:00") and not is_open("2027-02-20T12:00")
    assert with_days_in(made, []) is None and with_days_in(hours, []) == (
        "mon-fri 09:00-21:00; sat,sun 10:00-02:00")


@pytest.mark.parametrize(("changes", "field", "words"), [
    ({"starts": ""}, "from", "请选一个日期.*Choose a date"),
    ({"starts": "2027-02-30"}, "from", "Choose a date"),
    ({"until": "soon"}, "until", "Choose a date"),
    ({"until": "2027-01-01"}, "until", "before the first"),
    ({"until": "2029-01-01"}, "until", "weekly hours"),
    ({"starts": "2026-01-01", "until": "2026-01-02"}, "from", "Over"),
    ({"kind": "hours"}, "opens", "几点"), ({"kind": "hours", "opens": "25:00"}, "opens", "10:00"),
    ({"kind": "hours", "opens": "10:00", "closes": "10:00"}, "closes", "It closes when"),
    ({"starts": "2027-02-16", "until": "2027-02-16"}, "from", "another row already")])
def test_a_slip_is_told_at_its_field(changes: dict[str, Any], field: str, words: str) -> None:
    faults = faults_of([EVE, msgspec.structs.replace(FESTIVAL, **changes)], False, TODAY)
    found = {fault.field: fault for fault in faults}[f"days/1/{field}"]
    assert re.search(words, found.sentence_zh + found.sentence_en)
    assert faults_of(DAYS, False, TODAY) == []
    assert [fault.field for fault in faults_of(DAYS, True, TODAY)] == ["days/2/kind"]


def test_a_form_is_read_and_says_what_happens_in_both_languages() -> None:
    form = {"days/0/from": "2027-02-17", "days/0/until": "2027-02-23", "days/0/kind": "closed",
            "days/0/id": "spring-festival", "days/0/name/zh-CN": "春节", "days/0/opens": "09:00",
            "days/0/name/en-US": " Spring Festival ", "days/2/from": "2027-02-16",
            "days/2/kind": "hours", "days/2/opens": "10:00", "days/2/closes": "02:00",
            "days/3/from": "", "days/3/kind": "closed", "days/9/kind": "closed"}
    rows = typed(form)
    assert rows[0] == FESTIVAL and [row.starts for row in rows] == ["2027-02-17", "2027-02-16"]
    assert [row.starts for row in typed({**form, "do": "remove:0"})] == ["2027-02-16"]
    say = {language: partial(_text, language) for language in ("zh-CN", "en-US")}
    assert sentences(rows, "en-US", TODAY, say["en-US"]) == [
        "Open 10:00–02:00 on 2027-02-16 Tue, into the next day",
        "Closed from 2027-02-17 Wed to 2027-02-23 Tue (7 days) (Spring Festival)"]
    assert sentences(rows, "zh-CN", TODAY, say["zh-CN"])[1] == (
        "2027-02-17 周三 到 2027-02-23 周二(共 7 天)休息(春节)")
    assert sentences(rows, "en-US", date(2028, 1, 1), say["en-US"]) == []


def _text(language: str, key: str, **values: object) -> str:
    return Pages().text(key, language, **values)


def test_programs_set_days_with_the_same_checks(fleet: Fleet, box: SimBox) -> None:
    rows = [{"from": "2027-02-17", "until": "2027-02-23"},
            {"from": "2027-02-16", "kind": "hours", "opens": "10:00", "closes": "15:00"}]
    store = f"/api/v1/boxes/{box.box}/days"
    status, told = fleet.ask(store, {"days": rows}, "PUT")
    assert status == 200, told
    hours = box.follow().settings.hours
    assert hours is not None and "2027-02-23 closed" in hours and "10:00-15:00" in hours
    assert [row["from"] for row in fleet.ask(store)[1]["days"]] == ["2027-02-16", "2027-02-17"]
    programme = "/api/v1/programmes/tea-shop/days"
    status, told = fleet.ask(programme, {"days": rows}, "PUT")
    assert status == 200 and told["faults"] == [], told
    assert [row["id"] for row in told["days"]] == ["day-2027-02-17", "day-2027-02-16"]
    assert fleet.ask("/api/v1/programmes/tea-shop/publish", {})[0] == 200
    box.follow()
    for where in (store, programme):
        for bad in ({}, {"days": [{}]}, {"days": [{"from": "x"}]}, {"days": [rows[0], rows[0]]},
                    {"days": [{"from": "2027-02-17", "kind": "party"}]}):
            status, answer = fleet.ask(where, bad, "PUT")
            assert status == 422 and answer["error"], bad
    assert fleet.ask("/api/v1/boxes/nobody/days")[0] == 404
    assert box.desired.empty()


def test_every_word_that_the_forms_put_together_is_there() -> None:
    texts = json.loads((HERE / "texts.json").read_text())
    kinds = get_args(Kind)
    made = {f"{stem}.{name}" for stem, names in {
        "days.kind": kinds, "days.say": kinds, "days.why": ("store", "programme"),
        "weekday": range(7), "download": FIELDS, "download.say": FIELDS, "download.unit": FIELDS,
        "download.of": KINDS, "download.as": ("usual", "chain", "group"),
    }.items() for name in names}
    assert made - set(texts) == set()
