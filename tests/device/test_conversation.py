"""What the kiosk says next: stories of a shop day, and a machine that tries everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from device.conversation import events as e
from device.conversation.ask import unspoken_index
from device.conversation.cues import (
    Caption,
    Count,
    Cue,
    Listening,
    Say,
    Sentence,
    ShowCard,
    StopSpeech,
)
from device.conversation.script import Script
from device.conversation.speaking import FOLLOW_UP_S
from device.conversation.state import State
from device.conversation.step import begin, step, upcoming
from device.programme.schema import Programme

START = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
EXPIRES = START + timedelta(minutes=10)
SHOP: dict[str, Any] = {
    "schema": 1, "id": "shop", "version": 1, "languages": ["zh-CN", "en-US"],
    "variables": {"store": "本店"},
    "products": [
        {"id": "tea", "name": {"zh-CN": "龙井", "en-US": "Longjing"}, "price": "¥128"},
        {"id": "cup", "name": {"zh-CN": "茶杯", "en-US": "teacup"}, "price": "¥30",
         "valid": {"until": EXPIRES.isoformat()}}],
    "segments": [
        {"id": "hello", "say": {"zh-CN": "欢迎来到{store}。请随便看看。", "en-US": "Welcome."}},
        {"id": "tea", "say": {"zh-CN": "这是龙井。味道很鲜。一罐{tea.price}。", "en-US": "Tea."},
         "show": "tea", "gesture": "point-left"},
        {"id": "cup", "say": {"zh-CN": "这是茶杯。一只{cup.price}。", "en-US": "A cup."},
         "show": "cup"}],
    "answers": [
        {"id": "tea-price", "ask": {"zh-CN": ["龙井多少钱"], "en-US": ["how much is the longjing"]},
         "say": {"zh-CN": "龙井{tea.price}一罐。可以试喝。", "en-US": "It is {tea.price}."},
         "show": "tea"},
        {"id": "cup-price", "ask": {"zh-CN": ["茶杯多少钱"], "en-US": ["how much is the teacup"]},
         "say": {"zh-CN": "茶杯{cup.price}。", "en-US": "The cup is {cup.price}."}, "show": "cup"},
        {"id": "hours", "ask": {"zh-CN": ["几点关门"], "en-US": ["when do you close"]},
         "say": {"zh-CN": "晚上九点关门。", "en-US": "At nine."}}],
    "fallback": {"say": {"zh-CN": "这个我不清楚。", "en-US": "I do not know."}},
}  # fmt: skip


def script(data: dict[str, Any] = SHOP, folder: str = "/v1", **more: Any) -> Script:
    """A script whose clips last two seconds each."""
    programme = msgspec.convert({**data, **more}, Programme)
    index = unspoken_index(programme)
    speech = {
        key: msgspec.structs.replace(clip, duration_ms=2000, file=f"speech/{n}.opus")
        for n, (key, clip) in enumerate(index.speech.items())
    }
    return Script.of(programme, msgspec.structs.replace(index, speech=speech), Path(folder))


def edited(old: str, new: str) -> dict[str, Any]:
    text = msgspec.json.encode(SHOP).decode()
    assert old in text
    data: dict[str, Any] = msgspec.json.decode(text.replace(old, new))
    return data


class Kiosk:
    """Drives the conversation as the player does, on a clock of its own."""

    def __init__(self, first: Script | None = None) -> None:
        self.state: State = begin(first or script())
        self.now_s = 100.0
        self.utc = START
        self.cues: list[Cue] = []
        self.tick()

    def send(self, event: e.Event) -> list[Cue]:
        self.state, cues = step(self.state, event, self.now_s)
        self.cues += cues
        return list(cues)

    def tick(self, seconds: float = 0.0) -> list[Cue]:
        self.now_s += seconds
        self.utc += timedelta(seconds=seconds)
        return self.send(e.Tick(self.utc))

    def finish(self) -> list[Cue]:
        """The sentence that sounds comes to its end."""
        assert self.state.saying is not None
        self.now_s += 2.0
        self.utc += timedelta(seconds=2)
        return self.send(e.SentenceDone(self.state.saying.key))

    def hear(self, text: str, language: str = "") -> list[Cue]:
        return self.send(e.Heard(text, language))

    @property
    def saying(self) -> str | None:
        return self.state.saying.text if self.state.saying else None

    def said(self) -> list[str]:
        return [cue.sentence.text for cue in self.cues if isinstance(cue, Say)]


def of(kind: type, cues: list[Cue]) -> list[Any]:
    return [cue for cue in cues if isinstance(cue, kind)]


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


def test_it_waits_for_a_visitor_who_speaks_but_not_for_ever() -> None:
    kiosk = Kiosk()
    assert kiosk.send(e.VoiceStarted()) == [Listening(True)]
    assert of(Say, kiosk.finish()) == [] and kiosk.state.mode == "listening"
    assert of(Say, kiosk.tick(1.0)) == []
    assert kiosk.send(e.VoiceEnded()) == [Listening(False)]
    assert of(Say, kiosk.tick(1.0)) == []
    kiosk.tick(1.5)
    assert kiosk.saying == "请随便看看。"
    kiosk.send(e.VoiceStarted())
    assert of(Say, kiosk.finish()) == [], "at a segment's end too"
    kiosk.tick(7)
    assert kiosk.saying == "这是龙井。", "a radio that never ends does not silence the kiosk"


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


QUESTIONS = ["龙井多少钱", "茶杯多少钱", "几点关门", "洗手间在哪", "how much is the longjing",
             "hi", "", "这个多少钱", "欢迎来到本店"]  # fmt: skip


class AnyDay(RuleBasedStateMachine):
    """Every order of events: it never breaks, never says what is expired, never stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.kiosk = Kiosk()
        self.silent_s = 0.0

    def _take(self, cues: list[Cue]) -> None:
        sounding = self.kiosk.state.saying
        for cue in cues:
            if isinstance(cue, Say):
                self.silent_s = 0.0
                assert cue.sentence.text and cue.sentence.language in ("zh-CN", "en-US")
                expired = self.kiosk.utc >= EXPIRES
                assert not (expired and ("杯" in cue.sentence.text or "cup" in cue.sentence.text))
            if isinstance(cue, ShowCard) and cue.product_id == "cup":
                assert self.kiosk.utc < EXPIRES
            if isinstance(cue, Count):
                assert not any(q in str(cue.detail) for q in QUESTIONS if len(q) > 3)
        if any(isinstance(cue, Say) for cue in cues):
            assert sounding is not None

    @rule(seconds=st.sampled_from([0.0, 0.25, 1.0, 5.0, 120.0]))
    def time_passes(self, seconds: float) -> None:
        self.silent_s += seconds
        self._take(self.kiosk.tick(seconds))

    @precondition(lambda self: self.kiosk.state.saying is not None)
    @rule()
    def sentence_ends(self) -> None:
        self._take(self.kiosk.finish())

    @rule(key=st.text(max_size=5))
    def strange_end(self, key: str) -> None:
        before = self.kiosk.state
        assert self.kiosk.send(e.SentenceDone(key)) == [] and self.kiosk.state == before

    @rule(text=st.sampled_from(QUESTIONS), language=st.sampled_from(["zh-CN", "en-US", ""]))
    def visitor_asks(self, text: str, language: str) -> None:
        was_saying = self.kiosk.state.saying
        cues = self.kiosk.hear(text, language)
        if was_saying is not None and of(Say, cues):
            assert StopSpeech() in cues, "two voices at once"
        self._take(cues)

    @rule(on=st.booleans())
    def voice(self, on: bool) -> None:
        self._take(self.kiosk.send(e.VoiceStarted() if on else e.VoiceEnded()))

    @rule(price=st.sampled_from(["¥128", "¥138", "¥99"]), folder=st.sampled_from(["/a", "/b"]))
    def publish(self, price: str, folder: str) -> None:
        self._take(self.kiosk.send(e.ProgrammeChanged(script(edited("¥128", price), folder))))

    @rule(on=st.booleans())
    def mute(self, on: bool) -> None:
        self._take(self.kiosk.send(e.Muted(on)))

    @rule(name=st.sampled_from(["hello", "cup", "nothing"]))
    def say_now(self, name: str) -> None:
        self._take(self.kiosk.send(e.SayNow(segment_id=name)))

    @rule(on=st.booleans(), seconds=st.integers(-5, 60))
    def notice(self, on: bool, seconds: int) -> None:
        sentence = Sentence("notice/0", "请注意。", "zh-CN", Path("/n"))
        until = self.kiosk.utc + timedelta(seconds=seconds)
        self._take(self.kiosk.send(e.Override((sentence,) if on else (), None, until)))

    @invariant()
    def mode_fits_what_is_said(self) -> None:
        state = self.kiosk.state
        if state.mode in ("presenting", "answering", "fallback", "notice"):
            assert state.saying is not None
        else:
            assert state.saying is None
        assert state.muted is False or state.saying is None

    @invariant()
    def never_silent_for_long(self) -> None:
        state = self.kiosk.state
        if state.muted or state.saying is not None:
            return
        kiosk = Kiosk.__new__(Kiosk)
        kiosk.state, kiosk.now_s, kiosk.utc, kiosk.cues = (
            state,
            self.kiosk.now_s,
            self.kiosk.utc,
            [],
        )
        kiosk.tick(10.0)
        assert kiosk.state.saying is not None, "ten seconds without a word"


AnyDay.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestAnyDay = AnyDay.TestCase


def test_the_state_is_a_value() -> None:
    kiosk = Kiosk()
    before = kiosk.state
    again = replace(before)
    kiosk.finish()
    assert before == again, "step changed the state it was given"
