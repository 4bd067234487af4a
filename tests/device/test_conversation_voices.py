"""Voices in the shop: a visitor stops it, a cough does not, and nobody silences it for long."""

from __future__ import annotations

from device.conversation import events as e
from device.conversation.cues import (
    Caption,
    Count,
    Cue,
    Duck,
    HoldBreath,
    Listening,
    Say,
    Sentence,
    StopSpeech,
    Thinking,
)
from device.conversation.interrupting import (
    BREATH_EACH_S,
    CALM_S,
    HEARD_WAIT_S,
    TALK_HOLD_S,
    VOICE_HOLD_S,
)
from tests.sim.kiosk import SHOP, Kiosk, of, script

PERHAPS = e.VoiceStarted(certain=False, first=True)
MAYBE, VOICE, QUIET = e.VoiceStarted(certain=False), e.VoiceStarted(), e.VoiceEnded()


def counted(kind: str, cues: list[Cue]) -> list[dict[str, object]]:
    return [dict(cue.detail) for cue in of(Count, cues) if cue.kind == kind]


def in_the_second_sentence() -> Kiosk:
    kiosk = Kiosk()
    kiosk.finish()
    assert kiosk.saying == "请随便看看。"
    return kiosk


def test_a_visitors_voice_stops_it_and_the_question_is_answered() -> None:
    kiosk = in_the_second_sentence()
    assert kiosk.send(MAYBE) == [Duck(True)]
    cues = kiosk.send(VOICE)
    assert cues[0] == StopSpeech() and Duck(False) in cues and Listening(True) in cues
    assert counted("barge-in", cues) == [{"during": "segment"}]
    assert kiosk.saying is None and kiosk.state.mode == "listening"
    kiosk.now_s += 1.0
    assert kiosk.send(QUIET) == [Listening(False), Thinking()]
    kiosk.now_s += 0.5
    cues = kiosk.hear("龙井多少钱")
    assert kiosk.saying == "龙井128元一罐。" and not of(StopSpeech, cues)
    kiosk.finish()
    kiosk.finish()
    kiosk.tick(10)
    assert kiosk.saying == "请随便看看。", "at the sentence where it left"


def test_it_holds_its_breath_where_a_voice_may_begin() -> None:
    kiosk = in_the_second_sentence()
    assert kiosk.send(PERHAPS) == [HoldBreath(True)]
    cues = kiosk.send(VOICE)
    assert cues[0] == StopSpeech() and kiosk.saying is None, "and it was silent already"
    kiosk.now_s += 1.0
    assert HoldBreath(False) in kiosk.send(QUIET)
    assert kiosk.send(PERHAPS) == [], "nothing is said that could be held"


def test_a_loud_shop_does_not_make_it_falter() -> None:
    kiosk = in_the_second_sentence()
    assert kiosk.send(PERHAPS) == [HoldBreath(True)]
    assert kiosk.send(QUIET) == [HoldBreath(False)], "it was nothing"
    kiosk.now_s += 0.5 * BREATH_EACH_S
    assert kiosk.send(PERHAPS) == kiosk.send(QUIET) == [], "so soon not again"
    kiosk.now_s += 0.6 * BREATH_EACH_S
    assert kiosk.send(PERHAPS) == [HoldBreath(True)]
    assert kiosk.send(MAYBE) == [Duck(True)]
    assert set(kiosk.send(QUIET)) == {Duck(False), HoldBreath(False)}
    assert kiosk.saying == "请随便看看。"


def test_an_emergency_notice_holds_its_breath_for_nobody() -> None:
    kiosk = in_the_second_sentence()
    fire = Sentence("notice/override/zh-CN/0", "请离开。", "zh-CN", None)
    kiosk.send(e.Override((fire,)))
    kiosk.finish()
    assert kiosk.send(PERHAPS) == []


