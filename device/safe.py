"""`vitrine device safe`: a still picture whenever no player presents, and the screen's keeper.

On a box its full-screen window stands below the player's from the first moment: when a player
goes, however it goes, there is nothing black to be seen. It knows of the player's end from a file
lock that the kernel drops. On a laptop the window is hidden while a player lives.
"""

from __future__ import annotations

import signal
import threading

import numpy as np

from device.bus import Bus
from device.hal.notify import Notifier
from device.hal.screen import RealScreen
from device.paths import Places, has_display, notify_socket
from device.render.cards import Look, brand_picture
from device.render.pixels import Picture, blurred_ground, resize_into
from device.render.sink import Sink, open_sink
from device.stage.day import ShopDay
from device.stage.keeper import last_picture, last_picture_ns, somebody_presents
from device.stage.screenkeeper import KeeperParts, ScreenKeeper
from ota.clock import monotonic_s
from ota.errors import Broken

LOOK_EACH_S = 0.1
SCREEN_EACH_S = 1.0
AGAIN_EACH_S = 1.0
GRACE_S = 3.0
DARK_MEAN = 8.0
SIZE_PX = (1080, 1920)
SIDE_PX_MIN = 240  # X keeps a desktop of a few pixels while its screen is off
BRAND, PROMISE = "Vitrine", "马上就来 / Back in a moment"


def safe_picture(places: Places, width_px: int, height_px: int) -> Picture:
    """The last good frame, else the brand picture; BGRA of the given size, never stretched."""
    found = last_picture(places)
    if found is None or float(found[..., :3].mean()) < DARK_MEAN:
        look = Look(k=min(width_px, height_px) / 1080)
        return brand_picture(BRAND, PROMISE, width_px, height_px, look)
    return fitted(found, width_px, height_px)


def fitted(picture: Picture, width_px: int, height_px: int) -> Picture:
    """The whole picture in the middle of its own blurred ground, or filling its own shape."""
    high, wide = picture.shape[:2]
    scale = min(width_px / wide, height_px / high)
    inner = max(1, round(wide * scale)), max(1, round(high * scale))
    if abs(inner[0] - width_px) <= 1 and abs(inner[1] - height_px) <= 1:
        whole = np.empty((height_px, width_px, 4), np.uint8)
        resize_into(picture, whole)
        return whole
    ground = blurred_ground(picture, width_px, height_px)
    left, top = (width_px - inner[0]) // 2, (height_px - inner[1]) // 2
    resize_into(picture, ground[top : top + inner[1], left : left + inner[0]])
    return ground


class Safe:
    """The watcher. `covering` is True while its picture stands; set `dark` for plain black.

    `under`: the window stands below the player's and is never taken away.
    """

    def __init__(
        self, places: Places, sink: Sink, size: tuple[int, int] = SIZE_PX, under: bool = False
    ) -> None:
        self._places, self._sink, self._size, self._under = places, sink, size, under
        self.covering = self.dark = self._presented = False
        self._drawn: tuple[tuple[str, int], Picture] | None = None
        self._again_s = 0.0

    def open(self) -> None:
        """Open the window: below all others, or not yet visible."""
        self._call("show", self._under)
        self._sink.open(*self._size)
        if self._under:
            self._draw("picture")
            self._call("restack", False)

    def look(self) -> bool:
        """Show or take away the picture as needed; True when the person closed the window."""
        presents, before = somebody_presents(self._places), self._presented
        self._presented = presents
        wanted = "dark" if self.dark else "" if presents else "picture"
        if wanted and (self._is_new(wanted) or (self.dark and presents and not before)):
            self._call("show", True)
            self._draw(wanted)
            if self.dark:  # a player that has just begun stands above us
                self._call("restack", True)
        elif not wanted and self.covering:
            self._call("restack" if self._under else "show", False)
            self._drawn = None
        self.covering = bool(wanted)
        return self._sink.closed_by_user()

    def resize(self, size: tuple[int, int]) -> None:
        """The screen has another size now: a new window for it."""
        if size != self._size and min(size) >= SIDE_PX_MIN:
            self._sink.close()
            self._size, self._drawn, self.covering = size, None, False
            self.open()

    def _is_new(self, wanted: str) -> bool:
        """Another picture, another window memory, or time to be sure that it still stands."""
        return not self._stands(wanted) or monotonic_s() >= self._again_s

    def _stands(self, wanted: str) -> bool:
        drawn, canvas = self._drawn, self._sink.frame_buffer()
        return drawn is not None and drawn[0] == self._what(wanted) and drawn[1] is canvas

    def _what(self, wanted: str) -> tuple[str, int]:
        """A player may have come, kept a picture and gone between two looks."""
        return wanted, 0 if wanted == "dark" else last_picture_ns(self._places)

    def _draw(self, wanted: str) -> None:
        what, canvas = self._what(wanted), self._sink.frame_buffer()
        if not self._stands(wanted):
            canvas[...] = 0 if wanted == "dark" else safe_picture(self._places, *self._size)
        self._sink.present(monotonic_s())
        self._drawn, self._again_s = (what, canvas), monotonic_s() + AGAIN_EACH_S

    def _call(self, verb: str, on: bool) -> None:
        """`show` and `restack` are for sinks that have a window."""
        method = getattr(self._sink, verb, None)
        if method is not None:
            method(on)


def run(places: Places, headless: bool = False, full_screen: bool = False) -> int:
    """Watch until SIGTERM. Exit code. Raises Broken when it must be started again."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    signal.signal(signal.SIGINT, lambda number, frame: stop.set())
    display = has_display() and not headless
    box = full_screen and not headless  # a laptop's own screen is not ours to switch or turn
    screen = RealScreen(display=display)
    size = (screen.look().desktop if box else None) or SIZE_PX
    safe = Safe(places, open_sink(headless, full_screen), size, under=box and display)
    notifier = Notifier(notify_socket())
    safe.open()
    notifier.ready()
    keeper, work = _keep_screen(places, screen, stop) if box else (None, None)
    # The player is given its start time before a window flashes up behind it.
    stop.wait(0.0 if box else GRACE_S)
    while not stop.wait(LOOK_EACH_S):
        if keeper is not None:
            safe.dark = keeper.cover
            safe.resize(keeper.seen.desktop or size)
        safe.look()
        if work is not None and not (work.is_alive() or stop.is_set()):
            raise Broken("The screen's keeper failed; starting again.")
        notifier.alive()
    return 0


def _keep_screen(
    places: Places, screen: RealScreen, stop: threading.Event
) -> tuple[ScreenKeeper, threading.Thread]:
    """The keeper in a thread of its own: a slow television must not hold up the picture."""
    bus = Bus(places.run, "safe")
    memory = places.var / "safe" / "screen.json"
    keeper = ScreenKeeper(KeeperParts(screen, ShopDay(places.var / "clock"), memory, bus.publish))
    screen.keep_awake()
    work = threading.Thread(
        target=keep, args=(keeper, bus, stop), name="screen", daemon=True)
    work.start()
    return keeper, work


def keep(keeper: ScreenKeeper, bus: Bus, stop: threading.Event) -> None:
    """Look each second, and at once when something is said on the bus."""
    with bus:
        while not stop.is_set():
            keeper.turn()
            message = bus.receive(SCREEN_EACH_S)
            while message is not None:
                keeper.take(message)
                message = bus.receive(0.0)
