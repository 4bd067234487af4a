"""The order of X windows, which SDL does not know: one call of libX11, on a line of its own."""

from __future__ import annotations

import ctypes

_LIBRARY = "libX11.so.6"
_ON_ERROR = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def _ignore(_display: int | None, _event: int | None) -> int:
    """A window that is gone is no reason to end the process, as Xlib would."""
    return 0


# Kept here: Xlib holds no reference of its own.
_IGNORE = _ON_ERROR(_ignore)


def restack(window: int | None, above: bool) -> bool:
    """Raise or lower a window by its X id; False without X."""
    if not window:
        return False
    try:
        x11 = ctypes.CDLL(_LIBRARY)
    except OSError:
        return False
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XSetErrorHandler.restype = ctypes.c_void_p
    display = x11.XOpenDisplay(None)
    if not display:
        return False
    before = x11.XSetErrorHandler(_IGNORE)
    order = x11.XRaiseWindow if above else x11.XLowerWindow
    order(ctypes.c_void_p(display), ctypes.c_ulong(window))
    x11.XSync(ctypes.c_void_p(display), 0)
    x11.XSetErrorHandler(ctypes.c_void_p(before))
    x11.XCloseDisplay(ctypes.c_void_p(display))
    return True
