"""A person takes over from the script, and the script goes on where it was."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from device.conversation import events as e
from device.conversation.ask import unspoken_index
from device.conversation.cues import Caption, Count, Cue, Listening, OnAir, Say, StopSpeech
from device.conversation.script import Script
from device.conversation.step import begin, step, upcoming
from device.programme.schema import Programme

START = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
SHOP = {
    "schema": 1, "id": "shop", "version": 1, "languages": ["zh-CN"],
    "segments": [{"id": "tea", "say": {"zh-CN": "这是龙井。味道很鲜。"}}],
    "answers": [
        {"id": "hours", "ask": {"zh-CN": ["几点关门"]}, "say": {"zh-CN": "晚上九点关门。"}}],
    "fallback": {"say": {"zh-CN": "这个我不清楚。"}},
}


class Kiosk:
    """The conversation on a clock of its own, in the middle of its second sentence."""

    def __init__(self) -> None:
        programme = msgspec.convert(SHOP, Programme)
        index = unspoken_index(programme)
        speech = {key: msgspec.structs.replace(clip, duration_ms=2000, file=f"{n}.opus")
                  for n, (key, clip) in enumerate(index.speech.items())}
        script = Script.of(programme, msgspec.structs.replace(index, speech=speech), Path("/v"))
        self.state, self.now_s = begin(script), 100.0
        self.tick()
        self.now_s += 2
        assert self.state.saying is not None
        self.send(e.SentenceDone(self.state.saying.key))
        assert self.saying == "味道很鲜。"

    def send(self, event: e.Event) -> list[Cue]:
        self.state, cues = step(self.state, event, self.now_s)
        return list(cues)

    def tick(self, seconds: float = 0.0) -> list[Cue]:
        self.now_s += seconds
        return self.send(e.Tick(START + timedelta(seconds=self.now_s)))

    @property
    def saying(self) -> str | None:
        return self.state.saying.text if self.state.saying else None


def test_the_script_stops_at_once_and_resumes_at_the_sentences_start() -> None:
    kiosk = Kiosk()
    cues = kiosk.send(e.Driven(True))
    assert isinstance(cues[0], StopSpeech) and cues[-1] == OnAir(True)
    assert kiosk.state.mode == "live" and kiosk.saying is None
    assert kiosk.send(e.Driven(True)) == [], "one takeover"
    for _ in range(40):
        assert kiosk.tick(1.0) == []
    assert upcoming(kiosk.state) is None, "nobody computes codes meanwhile"
    cues = kiosk.send(e.Driven(False))
    assert cues[0] == OnAir(False) and cues[1] == Count("live", {"seconds": 40.0})
    assert isinstance(cues[-1], Say) and kiosk.saying == "味道很鲜。"
    assert kiosk.send(e.Driven(False)) == []


def test_the_machine_answers_nobody_while_a_person_speaks() -> None:
    kiosk = Kiosk()
    kiosk.send(e.Driven(True))
    for event in (e.VoiceStarted(), e.Heard("几点关门", "zh-CN"), e.VoiceEnded(),
                  e.SayNow(segment_id="tea")):
        assert kiosk.send(event) == []
    kiosk.send(e.Driven(False))
    assert any(isinstance(cue, Say) for cue in kiosk.send(e.Heard("几点关门", "zh-CN")))


def test_what_a_visitor_was_asked_to_wait_for_is_taken_off_the_screen() -> None:
    kiosk = Kiosk()
    kiosk.send(e.VoiceStarted())
    cues = kiosk.send(e.Driven(True))
    assert Caption(None) in cues and Listening(False) in cues


def test_an_emergency_notice_takes_the_screen_back_and_keeps_it() -> None:
    kiosk = Kiosk()
    kiosk.send(e.Driven(True))
    fire = kiosk.state.script.sentences(kiosk.state.script.programme.fallback, "zh-CN")
    assert OnAir(False) in kiosk.send(e.Override(fire))
    assert any(isinstance(cue, Say) and cue.kind == "notice" for cue in kiosk.tick(0.3))
    assert kiosk.send(e.Driven(True)) == [] and kiosk.state.mode == "notice"
    kiosk.send(e.Override())
    assert OnAir(True) in kiosk.send(e.Driven(True))
