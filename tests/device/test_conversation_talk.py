"""A visitor's talk with the kiosk: follow-ups, louder, again, stop, another language."""

from __future__ import annotations

import pytest

from device.conversation import events as e
from device.conversation.cues import Caption, Count, Cue, Gesture, Loudness, Say, StopSpeech
from device.conversation.obeying import STOPPED_S
from device.conversation.speaking import FOLLOW_UP_S
from tests.sim.kiosk import Kiosk, edited, of, script


def told(cues: list[Cue]) -> list[object]:
    return [cue.detail["what"] for cue in of(Count, cues) if cue.kind == "told"]


def answered() -> Kiosk:
    """A visitor has asked for the price of the tea; the answer is over."""
    kiosk = Kiosk()
    kiosk.finish()
    kiosk.hear("龙井多少钱")
    kiosk.finish()
    kiosk.finish()
    assert kiosk.saying is None
    return kiosk


def test_a_follow_up_is_about_what_was_asked_before() -> None:
    kiosk = answered()
    kiosk.hear("那茶杯呢")
    assert kiosk.saying == "茶杯30元。"


@pytest.mark.parametrize("words", ["再说一遍", "没听清", "Sorry, can you say that again?"])
def test_the_last_answer_is_said_again(words: str) -> None:
    kiosk = answered()
    kiosk.send(e.VoiceStarted())
    kiosk.send(e.VoiceEnded())
    cues = kiosk.hear(words)
    english = words.isascii()
    assert kiosk.saying == ("It is 128 yuan." if english else "龙井128元一罐。")
    assert told(cues) == ["repeat"] and of(Caption, cues)[0].text == words
    assert not any(words in str(cue.detail) for cue in of(Count, cues))


def test_without_an_answer_the_presentation_says_its_piece_again() -> None:
    kiosk = Kiosk()
    for _ in range(3):
        kiosk.finish()
    assert kiosk.saying == "味道很鲜。"
    kiosk.send(e.VoiceStarted())
    kiosk.hear("再说一遍")
    assert kiosk.saying == "这是龙井。"
    kiosk.finish()
    assert kiosk.saying == "味道很鲜。"


def test_a_new_price_is_in_the_repetition() -> None:
    kiosk = answered()
    kiosk.send(e.ProgrammeChanged(script(edited("¥128", "¥138"), "/v2")))
    kiosk.hear("再说一遍")
    assert kiosk.saying == "龙井138元一罐。"


def test_words_in_the_middle_of_a_change_leave_no_gap() -> None:
    kiosk = Kiosk()
    kiosk.send(e.ProgrammeChanged(script(edited("¥128", "¥138"), "/v2")))
    kiosk.hear("大声一点")
    kiosk.finish()
    assert kiosk.saying == "一罐138元。", "the changed line comes first"


def test_louder_and_softer_for_this_visitor_only() -> None:
    kiosk = answered()
    cues = kiosk.hear("大声一点")
    assert Loudness(1) in cues and kiosk.saying == "龙井128元一罐。", "and said again"
    assert Loudness(2) in kiosk.hear("还是听不见")
    assert not of(Loudness, kiosk.hear("大声一点")), "not without end"
    assert Loudness(1) in kiosk.hear("小声一点")
    kiosk.finish()
    kiosk.finish()
    assert Loudness(0) not in kiosk.tick(FOLLOW_UP_S + 1)
    assert Loudness(0) in kiosk.tick(61)


def test_stop_ends_the_answer_and_the_programme_goes_on_later() -> None:
    kiosk = Kiosk()
    kiosk.finish()
    kiosk.hear("龙井多少钱")
    assert of(StopSpeech, kiosk.hear("别说了"))
    assert kiosk.saying is None
    assert not of(Say, kiosk.tick(STOPPED_S - 1))
    kiosk.tick(2)
    assert kiosk.saying == "请随便看看。"


def test_the_visitors_language_lasts_for_the_conversation() -> None:
    kiosk = answered()
    kiosk.hear("说英语")
    assert kiosk.saying == "It is 128 yuan."
    kiosk.hear("你们几点关门")
    assert kiosk.saying == "At nine."
    kiosk.finish()
    kiosk.tick(61)
    kiosk.hear("你们几点关门")
    assert kiosk.saying == "晚上九点关门。", "the next visitor's own"


def test_thanks_are_waved_at_and_those_of_others_are_not_heard() -> None:
    kiosk = answered()
    cues = kiosk.hear("谢谢")
    assert of(Gesture, cues) and not of(Say, cues) and kiosk.saying is None
    kiosk.tick(2)
    assert kiosk.saying == "请随便看看。"
    kiosk.tick(100)
    assert kiosk.hear("谢谢") == []


def test_two_questions_in_one_sentence_get_two_answers() -> None:
    kiosk = Kiosk()
    kiosk.hear("龙井多少钱?还有你们几点关门?")
    said = [kiosk.saying]
    while kiosk.state.saying is not None and len(said) < 5:
        kiosk.finish()
        said.append(kiosk.saying)
    assert sorted(said[:3]) == ["可以试喝。", "晚上九点关门。", "龙井128元一罐。"]
    assert said[3] is None
    kiosk.hear("龙井多少钱?还有你们几点关门?")
    kiosk.hear("茶杯多少钱")
    kiosk.finish()
    assert kiosk.saying is None, "the second answer is forgotten with the first"
