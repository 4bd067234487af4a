"""The ear as its own process, over the real bus, from a sound card and from a recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device import messages as m
from device.asr.vocabulary import vocabulary
from device.audio.soundfiles import write_wav
from device.bus import Bus
from device.paths import Places, repository_root
from device.programme.load import load
from ota.clock import Deadline, monotonic_ns
from tests.sim.sound import sound_server, speak_into
from tests.sim.speech import CLIPS, spoken_16k

START = (
    "import json, sys; from pathlib import Path; from device.ear import EarSettings, run; "
    "from device.paths import Places; "
    "sys.exit(run(Places(Path(sys.argv[1])), EarSettings(echo=sys.argv[2], "
    "speak=tuple(Path(p) for p in sys.argv[3:]))))"
)
RSS_BYTES_MAX = 500 * 1024 * 1024


class Shop:
    """The ear under test, with the player's and the agent's ends of its bus."""

    def __init__(self, process: subprocess.Popen[bytes], player: Bus, agent: Bus) -> None:
        self.process, self.player, self.agent = process, player, agent
        self.seen: list[m.Message] = []

    def wait(self, wanted: Callable[[m.Message], bool], seconds: float = 40) -> Any:
        deadline = Deadline(seconds)
        while not deadline.passed:
            message = self.player.receive(0.2)
            if message is not None:
                self.seen.append(message)
                if wanted(message):
                    return message
            assert self.process.poll() is None, f"the ear ended with {self.process.returncode}"
        raise AssertionError(f"waited in vain; seen: {[type(s).__name__ for s in self.seen]}")

    def avatar(self, speaking: bool, saying: str | None = None) -> None:
        self.player.publish(
            m.PlayerState(at_ns=monotonic_ns(), ready=True, speaking=speaking, saying=saying)
        )


@contextmanager
def ear(
    root: Path, *speak: Path, echo: str = "off", environment: dict[str, str] | None = None
) -> Iterator[Shop]:
    run = Places(root).run
    with Bus(run, "player") as player, Bus(run, "agent") as agent:
        with (root / "ear.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", START, str(root), echo, *map(str, speak)],
                env={**os.environ, "PYTHONPATH": str(repository_root()), **(environment or {})},
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            yield Shop(process, player, agent)
        finally:
            process.kill()
            process.wait(10)


def ready(message: m.Message) -> bool:
    return isinstance(message, m.EarState) and message.ready


def is_heard(message: m.Message) -> bool:
    return isinstance(message, m.Heard)


@pytest.fixture
def tea_shop(tmp_path: Path) -> Path:
    folder = tmp_path / "programme"
    folder.mkdir()
    programme = {
        "schema": 1, "id": "tea", "version": 3, "languages": ["zh-CN"],
        "products": [{"id": "banana", "name": {"zh-CN": "香蕉"}, "aliases": {"zh-CN": ["芭蕉"]}}],
        "answers": [{"id": "a", "ask": {"zh-CN": ["香蕉多少钱？"]}, "say": {"zh-CN": "三元"}}],
        "fallback": {"say": {"zh-CN": "请问店员"}},
    }  # fmt: skip
    (folder / "programme.json").write_text(json.dumps(programme), encoding="utf-8")
    return folder


@pytest.mark.beside
def test_a_visitor_is_heard_and_leaves_no_trace(tmp_path: Path) -> None:
    question = tmp_path / "q.wav"
    write_wav(question, spoken_16k("How much is the green tea?", "en-US", "am_michael"), 16_000)
    with ear(tmp_path, question) as shop:
        state = shop.wait(ready)
        assert state.recogniser and state.rss_bytes < RSS_BYTES_MAX
        shop.avatar(speaking=False)
        began = shop.wait(lambda s: isinstance(s, m.Voice) and s.speaking)
        heard = shop.wait(is_heard)
        assert heard.text.lower().startswith("how much is the green tea")
        assert heard.language == "en-US" and heard.confidence > -0.9
        assert began.at_ns < heard.speech_end_ns < heard.at_ns
        # Recognition ran while the end of the turn was awaited; a loaded machine gets room.
        assert (heard.at_ns - heard.speech_end_ns) / 1e6 < 2500
        assert any(isinstance(s, m.Voice) and not s.speaking for s in shop.seen)
        assert shop.wait(ready).rss_bytes < RSS_BYTES_MAX
        shop.process.terminate()
        assert shop.process.wait(10) == 0
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".wav"]
    assert not [p for p in written if b"green tea" in p.read_bytes().lower()]


def test_the_programme_tells_languages_and_words(tmp_path: Path, tea_shop: Path) -> None:
    with ear(tmp_path, CLIPS / "banana-zh.flac") as shop:
        shop.wait(ready)
        shop.agent.publish(m.ContentReady(path=str(tea_shop), programme_id="tea", version=3))
        shop.avatar(speaking=False)
        heard = shop.wait(is_heard)
        assert heard.language == "zh-CN" and "香蕉" in heard.text
    assert vocabulary(load(tea_shop))["zh-CN"] == "香蕉多少钱？香蕉、芭蕉。"


def test_a_language_nobody_can_hear_is_a_fault_not_an_end(tmp_path: Path, tea_shop: Path) -> None:
    path = tea_shop / "programme.json"
    path.write_text(path.read_text(encoding="utf-8").replace("zh-CN", "xq-QX"), encoding="utf-8")
    with ear(tmp_path, CLIPS / "banana-zh.flac") as shop:
        shop.wait(ready)
        shop.agent.publish(m.ContentReady(path=str(tea_shop), programme_id="tea", version=3))
        state = shop.wait(lambda s: isinstance(s, m.EarState) and s.fault is not None)
        assert "xq-QX" in state.fault
        shop.avatar(speaking=False)
        assert "香蕉" in shop.wait(is_heard).text


def test_a_broken_programme_is_a_fault_and_the_ear_goes_on(tmp_path: Path) -> None:
    with ear(tmp_path, CLIPS / "go-forward-en.flac") as shop:
        shop.wait(ready)
        shop.agent.publish(m.ContentReady(path=str(tmp_path / "none"), programme_id="x", version=1))
        shop.wait(lambda s: isinstance(s, m.EarState) and s.fault is not None)
        shop.avatar(speaking=False)
        assert "forward" in shop.wait(is_heard).text.lower()


def test_a_live_microphone_is_heard_and_its_own_voice_is_not(tmp_path: Path) -> None:
    silence = np.zeros(8_000, np.float32)
    avatar = spoken_16k("Welcome to our shop, please look around.", "en-US")
    visitor = spoken_16k("How much is the green tea?", "en-US", "am_michael")
    write_wav(tmp_path / "avatar.wav", np.concatenate([silence, avatar]), 16_000)
    write_wav(tmp_path / "visitor.wav", np.concatenate([silence, visitor, silence]), 16_000)
    with (
        sound_server(tmp_path / "s") as sound,
        ear(tmp_path, echo="auto", environment=sound.environment) as shop,
    ):
        shop.wait(lambda s: ready(s) and isinstance(s, m.EarState) and s.level_dbfs is not None)
        # The loudspeaker is in the room: what the avatar says arrives at the microphone.
        echo = speak_into(sound, tmp_path / "avatar.wav")
        while echo.poll() is None:
            shop.avatar(speaking=True, saying="Welcome to our shop, please look around.")
            message = shop.player.receive(0.3)
            assert not isinstance(message, (m.Heard, m.Voice)), "it listened to itself"
        shop.avatar(speaking=False)
        assert shop.process.poll() is None
        speak_into(sound, tmp_path / "visitor.wav").wait(20)
        heard = shop.wait(is_heard)
        assert "green tea" in heard.text.lower()


def test_no_microphone_is_said_and_is_no_reason_to_die(tmp_path: Path) -> None:
    nowhere = {"PULSE_SERVER": f"unix:{tmp_path}/none", "PULSE_SOURCE": "", "XDG_RUNTIME_DIR": "/"}
    with ear(tmp_path, environment=nowhere) as shop:
        state = shop.wait(lambda s: isinstance(s, m.EarState) and s.fault is not None)
        assert state.ready and "microphone" in state.fault.lower()
        assert shop.process.poll() is None


def test_a_bad_recording_ends_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no sound")
    with ear(tmp_path, tmp_path / "bad.wav") as shop:
        assert shop.process.wait(30) != 0
    assert "not a sound file" in (tmp_path / "ear.log").read_text()