def test_a_cough_lowers_the_voice_for_a_moment_and_nothing_is_lost() -> None:
    kiosk = in_the_second_sentence()
    kiosk.send(MAYBE)
    kiosk.now_s += 0.2
    assert kiosk.send(QUIET) == [Duck(False)]
    assert kiosk.saying == "请随便看看。"
    kiosk.send(MAYBE)
    assert kiosk.state.saying is not None
    kiosk.send(e.SentenceDone(kiosk.state.saying.key))
    assert kiosk.saying is None, "it waits for what may be a voice"
    assert kiosk.send(QUIET) == [Duck(False)]
    kiosk.tick(0.1)
    assert kiosk.saying == "这是龙井。"


def test_what_nobody_understood_gives_the_sentence_back_after_a_short_wait() -> None:
    kiosk = in_the_second_sentence()
    kiosk.send(VOICE)
    kiosk.tick(1.0)
    kiosk.send(QUIET)
    assert of(Say, kiosk.tick(HEARD_WAIT_S - 0.5)) == []
    cues = kiosk.tick(1.0)
    assert kiosk.saying == "请随便看看。" and Caption(None) in cues
    assert counted("not-for-us", cues) == [{"stops": 1, "calm": False}]
    assert not counted("played", kiosk.cues)
    kiosk.finish()
    (played,) = counted("played", kiosk.cues)
    assert played["segment"] == "hello" and played["complete"] is True


def test_a_voice_whose_end_nobody_tells_silences_it_for_seconds_only() -> None:
    kiosk = in_the_second_sentence()
    kiosk.send(VOICE)
    assert of(Say, kiosk.tick(VOICE_HOLD_S - 0.5)) == []
    kiosk.tick(1.0)
    assert kiosk.saying == "请随便看看。"
    kiosk.send(MAYBE)
    assert Duck(False) in kiosk.tick(1.5), "nor does it whisper for ever"


def test_ten_minutes_of_monologue() -> None:
    kiosk = in_the_second_sentence()
    kiosk.send(VOICE)
    silent_s, longest_s = 0.0, 0.0
    for second in range(600):
        kiosk.send(e.Hearing(f"我跟你讲一个很长的故事 {second}", "zh-CN"))
        kiosk.tick(1.0)
        silent_s = 0.0 if kiosk.saying else silent_s + 1.0
        longest_s = max(longest_s, silent_s)
        if kiosk.saying and second % 2:
            kiosk.finish()
    kiosk.send(QUIET)
    kiosk.hear("我跟你讲一个很长的故事" * 90)
    assert longest_s <= TALK_HOLD_S
    assert kiosk.saying is not None


def test_talk_beside_the_kiosk_stops_it_three_times_and_then_only_lowers_it() -> None:
    kiosk = in_the_second_sentence()
    for stop in (1, 2, 3):
        kiosk.send(VOICE)
        kiosk.tick(0.5)
        kiosk.send(QUIET)
        cues = kiosk.tick(3.0)
        (found,) = counted("not-for-us", cues)
        assert found == {"stops": stop, "calm": stop == 3}
    assert kiosk.send(VOICE) == [Duck(True)] and kiosk.saying == "请随便看看。"
    assert kiosk.send(QUIET) == [Duck(False), Listening(False)]
    assert not of(Say, kiosk.hear("我们晚上去吃火锅吧"))
    assert kiosk.hear("龙井多少钱")[0] == StopSpeech(), "a question still does"
    kiosk.finish()
    kiosk.finish()
    kiosk.tick(10)
    assert kiosk.send(VOICE)[0] == StopSpeech(), "and who asked a question is listened to again"


def test_calm_does_not_last() -> None:
    kiosk = in_the_second_sentence()
    for _ in range(3):
        kiosk.send(VOICE)
        kiosk.send(QUIET)
        kiosk.tick(3.0)
    kiosk.now_s += CALM_S + 1
    assert kiosk.send(VOICE)[0] == StopSpeech()


def test_an_answer_is_taken_up_again_after_talk_that_was_not_for_it() -> None:
    kiosk = in_the_second_sentence()
    kiosk.hear("龙井多少钱")
    kiosk.finish()
    assert kiosk.saying == "可以试喝。"
    assert counted("barge-in", kiosk.send(VOICE)) == [{"during": "answer"}]
    kiosk.send(QUIET)
    assert not of(Say, kiosk.hear("我们晚上去吃火锅吧"))
    kiosk.tick(0.3)
    assert kiosk.saying == "可以试喝。"
    kiosk.send(VOICE)
    cues = kiosk.hear("你们几点关门")
    assert kiosk.saying == "晚上九点关门。"
    played = counted("played", cues)
    assert [(p["answer"], p["complete"]) for p in played] == [("tea-price", False)]


