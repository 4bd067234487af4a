"""What the kiosk says next: stories of a shop day, and a machine that tries everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from device.conversation import events as e
from device.conversation.cues import (
    Caption,
    Count,
    Say,
    Sentence,
    ShowCard,
    StopSpeech,
)
from device.conversation.speaking import FOLLOW_UP_S
from device.conversation.step import upcoming
from tests.sim.kiosk import EXPIRES, SHOP, START, Kiosk, edited, of, script


def test_the_presentation_goes_round() -> None:
    kiosk = Kiosk()
    for _ in range(7):
        kiosk.finish()
    assert kiosk.said() == ["欢迎来到本店。", "请随便看看。", "这是龙井。", "味道很鲜。",
                            "一罐128元。", "这是茶杯。", "一只30元。",
                            "欢迎来到本店。"]  # fmt: skip
    cards = [cue.product_id for cue in of(ShowCard, kiosk.cues)]
    assert cards == ["tea", "cup", None]
    assert kiosk.state.mode == "presenting"
    played = [cue.detail for cue in of(Count, kiosk.cues)]
    assert [d["segment"] for d in played] == ["hello", "tea", "cup"]
    assert played[1]["price"] == "¥128" and played[1]["complete"] is True


def test_the_gesture_comes_once_a_line_and_pauses_are_short() -> None:
    kiosk = Kiosk()
    for _ in range(4):
        kiosk.finish()
    says = of(Say, kiosk.cues)
    assert [say.gesture for say in says] == [None, None, "point-left", None, None]
    assert says[1].pause_s < says[2].pause_s <= 1.5


def test_a_question_stops_the_presentation_at_once_and_is_answered() -> None:
    kiosk = Kiosk()
    kiosk.finish()
    cues = kiosk.hear("请问龙井多少钱")
    kinds = [type(cue) for cue in cues]
    assert kinds[0] is StopSpeech
    assert of(Caption, cues) == [Caption("请问龙井多少钱", "zh-CN")]
    assert kiosk.saying == "龙井128元一罐。" and kiosk.state.mode == "answering"
    assert of(ShowCard, cues) == [ShowCard("tea")]
    (asked,) = [c.detail for c in of(Count, cues) if c.kind == "asked"]
    assert asked["answer_id"] == "tea-price"
    assert "龙井多少钱" not in str(asked), "no visitor's words in what is counted"


def test_after_the_answer_it_goes_on_where_it_was_cut_off() -> None:
    kiosk = Kiosk()
    for _ in range(3):
        kiosk.finish()
    assert kiosk.saying == "味道很鲜。"
    kiosk.hear("龙井多少钱")
    assert kiosk.saying == "龙井128元一罐。"
    kiosk.finish()
    assert kiosk.saying == "可以试喝。"
    kiosk.finish()
    assert kiosk.saying is None and kiosk.state.mode == "listening"
    assert kiosk.tick(FOLLOW_UP_S - 0.5) == []
    cues = kiosk.tick(1.0)
    assert kiosk.saying == "味道很鲜。"
    assert Caption(None) in cues and kiosk.state.showing == "tea"


def test_a_further_question_is_answered_within_the_wait() -> None:
    kiosk = Kiosk()
    kiosk.hear("龙井多少钱")
    kiosk.finish()
    kiosk.finish()
    assert kiosk.state.mode == "listening"
    kiosk.hear("那个茶杯多少钱")
    assert kiosk.saying == "茶杯30元。"


def test_a_question_without_an_answer_gets_the_fallback() -> None:
    kiosk = Kiosk()
    cues = kiosk.hear("洗手间在哪里")
    assert kiosk.saying == "这个我不清楚。" and kiosk.state.mode == "fallback"
    (asked,) = [c.detail for c in of(Count, cues) if c.kind == "asked"]
    assert asked["answer_id"] is None


def test_the_answer_is_in_the_visitors_language() -> None:
    kiosk = Kiosk()
    kiosk.hear("How much is the longjing?", "en-US")
    assert kiosk.saying == "It is 128 yuan."
    kiosk.finish()
    kiosk.tick(FOLLOW_UP_S + 1)
    assert kiosk.saying == "欢迎来到本店。", "the presentation keeps its own language"


def test_this_one_is_the_one_on_the_screen() -> None:
    kiosk = Kiosk()
    kiosk.finish()
    kiosk.finish()
    assert kiosk.state.showing == "tea"
    kiosk.hear("这个多少钱")
    assert kiosk.saying == "龙井128元一罐。"


def test_another_question_interrupts_an_answer_but_chatter_does_not() -> None:
    kiosk = Kiosk()
    kiosk.hear("龙井多少钱")
    assert StopSpeech() not in kiosk.hear("我们晚上去吃火锅吧")
    assert kiosk.saying == "龙井128元一罐。"
    cues = kiosk.hear("你们几点关门")
    assert cues[0] == StopSpeech() and kiosk.saying == "晚上九点关门。"


def test_its_own_voice_is_no_question() -> None:
    kiosk = Kiosk()
    assert kiosk.hear("欢迎来到本店") == []
    kiosk.finish()
    assert of(Say, kiosk.hear("欢迎来到本点")) == [], "a moment later, misheard"
    assert kiosk.saying == "请随便看看。"


def test_noise_is_no_question() -> None:
    kiosk = Kiosk()
    for noise in ("", "…", "。", "  ?"):
        assert kiosk.hear(noise) == []
    assert kiosk.saying == "欢迎来到本店。"


def test_a_new_price_is_shown_and_said_at_the_next_sentence() -> None:
    kiosk = Kiosk()
    assert kiosk.saying == "欢迎来到本店。"
    assert kiosk.send(e.ProgrammeChanged(script(edited("¥128", "¥138"), "/v2"))) == []
    cues = kiosk.finish()
    assert kiosk.saying == "一罐138元。", "the changed sentence comes first"
    assert ShowCard("tea") in cues
    assert kiosk.state.saying and str(kiosk.state.saying.file).startswith("/v2/speech/")
    kiosk.finish()
    assert kiosk.saying == "这是茶杯。"


def test_the_card_on_screen_is_drawn_again_when_its_price_changes() -> None:
    kiosk = Kiosk()
    kiosk.finish()
    kiosk.finish()
    assert kiosk.state.showing == "tea"
    kiosk.send(e.ProgrammeChanged(script(edited("¥128", "¥138"), "/v2")))
    assert ShowCard("tea") in kiosk.finish()


def test_a_change_that_nobody_hears_goes_on_where_it_was() -> None:
    kiosk = Kiosk()
    kiosk.finish()
    kiosk.finish()
    kiosk.send(e.ProgrammeChanged(script(SHOP, "/v2", version=2)))
    kiosk.finish()
    assert kiosk.saying == "味道很鲜。"
    assert kiosk.state.saying and kiosk.state.saying.file
    assert kiosk.state.saying.file.is_relative_to("/v2"), "the old folder may go away"


def test_another_programme_begins_at_its_beginning() -> None:
    kiosk = Kiosk()
    kiosk.finish()
    kiosk.finish()
    other = {**SHOP, "id": "other", "segments": SHOP["segments"][:1]}
    kiosk.send(e.ProgrammeChanged(script(other, "/other")))
    cues = kiosk.finish()
    assert kiosk.saying == "欢迎来到本店。" and ShowCard(None) in cues


def test_an_expired_product_is_never_said_or_shown() -> None:
    kiosk = Kiosk()
    for _ in range(5):
        kiosk.finish()
    assert kiosk.saying == "这是茶杯。" and kiosk.state.showing == "cup"
    kiosk.tick(0)
    kiosk.utc = EXPIRES
    assert kiosk.send(e.Tick(EXPIRES)) == [ShowCard(None)]
    kiosk.finish()
    assert kiosk.saying == "欢迎来到本店。", "the second sentence, with the price, is not said"
    kiosk.hear("茶杯多少钱")
    assert kiosk.saying == "这个我不清楚。"


def test_nothing_to_play_is_idle_and_comes_back() -> None:
    hours = [{"from": "09:00", "until": "12:30", "play": ["hello"]}]  # it is noon in China
    kiosk = Kiosk(script(schedule=hours))
    kiosk.finish()
    kiosk.utc = START + timedelta(hours=1)
    kiosk.tick(0)
    kiosk.finish()
    assert kiosk.saying is None and kiosk.state.mode == "idle"
    kiosk.hear("几点关门")
    assert kiosk.saying == "晚上九点关门。", "it still answers"
    kiosk.finish()
    kiosk.utc = START + timedelta(days=1)
    kiosk.tick(FOLLOW_UP_S + 1)
    assert kiosk.saying == "欢迎来到本店。"


def test_muted_says_nothing_and_goes_on_afterwards() -> None:
    kiosk = Kiosk()
    kiosk.finish()
    assert StopSpeech() in kiosk.send(e.Muted(True))
    assert kiosk.tick(30) == [] and kiosk.hear("龙井多少钱") == []
    kiosk.send(e.Muted(False))
    kiosk.tick(0.3)
    assert kiosk.saying == "请随便看看。"


def test_the_console_lets_it_say_a_segment_now() -> None:
    kiosk = Kiosk()
    cues = kiosk.send(e.SayNow(segment_id="cup"))
    assert cues[0] == StopSpeech() and kiosk.saying == "这是茶杯。"
    kiosk.finish()
    kiosk.finish()
    kiosk.tick(FOLLOW_UP_S + 1)
    assert kiosk.saying == "欢迎来到本店。"
    assert kiosk.send(e.SayNow(segment_id="nothing")) == []


def test_an_emergency_notice_is_repeated_until_it_ends() -> None:
    kiosk = Kiosk()
    notice = (Sentence("notice/0", "请从东门离开。", "zh-CN", Path("/n0")),
              Sentence("notice/1", "不要乘电梯。", "zh-CN", Path("/n1")))  # fmt: skip
    until = START + timedelta(seconds=14)
    assert kiosk.send(e.Override(notice, until=until)) == []
    said = []
    for _ in range(6):
        kiosk.finish()
        said.append(kiosk.saying)
        assert kiosk.hear("龙井多少钱") == [] or len(said) > 5
    assert said[:4] == ["请从东门离开。", "不要乘电梯。"] * 2
    kiosk.tick(20)
    for _ in range(3):
        if kiosk.saying is None:
            kiosk.tick(5)
        kiosk.finish()
    assert kiosk.state.mode == "presenting"


def test_a_sentence_that_never_ends_does_not_stop_the_kiosk() -> None:
    kiosk = Kiosk()
    kiosk.tick(5)
    assert kiosk.saying == "欢迎来到本店。"
    kiosk.tick(10)
    assert kiosk.saying == "请随便看看。"


def test_what_comes_next_can_be_prepared() -> None:
    kiosk = Kiosk()
    for _ in range(6):
        ahead = upcoming(kiosk.state)
        if ahead is not None:
            kiosk.finish()
            assert kiosk.state.saying == ahead
        else:
            kiosk.finish()


@pytest.mark.parametrize("wanted", ["en-US", "en-GB", "fr-FR", None])
def test_the_console_chooses_the_language(wanted: str | None) -> None:
    kiosk = Kiosk()
    kiosk.send(e.LanguageChosen(wanted))
    kiosk.finish()
    kiosk.finish()
    expected = "Tea." if wanted in ("en-US", "en-GB") else "这是龙井。"
    assert kiosk.saying == expected


def test_the_state_is_a_value() -> None:
    kiosk = Kiosk()
    before = kiosk.state
    again = replace(before)
    kiosk.finish()
    assert before == again, "step changed the state it was given"
