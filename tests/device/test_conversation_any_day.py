"""A machine that tries every order of events of a shop day against the conversation."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from device.conversation import events as e
from device.conversation.cues import Caption, Count, Cue, Duck, Say, Sentence, ShowCard, StopSpeech
from tests.sim.kiosk import EXPIRES, Kiosk, edited, of, script

UNSURE = "龙井新茶上市多少"
QUESTIONS = ["龙井多少钱", "茶杯多少钱", "几点关门", "洗手间在哪", "how much is the longjing",
             "hi", "", "这个多少钱", "欢迎来到本店", "再说一遍", "大声一点", "别说了", "说英语",
             "谢谢", "龙井多少钱?还有几点关门?", "那茶杯呢",
             "how is the teacup", UNSURE, "对", "是的。", "不是", "Yes.", "No."]  # fmt: skip

REPLIES = [None, "", "NONE", "这是龙井。", "龙井只要9元。", "这是茶杯。一只30元。", "x" * 5000]


class AnyDay(RuleBasedStateMachine):
    """Every order of events: it never breaks, never says what is expired, never stands still."""

    def __init__(self) -> None:
        super().__init__()
        words = {"say": {"zh-CN": "是想问这个吗?", "en-US": "Did you mean this?"}}
        self.kiosk = Kiosk(script(did_you_mean=words))
        self.sounds, self.ducked = True, False

    def _take(self, cues: list[Cue]) -> None:
        sounding = self.kiosk.state.saying
        for cue in cues:
            if isinstance(cue, Say):
                assert cue.sentence.text and cue.sentence.language in ("zh-CN", "en-US")
                expired = self.kiosk.utc >= EXPIRES
                assert not (expired and ("杯" in cue.sentence.text or "cup" in cue.sentence.text))
            if isinstance(cue, ShowCard) and cue.product_id == "cup":
                assert self.kiosk.utc < EXPIRES
            if isinstance(cue, StopSpeech):
                self.sounds = False
            if isinstance(cue, Say):
                assert not self.sounds, "two lines at once"
                self.sounds = True
            if isinstance(cue, Duck):
                assert cue.on != self.ducked
                self.ducked = cue.on
            if isinstance(cue, Caption) and cue.asked_back:
                assert self.kiosk.state.asked_back is not None
                assert not (self.kiosk.utc >= EXPIRES and "杯" in str(cue.text))
            if isinstance(cue, Count):
                assert not any(q in str(cue.detail) for q in QUESTIONS if len(q) > 3)
        if any(isinstance(cue, Say) for cue in cues):
            assert sounding is not None

    @rule(seconds=st.sampled_from([0.0, 0.25, 1.0, 5.0, 120.0]))
    def time_passes(self, seconds: float) -> None:
        if self.kiosk.now_s + seconds >= self.kiosk.state.saying_until_s:
            self.sounds = False  # the player lost it
        self._take(self.kiosk.tick(seconds))

    @precondition(lambda self: self.kiosk.state.saying is not None)
    @rule()
    def sentence_ends(self) -> None:
        self.sounds = False
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

    @rule(on=st.booleans(), certain=st.booleans())
    def voice(self, on: bool, certain: bool) -> None:
        was_saying = self.kiosk.state.saying
        notice = self.kiosk.state.mode == "notice"
        cues = self.kiosk.send(e.VoiceStarted(certain) if on else e.VoiceEnded())
        assert not of(Say, cues)
        if not certain or not on or was_saying is None:
            assert not of(StopSpeech, cues) and self.kiosk.state.saying is was_saying
        if notice and "override" in str(self.kiosk.state.line):
            assert self.kiosk.state.saying is was_saying
        self._take(cues)

    @rule(text=st.sampled_from(QUESTIONS))
    def partial(self, text: str) -> None:
        cues = self.kiosk.send(e.Hearing(text, "zh-CN"))
        assert all(isinstance(cue, Caption) and not cue.final for cue in cues)
        self._take(cues)

    @rule(limit_s=st.sampled_from([None, 0.5, 1.5]))
    def beyond(self, limit_s: float | None) -> None:
        self._take(self.kiosk.send(e.BeyondChosen(limit_s)))

    @rule(back=st.integers(0, 1), text=st.sampled_from(REPLIES))
    def endpoint_replies(self, back: int, text: str | None) -> None:
        asking = self.kiosk.state.asking
        cues = self.kiosk.send(e.Replied(self.kiosk.state.asked_beyond - back, text, "late"))
        if asking is None or back:
            assert cues == []
        self._take(cues)

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
        assert state.voices.ducked == self.ducked
        assert len(state.voices.useless_at_s) <= 3 and len(state.voices.unanswered_at_s) <= 3

    @invariant()
    def an_emergency_is_never_lowered(self) -> None:
        if "override" in str(self.kiosk.state.line):
            assert not self.ducked

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
        said = [cue for _ in range(6) for cue in kiosk.tick(4.0) if isinstance(cue, Say)]
        assert said, "24 seconds without a word, even if asked to stop"


AnyDay.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestAnyDay = AnyDay.TestCase