def test_an_emergency_is_not_interrupted_nor_lowered() -> None:
    kiosk = in_the_second_sentence()
    kiosk.send(MAYBE)
    fire = (Sentence("notice/override/zh-CN/0", "请从东门离开。", "zh-CN", None),)
    assert Duck(False) in kiosk.send(e.Override(fire))
    kiosk.finish()
    assert kiosk.saying == "请从东门离开。"
    for event in (MAYBE, VOICE, e.Hearing("怎么了", "zh-CN"), QUIET):
        assert kiosk.send(event) == []
    assert kiosk.saying == "请从东门离开。"


def test_the_consoles_own_words_are_said_to_their_end() -> None:
    kiosk = in_the_second_sentence()
    words = Sentence("notice/console/-/0", "十分钟后关门。", "zh-CN", None)
    kiosk.send(e.SayNow(sentences=(words,)))
    assert not of(StopSpeech, kiosk.send(VOICE))
    assert kiosk.saying == "十分钟后关门。"
    kiosk.send(QUIET)
    kiosk.send(e.SayNow(segment_id="hello"))
    assert kiosk.send(VOICE)[0] == StopSpeech(), "a greeting may be interrupted"
    kiosk.send(QUIET)
    kiosk.tick(3)
    assert kiosk.saying == "欢迎来到本店。"


def test_the_visitor_sees_what_is_understood_while_they_speak() -> None:
    kiosk = in_the_second_sentence()
    assert kiosk.send(e.Hearing("龙井", "zh-CN")) == [], "not over what is being said"
    kiosk.send(VOICE)
    assert kiosk.send(e.Hearing("龙井", "zh-CN")) == [Caption("龙井", "zh-CN", final=False)]
    assert kiosk.send(e.Hearing("请随便看看", "zh-CN")) == [], "its own echo"
    assert kiosk.send(e.Hearing("…", "zh-CN")) == []
    kiosk.tick(VOICE_HOLD_S - 1)
    kiosk.send(e.Hearing("龙井多少", "zh-CN"))
    assert of(Say, kiosk.tick(2.0)) == [], "who is understood may take longer"
    kiosk.send(QUIET)
    cues = kiosk.hear("龙井多少钱")
    assert Caption("龙井多少钱", "zh-CN") in cues
    assert not any("龙井多少" in str(cue.detail) for cue in of(Count, kiosk.cues))


def test_the_second_visitor_gets_an_answer_and_a_companion_gets_none() -> None:
    kiosk = in_the_second_sentence()
    kiosk.hear("龙井多少钱")
    assert not of(Say, kiosk.hear("你看那边"))
    assert kiosk.saying == "龙井128元一罐。"
    kiosk.hear("你们几点关门")
    assert kiosk.saying == "晚上九点关门。"


def test_a_programme_without_questions_says_so_once_and_goes_on() -> None:
    kiosk = Kiosk(script({**SHOP, "answers": []}))
    kiosk.hear("龙井多少钱")
    assert kiosk.saying == "这个我不清楚。"
    kiosk.finish()
    for _ in range(5):
        kiosk.tick(5)
        assert kiosk.saying != "这个我不清楚。"
        kiosk.hear("那茶杯呢")
    kiosk.now_s += 61
    kiosk.hear("龙井多少钱")
    assert kiosk.saying == "这个我不清楚。", "the next visitor hears it again"


def test_two_thousand_questions() -> None:
    answers = [{"id": f"a{n}", "ask": {"zh-CN": [f"第{n}号茶多少钱"]},
                "say": {"zh-CN": f"在第{n}个柜子。"}} for n in range(1997)]  # fmt: skip
    kiosk = Kiosk(script({**SHOP, "answers": [*SHOP["answers"], *answers]}))
    kiosk.send(VOICE)
    kiosk.hear("你们几点关门")
    assert kiosk.saying == "晚上九点关门。"
