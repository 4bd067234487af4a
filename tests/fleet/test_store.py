"""Presence, drafts and messages: the parts that decide without touching the world."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.messages import Answer, Desired, Status
from fleet.desired import next_desired, seal
from fleet.drafts import (
    RestBroken,
    differences,
    rest_of,
    theme_of,
    with_fields,
    with_new_item,
    with_rest,
    without_item,
)
from fleet.inbox import SUBSCRIBED, Unreadable, parse, split_picture
from fleet.store.boxes import BEATS, Boxes, slices, take_status
from fleet.store.database import Database
from ota.errors import Refused
from ota.trust.keys import SigningKey

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)


@pytest.fixture()
def boxes(tmp_path: Path) -> Boxes:
    store = Boxes(Database(tmp_path / "console.db"))
    store.enrolled("a-1", "tea-shop", "", NOW)
    return store


def status(store: Boxes, online: bool, session: str, since: str = "2026") -> bool:
    with store._database.write() as writer:
        return take_status(writer, "a-1", Status(online=online, session=session, since=since), NOW)


def test_the_will_of_an_old_session_cannot_silence_a_box_that_is_back(boxes: Boxes) -> None:
    assert status(boxes, True, "one")
    assert status(boxes, True, "two", since="2019")  # its clock went back; it is here all the same
    assert not status(boxes, False, "one")
    assert boxes.get("a-1").online  # type: ignore[union-attr]
    assert status(boxes, False, "two")
    assert not boxes.get("a-1").online  # type: ignore[union-attr]


def test_a_days_presence_in_slices() -> None:
    since, width = NOW - timedelta(hours=24), timedelta(hours=24) / BEATS
    changes = [(since + width * 10.5, True), (since + width * 20.5, False)]
    bars = slices(None, changes, since, NOW)
    assert bars[:10] == [None] * 10
    assert bars[11:20] == [True] * 9
    assert bars[20] is False and bars[-1] is False
    assert slices(True, [], since, NOW) == [True] * BEATS


def test_numbers_are_counted_by_the_database(boxes: Boxes) -> None:
    status(boxes, True, "one")
    counts = boxes.counts()
    assert (counts.total, counts.on_air, counts.silent, counts.unlabelled) == (1, 1, 0, 0)
    with boxes._database.write() as writer:
        writer.execute("update box set player='{\"ai_label\": false}', desired_seq=4")
    counts = boxes.counts()
    assert (counts.drifted, counts.unlabelled) == (1, 1)
    assert [box.id for box in boxes.page(only="unlabelled")] == ["a-1"]


def test_two_chinese_characters_find_a_shop(boxes: Boxes) -> None:
    boxes.rename("a-1", "上海南京西路店")
    assert [box.id for box in boxes.page("上海")] == ["a-1"]
    assert boxes.page("%") == []


def test_a_desired_number_never_goes_back(boxes: Boxes) -> None:
    boxes.put_desired([("a-1", 5, b"{}", b"five")], NOW)
    boxes.put_desired([("a-1", 4, b"{}", b"four")], NOW)
    assert boxes.envelopes() == [("a-1", b"five")]
    box = boxes.get("a-1")
    assert box is not None
    assert next_desired("tea", box, None, None, None).seq == 6


def test_a_wish_that_does_not_fit_the_wire_is_refused(boxes: Boxes) -> None:
    desired = Desired(seq=1, variables={"x": "y" * 20_000})
    with pytest.raises(Refused, match="16384"):
        seal(desired, SigningKey.generate())


DOCUMENT: dict[str, Any] = {
    "schema": 1,
    "id": "t",
    "languages": ["zh-CN", "en-US"],
    "products": [{"id": "a", "name": {"zh-CN": "茶"}, "price": "¥1", "weight": 3}],
    "segments": [{"id": "s", "say": {"zh-CN": "你好"}, "show": "a", "gesture": "wave"}],
    "answers": [{"id": "q", "ask": {"zh-CN": ["几点"]}, "say": {"zh-CN": "九点"}}],
    "fallback": {"say": {"zh-CN": "问店员"}},
}


def test_the_form_changes_what_it_knows_and_keeps_the_rest() -> None:
    changed = with_fields(
        DOCUMENT,
        {
            "products/0/price": " ¥2 ",
            "segments/0/say/en-US": "Hello",
            "segments/0/show": "",
            "answers/0/ask/zh-CN": "几点开门\r\n\r\n 什么时候开门 ",
            "products/7/price": "¥3",
            "schema": "9",
            "products/0/weight": "9",
            "csrf": "x",
        },
    )
    assert changed["products"] == [{"id": "a", "name": {"zh-CN": "茶"}, "price": "¥2", "weight": 3}]
    assert changed["segments"][0]["gesture"] == "wave"
    assert changed["segments"][0]["show"] is None
    assert changed["answers"][0]["ask"]["zh-CN"] == ["几点开门", "什么时候开门"]
    assert changed["schema"] == 1
    assert DOCUMENT["products"][0]["price"] == "¥1"
    assert ("products/a/price", "¥1", "¥2") in differences(DOCUMENT, changed)


def test_the_look_is_a_form_too_and_writes_down_only_what_differs_from_ours() -> None:
    shown = theme_of(DOCUMENT)
    sent = {"theme/card": "foot", "theme/captions": "both", "theme/bumper_at_opening": "off",
            "theme/brand/zh-CN": "", "theme/logo": "",
            **{f"theme/colours/{k}": v for k, v in shown["colours"].items()}}
    assert with_fields(DOCUMENT, sent) == DOCUMENT, "a form that was only looked at changes nothing"
    ours = with_fields(DOCUMENT, {**sent, "theme/card": "side", "theme/colours/accent": "#aa3300",
                                  "theme/bumper_at_opening": "on", "theme/brand/zh-CN": "茗铺"})
    assert ours["theme"] == {"card": "side", "colours": {"accent": "#aa3300"},
                             "bumper_at_opening": True, "brand": {"zh-CN": "茗铺"}}
    assert theme_of(ours)["colours"]["text"] == shown["colours"]["text"]
    assert with_fields(ours, sent) == DOCUMENT, "and back again"
    assert "theme" not in rest_of(ours) and with_rest(ours, "{}")["theme"] == ours["theme"]


def test_rows_come_and_go() -> None:
    grown = with_new_item(with_new_item(DOCUMENT, "products"), "products")
    assert [item["id"] for item in grown["products"]] == ["a", "product-1", "product-2"]
    assert [item["id"] for item in without_item(grown, "products/1")["products"]] == [
        "a",
        "product-2",
    ]
    assert without_item(DOCUMENT, "products/9") == DOCUMENT
    assert without_item(DOCUMENT, "schema/0") == DOCUMENT


def test_raw_json_names_the_line_of_its_mistake() -> None:
    with pytest.raises(RestBroken) as caught:
        with_rest(DOCUMENT, '{\n "id": "t",\n oops\n}')
    assert caught.value.fault.line == 3
    kept = with_rest(DOCUMENT, '{"id": "u", "products": []}')
    assert kept["products"] == DOCUMENT["products"] and kept["id"] == "u"
    assert rest_of(DOCUMENT) == {"schema": 1, "id": "t", "languages": ["zh-CN", "en-US"]}


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789/-ZHCNUS", max_size=30)
        | st.sampled_from(["products/0/price", "segments/0/say/zh-CN", "answers/0/ask/en-US"]),
        st.text(max_size=60),
        max_size=8,
    )
)
def test_no_form_breaks_a_draft(fields: dict[str, str]) -> None:
    changed = with_fields(DOCUMENT, fields)
    assert set(changed) == set(DOCUMENT)
    msgspec.json.encode(changed)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([*SUBSCRIBED, "desired", ""]),
    st.binary(max_size=200) | st.text().map(lambda text: text.encode()),
)
def test_no_message_breaks_the_inbox(leaf: str, payload: bytes) -> None:
    try:
        parsed = parse("vitrine/1/tea", f"vitrine/1/tea/a-1/{leaf}", payload)
    except Unreadable:
        return
    assert parsed.box == "a-1" and parsed.topic == leaf


@pytest.mark.parametrize("topic", ["vitrine/1/tea/A/status", "vitrine/1/coffee/a/status", "x", ""])
def test_messages_of_nobody_are_dropped(topic: str) -> None:
    with pytest.raises(Unreadable):
        parse("vitrine/1/tea", topic, b'{"online": true, "session": "s", "since": ""}')


def test_a_screenshot_is_taken_out_of_its_answer() -> None:
    answer, picture = split_picture(Answer(id="1", ok=True, result={"jpeg_base64": "AAEC", "w": 2}))
    assert picture == b"\x00\x01\x02" and answer.result == {"w": 2}
    answer, picture = split_picture(Answer(id="1", ok=True, result={"jpeg_base64": "?"}))
    assert picture is None and answer.result == {}


def test_a_database_of_the_future_or_of_garbage_is_refused_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "garbage.db").write_bytes(b"not a database" * 100)
    with pytest.raises(Refused, match="move it away"):
        Database(tmp_path / "garbage.db")
    Database(tmp_path / "console.db")._writer.execute("pragma user_version=99")
    with pytest.raises(Refused, match="newer Vitrine"):
        Database(tmp_path / "console.db")
