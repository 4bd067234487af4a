"""Watches heat and load each second and tells the stage which frame rate holds."""

from __future__ import annotations

import statistics
import threading
from collections import deque
from typing import Any, NamedTuple

from device.hal import Hal
from device.stage.bands import Reading, Standing, judge, ladder
from device.stage.stage import FPS, Stage
from ota.clock import monotonic_s

LOOK_S = 1.0
STEPS_MAX = 64
# The middle of five seconds: one hiccup is no overload.
LATE_LOOKS, LATE_LOOKS_MIN = 5, 3
# The programme is read and its cards are drawn while the first frames are shown: what is late
# then says nothing about the box, and a step up takes a minute.
OPENING_S = 4.0
WORK_FRAMES, MOUTHS_MIN = 30, 4
# For the console.
WORDS = {
    "heat": "过热 / too hot", "late frames": "掉帧 / late frames",
    "picture work": "画面太慢 / slow picture", "mouth work": "口型太慢 / slow mouth",
    "calm": "恢复 / calm again"}


class Step(NamedTuple):
    """One change of the band; `at_s` since the watch began."""

    at_s: float
    detail: dict[str, Any]


class Warden:
    """A thread of its own: a sensor that hangs holds nobody up. Close it.

    `steps` are kept for the report; `take_news` gives each of them once more, for the events.
    """

    def __init__(self, hal: Hal, stage: Stage, avatar_fps: float) -> None:
        self._hal, self._stage = hal, stage
        self.standing = Standing(ladder(min(round(avatar_fps), FPS)))
        self.steps: deque[Step] = deque(maxlen=STEPS_MAX)
        self._news: deque[dict[str, Any]] = deque(maxlen=STEPS_MAX)
        self._began_s: float | None = None
        self._before = (0, 0)
        self._late: deque[float] = deque(maxlen=LATE_LOOKS)
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._work, name="warden", daemon=True)

    def start(self) -> Warden:
        """Begin to watch."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End the watch."""
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def look(self, at_s: float) -> None:
        """One look, and the step it asks for."""
        self._began_s = at_s if self._began_s is None else self._began_s
        before, self.standing = self.standing, judge(self.standing, self._reading(at_s))
        if self.standing.number == before.number:
            return
        self._late.clear()
        self._stage.at_fps(self.standing.band.fps)
        names = (before.band.name, self.standing.band.name)
        detail = {"from": names[0], "to": names[1], "why": self.standing.why,
                  "hottest_c": self.standing.heat_c,
                  "reason": f"{WORDS[self.standing.why]}: {names[0]} → {names[1]}"}
        self.steps.append(Step(round(at_s - self._began_s, 1), detail))
        self._news.append(detail)

    def take_news(self) -> list[dict[str, Any]]:
        """The steps since the last call."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def report(self) -> list[dict[str, Any]]:
        """All steps, oldest first, for the player's report."""
        return [{"at_s": step.at_s, **step.detail} for step in self.steps]

    def _reading(self, at_s: float) -> Reading:
        figures = self._stage.figures
        now = (figures.frames_shown, figures.frames_dropped)
        shown, dropped = now[0] - self._before[0], now[1] - self._before[1]
        opened = self._began_s is not None and at_s - self._began_s >= OPENING_S
        if opened and self._before[0] and shown + dropped > 0:
            self._late.append(dropped / (shown + dropped))
        self._before = now
        late = statistics.median(self._late) if len(self._late) >= LATE_LOOKS_MIN else None
        return Reading(at_s, self._hal.hottest_c(), late, self._picture_ms(), self._mouth_ms())

    def _picture_ms(self) -> float | None:
        work_ms = list(self._stage.figures.work_ms)[-WORK_FRAMES:]
        return statistics.median(work_ms) if len(work_ms) == WORK_FRAMES else None

    def _mouth_ms(self) -> float | None:
        """None while nothing is said: what was needed before says nothing about now."""
        rendered = self._stage.mouths.take_ms()
        return statistics.median(rendered) if len(rendered) >= MOUTHS_MIN else None

    def _work(self) -> None:
        while not self._leave.wait(LOOK_S):
            if self._stage.started.is_set():
                self.look(monotonic_s())
