"""Where finished frames go: one interface, and the sinks that need no window.

A sink gives the memory to draw into, then shows it. One thread owns a sink.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from device.paths import has_display
from device.render.dirty import Box
from device.render.pixels import Picture

HISTORY_FRAMES = 4096


@dataclass(frozen=True)
class SinkState:
    """Liveness as presented pixels show it: `presented` frames, the last at `last_s`."""

    name: str
    presented: int
    last_s: float | None
    width_px: int
    height_px: int


class Sink(Protocol):
    """`open` once, then `frame_buffer` -> draw -> `present` for each frame, `close`."""

    def open(self, width_px: int, height_px: int) -> None:
        """Prepare for canvases of this size. Raises Broken when there is no such screen."""

    def frame_buffer(self) -> Picture:
        """The (h, w, 4) BGRA memory to draw the next frame into."""

    def present(self, at_s: float, boxes: Sequence[Box] | None = None) -> None:
        """Show the drawn frame; `at_s` is the monotonic time for the records, `boxes` what of it
        changed since the last one (None: all of it)."""

    def closed_by_user(self) -> bool:
        """Handle the window's events; True when the person asked to leave."""

    def take_keys(self, name: str) -> list[bool]:
        """The key of that name went down (True) or up since the last call."""

    def state(self) -> SinkState:
        """What was presented so far."""

    def close(self) -> None:
        """Give the screen back."""


@dataclass
class NullSink:
    """No screen: keeps the canvas, and the time (and hash, when asked) of each frame."""

    keep_hashes: bool = False
    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY_FRAMES))
    hashes: deque[str] = field(default_factory=lambda: deque(maxlen=HISTORY_FRAMES))
    presented: int = 0

    def open(self, width_px: int, height_px: int) -> None:
        """Make the canvas."""
        self._canvas: Picture = np.zeros((height_px, width_px, 4), np.uint8)

    def frame_buffer(self) -> Picture:
        """The one canvas."""
        return self._canvas

    def present(self, at_s: float, boxes: Sequence[Box] | None = None) -> None:
        """Record the frame."""
        self.presented += 1
        self.times_s.append(at_s)
        if self.keep_hashes:
            self.hashes.append(hashlib.blake2b(self._canvas.data, digest_size=8).hexdigest())

    def closed_by_user(self) -> bool:
        """Nobody can."""
        return False

    def take_keys(self, name: str) -> list[bool]:
        """There is no keyboard."""
        return []

    def state(self) -> SinkState:
        """What was presented so far."""
        last_s = self.times_s[-1] if self.times_s else None
        height_px, width_px = self._canvas.shape[:2]
        return SinkState("none", self.presented, last_s, width_px, height_px)

    def close(self) -> None:
        """Nothing to give back."""


def open_sink(headless: bool, full_screen: bool) -> Sink:
    """A window where there is a display."""
    if headless or not has_display():
        return NullSink()
    from device.render.sink_window import WindowSink

    return WindowSink(full_screen)
