"""What SDL does not tell of X: the order of windows and the screen's size now, from libX11."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LIBRARY = "libX11.so.6"


def _ignore(_display: int | None, _event: int | None) -> int:
    """A window that is gone is no reason to end the process, as Xlib would."""
    return 0


# Kept here: Xlib holds no reference of its own.
_IGNORE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(_ignore)


def restack(window: int | None, above: bool) -> bool:
    """Raise or lower a window by its X id; False without X."""
    with _opened() as (x11, display):
        if not window or not display:
            return False
        before = x11.XSetErrorHandler(_IGNORE)
        order = x11.XRaiseWindow if above else x11.XLowerWindow
        order(ctypes.c_void_p(display), ctypes.c_ulong(window))
        x11.XSync(ctypes.c_void_p(display), 0)
        x11.XSetErrorHandler(ctypes.c_void_p(before))
    return True


def keep_what_is_beneath(window: int | None) -> None:
    """Let the server paint no background when the window comes: until it has its first picture,
    what was there before stands. Nothing happens without X."""
    with _opened() as (x11, display):
        if window and display:
            x11.XSetWindowBackgroundPixmap(
                ctypes.c_void_p(display), ctypes.c_ulong(window), ctypes.c_ulong(0))
            x11.XSync(ctypes.c_void_p(display), 0)


def desktop_size() -> tuple[int, int] | None:
    """Width and height of X's screen as it is now; None without X."""
    with _opened() as (x11, display):
        if not display:
            return None
        pointer, screen = ctypes.c_void_p(display), x11.XDefaultScreen(ctypes.c_void_p(display))
        return x11.XDisplayWidth(pointer, screen), x11.XDisplayHeight(pointer, screen)


@contextmanager
def _opened() -> Iterator[tuple[Any, int | None]]:
    """libX11 and a connection of our own; (None, None) without X."""
    try:
        x11 = ctypes.CDLL(_LIBRARY)
    except OSError:
        yield None, None
        return
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XSetErrorHandler.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    try:
        yield x11, display
    finally:
        if display:
            x11.XCloseDisplay(ctypes.c_void_p(display))
