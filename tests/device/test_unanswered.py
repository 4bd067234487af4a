"""Questions without an answer: no word leaves unless the chain wants it and the screen said so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from device.messages import Unanswered
from device.render.cards import Look
from device.render.pills import PASSED_ON_WORDS, passed_on_pill
from device.stage.unanswered import Questions, may_be_kept, plain
from device.sync.mqtt import Outgoing
from device.sync.unanswered import Postbox

NOW = datetime(2026, 11, 25, tzinfo=timezone.utc)
NO_ANSWER = {"answer_id": None, "language": "zh-CN", "why": ""}


class Shop:
    """Visitors in front of a screen whose notice stands or does not."""

    def __init__(self, on: bool = True, shown_s: float = 60.0, covered: bool = False) -> None:
        self.questions, self.now_s = Questions(), 100.0
        self.questions.follow(on, 0.0, covered)
        self.questions.follow(on, shown_s, covered)

    def ask(self, text: str, why: str = "", kind: str = "asked", later_s: float = 90.0
            ) -> Unanswered | None:
        self.now_s += later_s
        self.questions.hears(text)
        return self.questions.counts(kind, {**NO_ANSWER, "why": why}, self.now_s)


def test_with_the_setting_off_no_text_is_even_remembered() -> None:
    shop = Shop(on=False)
    assert [shop.ask("有没有停车场") for _ in range(9)] == [None] * 9
    assert vars(shop.questions)["_asked"] == {} and vars(shop.questions)["_heard"] == ""


@pytest.mark.parametrize(("shown_s", "covered"), [(1.0, False), (60.0, True)])
def test_before_the_notice_was_shown_no_text_is_remembered(shown_s: float, covered: bool) -> None:
    shop = Shop(shown_s=shown_s, covered=covered)
    assert [shop.ask("有没有停车场") for _ in range(9)] == [None] * 9
    assert vars(shop.questions)["_asked"] == {}


def test_a_question_of_three_visitors_is_told_once_and_in_plain_words() -> None:
    shop = Shop()
    assert shop.ask("有没有停车场?") is None
    assert shop.ask("有没有停车场", later_s=5.0) is None, "the same visitor again"
    assert shop.ask("有没有停车场!") is None
    told = shop.ask(" 有没有停车场 ")
    assert told is not None and (told.text, told.visitors) == ("有没有停车场", 3)
    assert told.noticed_s == 60.0
    assert shop.ask("有没有停车场") is None, "counted anew"


def test_what_one_visitor_alone_says_never_leaves() -> None:
    shop = Shop()
    assert [shop.ask(f"我想问第{chr(0x4E00 + n)}件事") for n in range(300)] == [None] * 300
    assert len(vars(shop.questions)["_asked"]) == 128  # bounded


@pytest.mark.parametrize("text", [
    "我的电话是13800138000", "一三八零零一三八", "我叫王小明", "call me at five", "my name is Ann",
    "a@b.example", "我住在南京路", "12", "?", "长" * 41,
])
def test_numbers_names_and_addresses_are_never_kept(text: str) -> None:
    shop = Shop()
    assert [shop.ask(text) for _ in range(5)] == [None] * 5
    assert not may_be_kept(plain(text)) and shop.questions.refused == 5
    assert vars(shop.questions)["_asked"] == {}


def test_talk_beside_the_kiosk_and_questions_with_an_answer_are_not_kept() -> None:
    shop = Shop()
    for _ in range(5):
        assert shop.ask("今晚吃什么", why="talk beside the kiosk") is None
        shop.questions.hears("龙井多少钱")
        assert shop.questions.counts("asked", {"answer_id": "price"}, shop.now_s) is None
    assert vars(shop.questions)["_asked"] == {}


def test_switched_off_all_is_forgotten() -> None:
    shop = Shop()
    shop.ask("有没有停车场")
    shop.ask("有没有停车场")
    shop.questions.follow(False, 70.0, False)
    shop.questions.follow(True, 80.0, False)
    shop.questions.follow(True, 90.0, False)
    assert [shop.ask("有没有停车场") for _ in range(2)] == [None, None]


@pytest.fixture
def wire() -> Iterator[list[Outgoing]]:
    yield []


ASKED = Unanswered(text="有没有停车场", language="zh-CN", visitors=3, noticed_s=9.0)


def test_the_agent_asks_the_signed_settings_again(wire: list[Outgoing]) -> None:
    postbox = Postbox("vitrine/1/tea/b/", lambda message: wire.append(message) is None)
    postbox.take(ASKED, False, NOW)
    postbox.turn()
    assert wire == [] and postbox.refused == 1
    for bad in ({"noticed_s": 1.0}, {"visitors": 1}, {"text": ""}, {"text": "长" * 61}):
        postbox.take(Unanswered(**{**_fields(ASKED), **bad}), True, NOW)
    postbox.turn()
    assert wire == [] and postbox.refused == 5
    postbox.take(ASKED, True, NOW)
    postbox.turn()
    (sent,) = wire
    body = json.loads(sent.payload)
    assert body["kind"] == "unanswered" and body["detail"]["asked_text"] == "有没有停车场"
    assert not sent.retain and sent.expiry_s == 600


def test_without_a_line_a_few_wait_in_memory_and_go_when_it_is_switched_off() -> None:
    postbox = Postbox("vitrine/1/tea/b/", lambda message: False)
    for _ in range(40):
        postbox.take(ASKED, True, NOW)
    assert len(vars(postbox)["_waiting"]) == 16
    postbox.take(ASKED, False, NOW)
    assert len(vars(postbox)["_waiting"]) == 0


def test_the_notice_stands_in_both_languages() -> None:
    chinese, english = PASSED_ON_WORDS.split(" / ")
    assert "转告" in chinese and "passed on" in english
    sprite = passed_on_pill(Look(k=1.0, landscape=False, canvas=(1080, 1920)))
    assert 300 < sprite.width_px < 1000


def _fields(asked: Unanswered) -> dict[str, object]:
    return {name: getattr(asked, name) for name in ("text", "language", "visitors", "noticed_s")}
