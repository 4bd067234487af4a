"""When the ear listens, with real voices, the real recogniser and a real bus."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from device import messages as m
from device.asr.gate import EchoGate
from device.asr.known import Learning
from device.asr.turns import TurnSettings
from device.bus import Bus
from device.ear import TURNS, Ear
from device.paths import assets_dir
from ota.clock import Deadline
from tests.sim.room import Room
from tests.sim.speech import BOTH, spoken_16k, vad, whisper

ASKED = "龙井多少钱？"


class Kiosk:
    """The ear and a room to speak in, with the other processes' ends of its bus."""

    def __init__(self, ear: Ear, room: Room, player: Bus, agent: Bus) -> None:
        self.ear, self.room, self.player, self.agent = ear, room, player, agent

    def says(self, *sounds: np.ndarray, quiet_s: float = 1.2) -> list[m.Message]:
        """What the ear tells the player after these sounds."""
        self.room.hears(*sounds, quiet_s=quiet_s)
        return self.goes_on(lambda: not self.room.over or self.ear._decoder.awaited)

    def goes_on(self, busy: Any) -> list[m.Message]:
        told: list[m.Message] = []
        patience = Deadline(90)
        while busy():
            self.ear.step()
            while (message := self.player.receive()) is not None:
                told.append(message)
            assert not patience.passed
        self.ear.step()
        while (message := self.player.receive()) is not None:
            told.append(message)
        return told


@contextmanager
def kiosk(root: Path, turns: TurnSettings = TURNS, **listen: Any) -> Iterator[Kiosk]:
    programme = {
        "schema": 1, "id": "tea", "version": 3, "languages": list(BOTH),
        "products": [{"id": "longjing", "name": {"zh-CN": "龙井"}, "price": "100元"}],
        "answers": [{"id": "a", "ask": {"zh-CN": [ASKED]}, "say": {"zh-CN": "一百元"}}],
        "fallback": {"say": {"zh-CN": "请问店员", "en-US": "Please ask."}}, "listen": listen,
    }  # fmt: skip
    (root / "programme.json").write_text(json.dumps(programme), encoding="utf-8")
    room = Room()
    with Bus(root, "ear") as bus, Bus(root, "player") as player, Bus(root, "agent") as agent:
        ear = Ear(room, vad(), whisper(), bus, EchoGate("off"), BOTH,
                  Learning(assets_dir()), turns)
        vad().reset()
        agent.publish(m.ContentReady(path=str(root), programme_id="tea", version=3))
        ear.step()
        try:
            yield Kiosk(ear, room, player, agent)
        finally:
            ear.close()


def heard(told: list[m.Message]) -> list[str]:
    return ["".join(c for c in t.text if c.isalnum()) for t in told if isinstance(t, m.Heard)]


def listening(told: list[m.Message]) -> list[str]:
    return [t.listening for t in told if isinstance(t, m.EarState)]


def test_a_wake_phrase_in_one_breath_with_the_question(tmp_path: Path) -> None:
    question = spoken_16k(ASKED, "zh-CN", "zm_yunxi")
    called = spoken_16k("你好小店，" + ASKED, "zh-CN", "zm_yunxi")
    with kiosk(tmp_path, mode="wake", wake={"zh-CN": ["你好小店"]}) as shop:
        told = shop.says(question)
        assert heard(told) == [] and not any(isinstance(t, (m.Voice, m.Hearing)) for t in told)
        told = shop.says(called)
        assert heard(told) == ["龙井多少钱"]
        assert listening(told)[-1] == "awake"
        assert heard(shop.says(question)) == ["龙井多少钱"]


def test_the_talk_key_opens_and_closes_the_ear(tmp_path: Path) -> None:
    question = spoken_16k(ASKED, "zh-CN", "zm_yunxi")
    with kiosk(tmp_path, mode="push") as shop:
        told = shop.says(question)
        assert heard(told) == [] and set(listening(told)) <= {"deaf"}
        shop.player.publish(m.Talk(at_ns=shop.room.now_ns, pressed=True))
        # Let go with the last word: the pause is not waited for.
        shop.room.hears(question, quiet_s=0.1)
        told = shop.goes_on(lambda: not shop.room.over)
        assert isinstance(told[1], m.Voice) and told[1].certain
        shop.player.publish(m.Talk(at_ns=shop.room.now_ns, pressed=False))
        told += shop.says(np.zeros(16_000, np.float32))
        assert heard(told) == ["龙井多少钱"]
        assert listening(told)[-1] == "deaf"


def test_two_at_once_and_one_without_end_leave_an_ear_that_hears(tmp_path: Path) -> None:
    question = spoken_16k(ASKED, "zh-CN", "zm_yunxi")
    other = spoken_16k("How much is the green tea?", "en-US", "am_michael")
    both = other.copy()
    both[: len(question)] += question[: len(other)]
    endless = np.tile(other[4000:-6000], 6)[: 4 * 16_000]
    with kiosk(tmp_path, TurnSettings(is_judged=True, length_max_ms=3_000)) as shop:
        shop.says(both)
        told = shop.says(endless)
        assert any(isinstance(t, m.Voice) and t.certain for t in told)
        happened = [t for t in iter(shop.agent.receive, None) if isinstance(t, m.Happened)]
        assert [(h.kind, h.detail) for h in happened] == [("monologue", {"seconds": 3})]
        assert heard(shop.says(question)) == ["龙井多少钱"]
