"""Where a player plays: on which screen, on whose box, and who of its threads goes first."""

from __future__ import annotations

import contextlib
import os

import msgspec

from device import messages as m
from device.hal.xwindow import desktop_size
from device.paths import Places, has_display
from device.render.canvas import canvas_for
from ota.errors import VitrineError
from ota.files import read_bounded

BOX_BYTES_MAX = 1 << 20


def go_first(niceness: int) -> None:
    """The calling thread and those that it starts, where we may say so; on a box the unit lets us.

    On Linux a niceness belongs to a thread.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, niceness)


def canvas_size(
    avatar: tuple[int, int], width_px: int | None, height_px: int | None, whole_screen: bool
) -> tuple[int, int]:
    """The canvas (width, height): as asked for, else as the screen or the avatar's video is."""
    if width_px is not None and height_px is not None:
        return width_px, height_px
    return canvas_for(desktop_size() if whole_screen and has_display() else None, avatar)


def who(places: Places) -> tuple[str, str]:
    """Chain and name of this box; ("*", "") before it is enrolled."""
    try:
        data = read_bounded(places.identity / "box.json", BOX_BYTES_MAX)
        box = msgspec.json.decode(data, type=m.BoxSettings)
        return box.chain, box.box
    except (OSError, VitrineError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "*", ""
