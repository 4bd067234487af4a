"""`vitrine device safe`: a still picture on the screen whenever no player presents.

Holds its own window, hidden while a player lives. Knows it from the player's file lock, which
the kernel drops at the player's death, so the picture is there within a tenth of a second.
"""

from __future__ import annotations

import signal
import threading

import numpy as np

from device.hal.notify import Notifier
from device.paths import Places, has_display, notify_socket
from device.render.cards import Look, brand_picture
from device.render.pixels import Picture, resize_into
from device.render.sink import NullSink, Sink
from device.stage.keeper import last_picture, somebody_presents
from ota.clock import monotonic_s

LOOK_EACH_S = 0.1
GRACE_S = 3.0
BRAND, PROMISE = "Vitrine", "马上就来 / Back in a moment"


def safe_picture(places: Places, width_px: int, height_px: int) -> Picture:
    """The last good frame, else the brand picture; BGRA of the given size."""
    found = last_picture(places)
    if found is None:
        look = Look(k=min(width_px, height_px) / 1080)
        return brand_picture(BRAND, PROMISE, width_px, height_px, look)
    picture = np.empty((height_px, width_px, 4), np.uint8)
    resize_into(found, picture)
    return picture


class Safe:
    """The watcher. `covering` is True while its picture stands."""

    def __init__(self, places: Places, sink: Sink, size: tuple[int, int] = (1080, 1920)) -> None:
        self._places, self._sink, self._size = places, sink, size
        self.covering = False

    def open(self) -> None:
        """Open the window, not yet visible."""
        self._visible(False)
        self._sink.open(*self._size)

    def look(self) -> bool:
        """Show or take away the picture as needed; True when the person closed the window."""
        presents = somebody_presents(self._places)
        if not presents and not self.covering:
            self._visible(True)
            self._sink.frame_buffer()[...] = safe_picture(self._places, *self._size)
            self._sink.present(monotonic_s())
            self.covering = True
        elif presents and self.covering:
            self._visible(False)
            self.covering = False
        return self._sink.closed_by_user()

    def _visible(self, on: bool) -> None:
        show = getattr(self._sink, "show", None)
        if show is not None:
            show(on)


def run(places: Places, headless: bool = False, full_screen: bool = False) -> int:
    """Watch until SIGTERM. Exit code."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    signal.signal(signal.SIGINT, lambda number, frame: stop.set())
    safe = Safe(places, _sink(headless, full_screen))
    notifier = Notifier(notify_socket())
    safe.open()
    notifier.ready()
    # The player is given its start time before a window flashes up behind it.
    stop.wait(GRACE_S)
    while not stop.wait(LOOK_EACH_S):
        safe.look()
        notifier.alive()
    return 0


def _sink(headless: bool, full_screen: bool) -> Sink:
    if headless or not has_display():
        return NullSink()
    from device.render.sink_window import WindowSink

    return WindowSink(full_screen)
