"""A conversation without a player: a small shop, and a clock that the test moves."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec

from device.conversation import events as e
from device.conversation.ask import unspoken_index
from device.conversation.cues import Cue, Say
from device.conversation.script import Script
from device.conversation.state import State
from device.conversation.step import begin, step
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
