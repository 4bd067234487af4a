"""The soaked player: the real director, performer, mouths and compositor on a hurried clock.

Started by `vitrine bench soak` as `python -m cli.benches.soak_child FOLDER SECONDS FACTOR`. The
clock is made to run FACTOR times as fast before anything reads it, so that a sentence takes
milliseconds; the loudspeaker is a thread that takes its samples at that pace. Prints one JSON
object a second: {"s", "rss", "sentences", "switches", "questions", "frames"}.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ota import clock

SWITCH_EACH, ASK_EACH, SHOT_EACH, NOTICE_EACH = 20, 7, 50, 90
BLOCK_FRAMES = 1920
FRAME_REAL_S = 0.03
QUESTIONS = ("龙井多少钱", "普洱怎么卖", "这里有厕所吗", "how much is the oolong")


def hurry(factor: float) -> None:
    """From now on everybody's monotonic clock runs `factor` times as fast, and waits are short."""
    begun_s, real_s, real_sleep = clock.monotonic_s(), clock.monotonic_s, clock.sleep_s

    def now_s() -> float:
        return begun_s + (real_s() - begun_s) * factor

    clock.monotonic_s = now_s
    clock.monotonic_ns = lambda: int(now_s() * 1e9)
    clock.sleep_s = lambda seconds: real_sleep(seconds / factor)
    clock.Deadline.__dataclass_fields__["started_s"].default_factory = now_s


def soak(folder: Path, seconds: float, factor: float) -> int:
    """Play, ask, switch, and tell the memory each second; exit code 0."""
    real_s = clock.monotonic_s
    hurry(factor)
    # Everything else is imported after the clock was hurried: modules keep what they imported.
    from device.bus import Bus
    from device.paths import Places, repository_root
    from device.player import Player, PlayerSettings
    from device.render.bundle import load_bundle
    from device.render.dirty import Box
    from device.render.pixels import use_one_thread
    from device.render.sink import NullSink
    from ota.heap import use_few_arenas

    class PatientSink(NullSink):
        """Takes a moment for each frame, so that the processor is left to the sentences."""

        def present(self, at_s: float, boxes: Sequence[Box] | None = None) -> None:
            super().present(at_s, boxes)
            clock.sleep_s(FRAME_REAL_S * factor)

    class HurriedBus(Bus):
        """Waits as long as its owner means on the hurried clock."""

        def receive(self, timeout_s: float = 0.0) -> Any:
            return super().receive(timeout_s / factor)

    use_one_thread()
    use_few_arenas()
    places = Places(folder / "root")
    bundle = load_bundle(repository_root() / "models" / "avatars" / "lin", clock.utc_now())
    settings = PlayerSettings(width_px=360, height_px=640)
    with HurriedBus(places.run, "player") as bus:
        speaker = hurried_speaker(factor)
        player = Player(places, settings, bundle, bus, PatientSink(), speaker)
        visitors = Visitors(folder, places.run, player, real_s, seconds)
        threading.Thread(target=visitors.run, args=(HurriedBus,), daemon=True).start()
        player.play()
    return 0


def hurried_speaker(factor: float) -> Any:
    """A Speaker whose device is a thread that takes its samples at the hurried pace."""
    from types import SimpleNamespace

    import numpy as np

    from device.audio.speaker import LATENCY_S, RATE_HZ, Speaker

    class Device(Speaker):
        """Callbacks like PortAudio's, from a thread."""

        def _open(self) -> None:
            self._stream, self._fault = SimpleNamespace(abort=int, close=int), None
            self._last_callback_s = self._opened_s = clock.monotonic_s()
            threading.Thread(target=self._take, args=(self._stream,), daemon=True).start()

        def _take(self, stream: object) -> None:
            out = np.zeros((BLOCK_FRAMES, 2), np.float32)
            begun_s, taken = clock.monotonic_s(), 0
            fine = SimpleNamespace(output_underflow=False)
            while self._stream is stream and not self._stop.is_set():
                ahead_s = begun_s + taken / RATE_HZ - clock.monotonic_s()
                clock.sleep_s(ahead_s)
                delay_s = LATENCY_S + max(-0.1, min(0.0, ahead_s))
                times = SimpleNamespace(outputBufferDacTime=1.0 + delay_s, currentTime=1.0)
                self._callback(out, BLOCK_FRAMES, times, fine)
                taken += BLOCK_FRAMES

    return Device()


class Visitors:
    """The agent and the ear of the soaked box: programmes, questions, orders; counts sentences."""

    def __init__(self, folder: Path, run: Path, player: Any, real_s: Callable[[], float],
                 seconds: float) -> None:
        self._folder, self._run, self._player = folder, run, player
        self._real_s, self._seconds = real_s, seconds
        self.sentences = self.switches = self.questions = 0
        self._last: tuple[str | None, str] = (None, "")

    def run(self, bus_kind: Any) -> None:
        """Until the time is over; then the player ends."""
        from ota.heap import resident_bytes

        self._agent, self._ear = bus_kind(self._run, "agent"), bus_kind(self._run, "ear")
        begun_s = told_s = self._real_s()
        self._switch()
        while (now_s := self._real_s()) - begun_s < self._seconds:
            message = self._agent.receive(1.0)
            if message is not None:
                self._heard(message)
            if now_s - told_s >= 1.0:
                told_s = now_s
                print(json.dumps({
                    "s": round(now_s - begun_s, 2), "rss": resident_bytes(),
                    "sentences": self.sentences, "switches": self.switches,
                    "questions": self.questions,
                    "frames": self._player.stage.figures.frames_shown}), flush=True)
        self._player.stage.leave()

    def _heard(self, message: Any) -> None:
        from device import messages as m

        if not isinstance(message, m.PlayerState):
            return
        now = (message.saying, message.state)
        if message.saying is None or now == self._last:
            self._last = now
            return
        self._last = now
        self.sentences += 1
        if self.sentences % SWITCH_EACH == 0:
            self._switch()
        if self.sentences % ASK_EACH == 0:
            self.questions += 1
            at_ns = clock.monotonic_ns()
            self._ear.publish(m.Heard(
                at_ns=at_ns, speech_end_ns=at_ns, language="zh-CN", confidence=-0.1, took_ms=1.0,
                text=QUESTIONS[self.questions % len(QUESTIONS)]))
        if self.sentences % SHOT_EACH == 0:
            self._order("screenshot")
        if self.sentences % NOTICE_EACH == 0:
            self._order("identify")

    def _order(self, name: str) -> None:
        from device import messages as m

        self._agent.publish(m.Command(id=f"{name}-{self.sentences}", name=name))

    def _switch(self) -> None:
        from device import messages as m

        self.switches += 1
        version = self.switches % 2 + 1
        self._agent.publish(m.ContentReady(
            path=str(self._folder / f"v{version}"), programme_id="tea-shop", version=version,
            seq=self.switches, settings=m.Settings(volume=0.5 + 0.1 * version)))


if __name__ == "__main__":
    raise SystemExit(soak(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
