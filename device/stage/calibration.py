"""The calibration page: a beep each second, and a hand that shows how late or early the picture is.

The hand stands on the number that is to be set when the beep is heard: the scale is counted from
the delay that holds now, and the hand passes that mark with the beep of the one clock.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from device.audio.speaker import RATE_HZ, Samples, Speaker
from device.render.cards import Look
from device.render.pixels import Sprite
from device.render.text import BOLD, REGULAR, Board, typeface
from device.stage.offset import bounded, checked
from device.stage.stage import FPS, FRAME_S, Stage
from ota.clock import Deadline
from ota.errors import Refused, Retry

SECONDS, SECONDS_MAX = 60.0, 600.0
BEEP_HZ, BEEP_S, BEEP_LEVEL = 1000.0, 0.06, 0.6
HALF = 12  # frames of the sweep before and after the beep
AHEAD = 14  # frames before a sweep begins that it is planned
WIDTH, HEIGHT, PLATE_HEIGHT = 984, 190, 330
EDGE = 40
FLASH_FRAMES = 2
MS_EACH_FRAME = 1000.0 * FRAME_S
TITLE = "音画校准 / Sound and picture"
LINES = (
    "听到“嘀”声时,指针指着几?",
    "Where is the hand when you hear the beep?",
)
NOW_WORDS = "现在 now {now:+.0f} ms   例 e.g. vitrine device calibrate --set {example}"


class Calibration:
    """Owned by the director's thread: `order` it, then call `turn` several times a second."""

    def __init__(self, stage: Stage, speaker: Speaker, look: Look) -> None:
        self._stage, self._speaker, self._look = stage, speaker, look
        self._end: Deadline | None = None
        self._origin = 0
        self._hands: list[Sprite] = []

    @property
    def on(self) -> bool:
        """Is the page on the screen?"""
        return self._end is not None

    def order(self, args: dict[str, Any]) -> dict[str, Any]:
        """{"seconds": N} shows the page for so long, 0 ends it; {"av_offset_ms": x} tries a delay.

        Nothing is kept here (see `device.stage.offset`). Returns what holds now. Raises Refused.
        """
        if "av_offset_ms" in args:
            self._stage.av_offset_ms = checked(args["av_offset_ms"])
        self._redraw()
        if (seconds := args.get("seconds")) is not None:
            if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not (
                    0 <= seconds <= SECONDS_MAX):
                raise Refused(f"The page is shown for 0 to {SECONDS_MAX:.0f} seconds.")
            self._show(float(seconds))
        return {"av_offset_ms": self._stage.av_offset_ms, "shown": self.on}

    def turn(self) -> None:
        """Plan the next beep and its sweep; take the page away when its time is over."""
        if self._end is None:
            return
        if self._end.passed:
            self._hide()
        elif self._stage.now() >= self._origin - HALF - AHEAD:
            self._plan()

    def _show(self, seconds: float) -> None:
        self._end = Deadline(seconds)
        self._origin = self._stage.now() + HALF + AHEAD
        self._redraw()

    def _hide(self) -> None:
        self._end, self._hands = None, []
        for part in ("plate", "gauge"):
            self._stage.change_at(self._stage.now(), part, None)

    def _redraw(self) -> None:
        if self._end is not None:
            now_ms = self._stage.av_offset_ms
            self._hands = [gauge(k, now_ms, self._look) for k in range(-HALF, HALF + 1)]
            self._stage.change_at(self._stage.now(), "plate", plate(now_ms, self._look))

    def _plan(self) -> None:
        try:
            first = self._speaker.play(beep(), self._origin * RATE_HZ // FPS)
        except Retry:
            return
        middle = self._stage.frame_at(first)
        for step, hand in enumerate(self._hands):
            self._stage.change_at(middle + step - HALF, "gauge", hand)
        self._origin = middle + FPS


def beep() -> Samples:
    """A short tone that begins at once: an ear notes its beginning."""
    t = np.arange(round(BEEP_S * RATE_HZ)) / RATE_HZ
    fade = np.minimum(1.0, (BEEP_S - t) / 0.02)
    return (BEEP_LEVEL * np.sin(2 * np.pi * BEEP_HZ * t) * fade).astype(np.float32)


def hand_at(step: int, now_ms: float) -> float:
    """What the hand points at `step` frames after the beep, in ms.

    A picture that comes D ms late shows, when the beep is heard, what was meant for D ms before:
    the hand stands at now - D, and that is the delay to set.
    """
    return now_ms + step * MS_EACH_FRAME


def marks(now_ms: float) -> list[int]:
    """The numbers of the scale: the hundreds that the hand passes, within +-500."""
    low, high = hand_at(-HALF, now_ms), hand_at(HALF, now_ms)
    return [mark for mark in range(-500, 501, 100) if low <= mark <= high]


def gauge(step: int, now_ms: float, look: Look) -> Sprite:
    """The scale with the hand `step` frames after the beep; white while it beeps."""
    width, height, edge = look.px(WIDTH), look.px(HEIGHT), look.px(EDGE)
    flash = 0 <= step < FLASH_FRAMES
    ground = (255, 255, 255, 255) if flash else (*look.background, 240)
    ink = (16, 20, 24, 255) if flash else look.ink()
    board = Board(width, height)
    board.panel((0, 0, width, height), look.px(28), ground)

    def x_of(value_ms: float) -> int:
        share = (value_ms - now_ms) / (2 * HALF * MS_EACH_FRAME) + 0.5
        return edge + round(share * (width - 2 * edge))

    line, kind, foot = look.px(3), typeface(BOLD, look.px(34)), look.px(112)
    board.rule((edge, foot, width - edge, foot + line), ink)
    low, high = hand_at(-HALF, now_ms), hand_at(HALF, now_ms)
    for value in range(int(-(-low // 20)) * 20, int(high) + 1, 20):
        tall = look.px(30 if value % 100 == 0 else 14)
        board.rule((x_of(value) - line // 2, foot - tall, x_of(value) + line, foot), ink)
    for value in marks(now_ms):
        board.text(f"{value:+d}" if value else "0", kind, x_of(value), height - look.px(40), ink,
                   "mm")
    x, half = x_of(hand_at(step, now_ms)), look.px(7)
    board.panel((x - half, look.px(22), x + half, foot + look.px(12)), half,
                (200, 30, 30, 255) if flash else (*look.accent, 255))
    return board.sprite()


def plate(now_ms: float, look: Look) -> Sprite:
    """What to do, in both languages, and the delay that holds now."""
    width, height, edge = look.px(WIDTH), look.px(PLATE_HEIGHT), look.px(EDGE)
    board = Board(width, height)
    board.panel((0, 0, width, height), look.px(28), (*look.background, 240))
    board.text(TITLE, typeface(BOLD, look.px(46)), edge, look.px(72), (*look.accent, 255))
    for number, words in enumerate(LINES):
        board.text(words, typeface(REGULAR, look.px(42)), edge, look.px(142 + 62 * number),
                   look.ink())
    example = f"{bounded(now_ms - 60):.0f}"
    board.text(NOW_WORDS.format(now=now_ms, example=example), typeface(REGULAR, look.px(30)),
               edge, look.px(286), look.ink(190))
    return board.sprite()
