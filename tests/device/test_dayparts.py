"""Parts of the day and closing time, as the conversation lives them: always at a sentence's end."""

from __future__ import annotations

from datetime import timedelta

from device.conversation import events as e
from device.conversation.cues import Count, ShowCard, StopSpeech
from device.conversation.speaking import FOLLOW_UP_S
from tests.device.test_conversation import START, Kiosk, of, script

NOON_PARTS = [  # it is noon in China; the test's segments have two or three sentences
    {"from": "09:00", "until": "12:10", "play": ["hello"]},
    {"from": "12:10", "until": "18:00", "play": ["tea", "cup"]},
]


def test_at_the_boundary_the_sentence_ends_and_the_new_part_begins() -> None:
    kiosk = Kiosk(script(schedule=NOON_PARTS))
    assert kiosk.saying == "欢迎来到本店。"
    kiosk.utc = START + timedelta(minutes=10)
    assert kiosk.tick(0) == [], "nothing is cut off"
    found = kiosk.finish()
    assert kiosk.saying == "这是龙井。" and of(ShowCard, found) == [ShowCard("tea")]
    assert [c.detail["complete"] for c in of(Count, found)] == [False]


def test_parts_that_overlap_are_played_one_after_the_other() -> None:
    parts = [{"from": "09:00", "until": "18:00", "play": ["hello"]},
             {"from": "11:00", "until": "13:00", "play": ["cup"]}]
    kiosk = Kiosk(script(schedule=parts))
    for _ in range(5):
        kiosk.finish()
    assert kiosk.said()[::2][:3] == ["欢迎来到本店。", "这是茶杯。", "欢迎来到本店。"]


def test_an_answer_across_the_boundary_is_finished_and_the_old_part_is_not_taken_up() -> None:
    kiosk = Kiosk(script(schedule=NOON_PARTS))
    kiosk.hear("几点关门")
    kiosk.utc = START + timedelta(minutes=10)
    kiosk.tick(0)
    assert kiosk.saying == "晚上九点关门。"
    kiosk.finish()
    kiosk.tick(FOLLOW_UP_S + 1)
    assert kiosk.saying == "这是龙井。", "not the rest of the interrupted welcome"


def test_closing_time_lets_the_sentence_end_then_rests_deaf_without_a_card() -> None:
    kiosk = Kiosk()
    for _ in range(2):
        kiosk.finish()
    assert kiosk.saying == "这是龙井。" and kiosk.state.showing == "tea"
    assert StopSpeech() not in kiosk.send(e.Resting(True)) and kiosk.saying == "这是龙井。"
    kiosk.finish()
    assert kiosk.saying is None and kiosk.state.mode == "idle" and kiosk.state.showing is None
    assert kiosk.hear("几点关门") == [] and kiosk.tick(600) == []
    kiosk.send(e.Resting(False))
    kiosk.tick(0.3)
    assert kiosk.saying is not None, "opened"


def test_who_was_asked_before_closing_still_answers_to_the_end() -> None:
    kiosk = Kiosk()
    kiosk.hear("几点关门")
    kiosk.send(e.Resting(True))
    assert kiosk.saying == "晚上九点关门。"
    kiosk.finish()
    kiosk.tick(FOLLOW_UP_S + 1)
    assert kiosk.saying is None and kiosk.state.mode == "idle"
