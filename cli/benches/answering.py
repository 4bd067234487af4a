"""A shop of its own to ask questions in: player and ear, a sound server, what both could hear.

The visitor's words go into the microphone's sink, the avatar's own voice leaks into it through a
loopback, and two recorders on the server's one clock hear microphone and loudspeaker.
"""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from cli.benches.stand import DIES_WITH_US, Floats, Recording, end, start_sound
from cli.sound import MICROPHONE_SINK, RATE_HZ, SPEAKER_SINK, virtual_sound
from device import messages as m
from device.bus import Bus
from device.paths import Places, child_environment, repository_root
from device.processes import BOX
from ota.clock import Deadline, monotonic_s
from ota.errors import Broken, Retry

MESSAGES_MAX = 1 << 16
STARTED_S, PLAYED_S = 60.0, 30.0
TICKS_HZ = os.sysconf("SC_CLK_TCK")
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """One question put to the kiosk: its samples (48 kHz) and when it was sent to the sink."""

    text: str
    samples: Floats
    begun_s: float


class AnsweringShop:
    """with AnsweringShop(folder, programme, avatar, echo_db) as shop: it presents and listens."""

    def __init__(self, folder: Path, programme: Path, avatar: Path, echo_db: float | None) -> None:
        self._folder, self._programme, self._avatar = folder, programme, avatar
        self._echo_db = echo_db
        self.places = Places(folder / "box")
        self._sound = virtual_sound(folder / "sound")
        self._stack = ExitStack()
        self.state = m.PlayerState(at_ns=0, ready=False)
        self.ear_state = m.EarState(at_ns=0, ready=False)
        self.ear: subprocess.Popen[bytes] | None = None
        self._watch: Bus | None = None
        self._agent: Bus | None = None
        self.heard: list[str] = []
        self.told: list[bytes] = []

    def __enter__(self) -> AnsweringShop:
        with self._stack:
            self._start_sound()
            self._watch = self._stack.enter_context(Bus(self.places.run, "watch"))
            self._agent = self._stack.enter_context(Bus(self.places.run, "agent"))
            self._process("player", "--headless", "--avatar", str(self._avatar))
            self.ear = self._process("ear")
            self.wait("the player", lambda: self.state.ready)
            self.wait("the ear", lambda: self.ear_state.ready)
            self._agent.publish(m.ContentReady(
                path=str(self._programme), programme_id="bench", version=1))
            self.wait("the presentation", lambda: self.state.saying is not None)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are started with."""
        return {**child_environment(self.places), **self._sound.environment,
                "PYTHONPATH": str(repository_root())}

    def record(self, sink: str) -> Recording:
        """Begin to record what goes into a sink."""
        return Recording(f"{sink}.monitor", self.environment)

    def watch(self, seconds: float) -> list[m.PlayerState]:
        """Let time pass; the player's states that came meanwhile.

        `heard` collects a visitor's words, `told` all that would go to the fleet."""
        assert self._watch is not None and self._agent is not None
        deadline, states = Deadline(seconds), []
        while not deadline.passed:
            message = self._watch.receive(min(0.05, seconds))
            if isinstance(message, m.PlayerState):
                self.state = message
                states.append(message)
            elif isinstance(message, m.EarState):
                self.ear_state = message
            elif isinstance(message, m.Heard) and len(self.heard) < MESSAGES_MAX:
                self.heard.append(message.text)
            while (told := self._agent.receive(0.0)) is not None and len(self.told) < MESSAGES_MAX:
                self.told.append(msgspec.json.encode(told))
        return states

    def wait(self, what: str, ready: Callable[[], object], seconds: float = STARTED_S) -> None:
        """Watch until `ready()`; raises Retry when it takes too long."""
        deadline = Deadline(seconds)
        while not ready():
            if deadline.passed:
                raise Retry(f"{what} did not come within {seconds:.0f} s; see {self._folder}.")
            self.watch(0.05)

    def ask(self, text: str, samples: Floats) -> Asked:
        """Speak into the microphone, to the end."""
        path = self._folder / "question.wav"
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE_HZ)
            out.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        begun_s = monotonic_s()
        playing = subprocess.Popen(
            ("paplay", f"--device={MICROPHONE_SINK}", "--latency-msec=20", str(path)),
            env=self.environment)
        deadline = Deadline(PLAYED_S)
        while playing.poll() is None and not deadline.passed:
            self.watch(0.02)
        playing.kill()
        return Asked(text, samples, begun_s)

    def ear_share(self, work: Callable[[], T]) -> tuple[float, T]:
        """Cores that the ear takes while `work` is done, and what the work gives."""
        cpu_s, begun_s = self._ear_cpu_s(), monotonic_s()
        done = work()
        return (self._ear_cpu_s() - cpu_s) / (monotonic_s() - begun_s), done

    def _ear_cpu_s(self) -> float:
        """Processor seconds so far, all threads (proc(5), stat)."""
        assert self.ear is not None
        stat = Path(f"/proc/{self.ear.pid}/stat").read_text(encoding="ascii")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / TICKS_HZ

    def _start_sound(self) -> None:
        start_sound(self._sound, self._stack)
        if self._echo_db is not None:
            self._leak(self._echo_db)

    def _leak(self, echo_db: float) -> None:
        """The loudspeaker is heard by the microphone, that much quieter."""
        self._pactl("load-module", "module-loopback", f"source={SPEAKER_SINK}.monitor",
                    f"sink={MICROPHONE_SINK}", "latency_msec=40", "adjust_time=0")
        inputs = self._pactl("list", "short", "sink-inputs").split()
        self._pactl("set-sink-input-volume", inputs[0], f"{echo_db:.0f}dB")

    def _pactl(self, *words: str) -> str:
        ran = subprocess.run(("pactl", *words), env=self.environment, capture_output=True,
                             text=True, timeout=STARTED_S, check=False)
        if ran.returncode != 0:
            raise Broken(f"The sound server refused {words[0]}: {ran.stderr.strip()[:200]}")
        return ran.stdout

    def _process(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """One of the box's processes, with the priority that the box gives it."""
        nice = next(each.nice for each in BOX if each.name == name)
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                (*DIES_WITH_US, "nice", "-n", str(nice),
                 sys.executable, "-m", "cli", "device", name, *words),
                env=self.environment, stdout=log, stderr=log, cwd=repository_root())
        self._stack.callback(end, process)
        return process
