"""Did you mean …? The stories of a visitor whose question is nearly understood."""

from __future__ import annotations

from typing import Any

import pytest

from device.conversation.asking_back import ASKED_BACK_S, reply_to
from device.conversation.cues import Caption, Count, ShowCard, StopSpeech
from device.conversation.speaking import ANSWER_BACK_S
from device.conversation.state import AskedBack
from tests.sim.kiosk import EXPIRES, START, Kiosk, of, script

ASKS = "您是想问这个吗?"
WORDS: dict[str, Any] = {"say": {"zh-CN": ASKS, "en-US": "Did you mean this?"}}
UNSURE, QUESTION = "龙井新茶上市多少", "龙井多少钱"


def kiosk(**more: Any) -> Kiosk:
    return Kiosk(script(did_you_mean=WORDS, **more))


def asked(cues: list[Any]) -> dict[str, Any]:
    (detail,) = [cue.detail for cue in of(Count, cues) if cue.kind == "asked"]
    return dict(detail)


def test_it_asks_back_and_a_yes_is_answered() -> None:
    shop = kiosk()
    cues = shop.hear(UNSURE)
    assert isinstance(cues[0], StopSpeech) and shop.saying == ASKS
    assert of(Caption, cues) == [Caption(QUESTION, "zh-CN", asked_back=True)]
    assert of(ShowCard, cues) == [ShowCard("tea")], "what is asked about can be seen"
    told = asked(cues)
    assert told["answer_id"] is None and told["asked_back"] == "tea-price"
    assert UNSURE not in str(told), "no visitor's words in what is counted"
    shop.finish()
    assert shop.state.mode == "listening" and not shop.tick(ANSWER_BACK_S - 1.0)
    told = asked(shop.hear("对，就是这个。"))
    assert shop.saying == "龙井128元一罐。" and told["answer_id"] == "tea-price"
    assert told["why"] == "asked back"
    shop.hear("那茶杯呢?")
    assert shop.saying == "茶杯30元。", "what was meant is what the next question goes on from"


def test_a_yes_may_interrupt_the_question() -> None:
    shop = kiosk()
    shop.hear("how is the longjing", "en-US")
    assert shop.saying == "Did you mean this?"
    shop.hear("Yes, please.", "en-US")
    assert shop.saying == "It is 128 yuan."


def test_talk_beside_the_kiosk_does_not_take_the_question_away() -> None:
    shop = kiosk()
    shop.hear(UNSURE)
    shop.hear("洗手间在哪")
    assert shop.saying == ASKS, "while it asks, what has no answer is not for it"
    shop.hear("对")
    assert shop.saying == "龙井128元一罐。"


def test_after_a_no_it_is_silent_for_other_words() -> None:
    shop = kiosk()
    shop.hear(UNSURE)
    cues = shop.hear("不是。")
    assert shop.saying is None and shop.state.mode == "listening"
    assert Count("told", {"what": "no", "language": "zh-CN"}) in cues
    assert of(Caption, cues) == [Caption("不是。", "zh-CN")], "the question is off the screen"
    shop.hear("几点关门")
    assert shop.saying == "晚上九点关门。"


def test_another_question_is_answered_and_the_yes_to_the_old_one_is_over() -> None:
    shop = kiosk()
    shop.hear(UNSURE)
    shop.hear("几点关门")
    assert shop.saying == "晚上九点关门。"
    shop.finish()
    shop.hear("对")
    assert shop.saying != "龙井128元一罐。"


def test_it_does_not_ask_the_same_twice_nor_for_ever() -> None:
    shop = kiosk()
    shop.hear(UNSURE)
    shop.finish()
    shop.hear(UNSURE)
    assert shop.saying == "这个我不清楚。"
    shop.finish()
    shop.tick(ASKED_BACK_S + 1.0)
    shop.hear("是的")
    assert shop.saying == "这个我不清楚。", "nobody remembers what this is a yes to"


def test_nobody_answers_and_the_presentation_goes_on() -> None:
    shop = kiosk()
    shop.finish()
    before = shop.saying
    shop.hear(UNSURE)
    shop.finish()
    cues = shop.tick(ANSWER_BACK_S + 0.5)
    assert shop.saying == before and Caption(None) in cues
    shop.hear("不是")
    assert shop.saying != before and shop.state.mode == "fallback", "a no to nothing"


def test_without_words_for_it_or_an_answer_that_holds_the_fallback_is_said() -> None:
    silent = Kiosk()
    assert "asked_back" not in asked(silent.hear(UNSURE)) and silent.saying == "这个我不清楚。"
    only_english = Kiosk(script(did_you_mean={"say": {"en-US": "Did you mean this?"}}))
    only_english.hear(UNSURE)
    assert only_english.saying == "这个我不清楚。", "not in a language that nobody spoke"
    late = kiosk()
    late.tick((EXPIRES - START).total_seconds() + 1.0)
    late.hear("how is the teacup", "en-US")
    assert late.saying == "I do not know.", "what is over is not offered"


@pytest.mark.parametrize(("text", "means"), [
    ("对", True), ("是的。", True), ("嗯嗯", True), ("没错!", True), ("Yes.", True),
    ("That's it.", True), ("OK", True), ("不是", False), ("不用了。", False),
    ("No, thanks.", False), ("不是,我问的是价格", None), ("好喝吗", None), ("龙井多少钱", None),
    ("no idea what that is", None), ("", None), ("…", None), ("对" * 500, None),
])
def test_yes_no_and_everything_else(text: str, means: bool | None) -> None:
    assert reply_to(AskedBack("tea-price", "zh-CN", 10.0), text, 9.0) is means
    assert reply_to(AskedBack("tea-price", "zh-CN", 10.0), text, 10.0) is None
    assert reply_to(None, text, 9.0) is None
