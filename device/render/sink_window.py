"""The window: SDL through pygame-ce, straight into X11 shared memory. Imports pygame.

SDL backs a plain window with a GL texture by default and uploads all of it for each change;
without frame-buffer acceleration the canvas is the window's own memory, 10-100 times cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from device.hal.xwindow import desktop_size, keep_what_is_beneath, restack
from device.paths import owns_screen, prepare_sdl
from device.render.dirty import Box
from device.render.pixels import Picture, resize_into
from device.render.sink import SinkState
from ota.errors import Broken

_DESKTOP_SHARE = 0.9
_DESKTOP_LOOK = 10
_DESKTOP_PX_MIN = 240


class WindowSink:
    """A window, or the full screen (F11 changes, Esc leaves full screen).

    On a screen smaller than the canvas frames are scaled down; where they fit, they are
    composed in the window's memory without any copy.
    """

    def __init__(self, full_screen: bool = False, title: str = "Vitrine") -> None:
        self._full, self._title = full_screen or owns_screen(), title
        self._presented = 0
        self._last_s: float | None = None
        self._visible = self._exposed = True
        self._mapped = False
        self._looks = 0
        self._pygame: Any = None

    def open(self, width_px: int, height_px: int) -> None:
        """Open the window. Raises Broken when there is no display."""
        prepare_sdl()
        import pygame

        self._pygame = pygame
        self._size = (width_px, height_px)
        try:
            pygame.display.init()
            self._desktop = pygame.display.get_desktop_sizes()[0]
            self._make_window()
        except pygame.error as error:
            raise Broken(
                f"No window can be opened ({error}); check the display, or run with --headless."
            ) from error
        pygame.display.set_caption(self._title)

    def frame_buffer(self) -> Picture:
        """The window's own memory, or a canvas that `present` scales into it."""
        return self._canvas

    def present(self, at_s: float, boxes: Sequence[Box] | None = None) -> None:
        """Bring the drawn frame, or what changed of it, to the screen."""
        if self._visible and not self._mapped:
            self._map()
        if self._canvas is not self._inner:
            resize_into(self._canvas, self._inner)
            self._pygame.display.flip()
        elif boxes is None or self._exposed:
            self._pygame.display.flip()
            self._exposed = False
        else:
            left, top = self._corner
            self._pygame.display.update([
                (left + box.left, top + box.top, box.right - box.left, box.bottom - box.top)
                for box in boxes])
        self._presented += 1
        self._last_s = at_s

    def _map(self) -> None:
        """pygame shows a new window black: ours is hidden until its first frame is drawn."""
        keep_what_is_beneath(self._pygame.display.get_wm_info().get("window"))
        self._pygame.Window.from_display_module().show()
        self._pygame.event.pump()
        self._mapped = self._exposed = True

    def closed_by_user(self) -> bool:
        """Handle events: F11, Esc, and the window's close button."""
        pygame = self._pygame
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                return True
            if event.type == pygame.VIDEOEXPOSE:
                self._exposed = True  # the server forgot our pixels
            self._key(event)
        self._follow_desktop()
        return False

    def take_keys(self, name: str) -> list[bool]:
        """The key of that name (as SDL calls it: "space", "f5", "return") went down or up."""
        pygame = self._pygame
        found: list[bool] = []
        for event in pygame.event.get((pygame.KEYDOWN, pygame.KEYUP)):
            if pygame.key.name(event.key) == name:
                found.append(event.type == pygame.KEYDOWN)
            else:
                self._key(event)
        return found

    def _key(self, event: Any) -> None:
        """F11 and Esc."""
        pygame = self._pygame
        if event.type != pygame.KEYDOWN:
            return
        if event.key == pygame.K_F11:
            self._full = not self._full
            self._make_window()
        elif event.key == pygame.K_ESCAPE and self._full:
            self._full = False
            self._make_window()

    def show(self, visible: bool) -> None:
        """Show or hide the window (the safe picture waits hidden behind the player)."""
        changed, self._visible = visible != self._visible, visible
        if changed and self._pygame is not None:
            self._make_window()

    def restack(self, above: bool) -> None:
        """Put the window above or below all others, where no window manager does it."""
        restack(self._pygame.display.get_wm_info().get("window"), above)

    def _follow_desktop(self) -> None:
        """A screen that was turned or exchanged has another size: fill that one."""
        self._looks += 1
        size = desktop_size() if self._full and self._looks % _DESKTOP_LOOK == 0 else None
        # A screen that is switched off leaves X a desktop of a few pixels: wait for its return.
        if size is not None and min(size) >= _DESKTOP_PX_MIN and size != self._desktop:
            self._pygame.display.quit()  # SDL believes in the size that it found at its start
            self._pygame.display.init()
            self._desktop, self._mapped = size, False
            self._make_window()

    def state(self) -> SinkState:
        """What was presented so far."""
        return SinkState("window", self._presented, self._last_s, *self._size)

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()

    def _make_window(self) -> None:
        pygame = self._pygame
        wide, high = self._size
        if self._full:
            outer = self._desktop
            # SDL's own full screen comes some frames after the window: black frames. A bare
            # window of the screen's size is whole at once; a person's F11 may take its time.
            flags = pygame.NOFRAME | (pygame.FULLSCREEN if self._mapped else 0)
        else:
            room = min(1.0, self._desktop[0] * _DESKTOP_SHARE / wide,
                       self._desktop[1] * _DESKTOP_SHARE / high)
            outer = self._size if self._fits() else (round(wide * room), round(high * room))
            flags = pygame.NOFRAME if outer == self._desktop else 0
        if not (self._visible and self._mapped):
            flags |= pygame.HIDDEN
            self._mapped = False
        screen = pygame.display.set_mode(outer, flags, 32)
        pygame.mouse.set_visible(not self._full)
        memory = np.ndarray((outer[1], outer[0], 4), np.uint8, buffer=screen.get_buffer(),
                            strides=(screen.get_pitch(), 4, 1))
        memory[...] = 0
        scale = min(outer[0] / wide, outer[1] / high)
        inner = (round(wide * scale), round(high * scale))
        left, top = (outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2
        self._corner = (left, top)
        self._exposed = True
        self._inner: Picture = memory[top : top + inner[1], left : left + inner[0]]
        same = inner == self._size
        self._canvas: Picture = self._inner if same else np.zeros((high, wide, 4), np.uint8)
        self._screen = screen

    def _fits(self) -> bool:
        return bool(self._size[0] <= self._desktop[0] and self._size[1] <= self._desktop[1])
