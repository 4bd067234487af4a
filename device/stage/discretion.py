"""A visitor's words are for the screen before them: every other copy of a frame is without."""

from __future__ import annotations

import math
from collections.abc import Sequence

from device.render.dirty import Box
from device.render.pixels import Picture


def veil(picture: Picture, private: Sequence[Box], scale: float = 1.0) -> None:
    """Fill the boxes, in pixels before `picture` was made `scale` times as large, in place.

    Each becomes one colour, the mean of what it hides: nothing of it can be read.
    """
    height, width = picture.shape[:2]
    for box in private:
        found = Box(
            math.floor(box.left * scale) - 1, math.floor(box.top * scale) - 1,
            math.ceil(box.right * scale) + 1, math.ceil(box.bottom * scale) + 1,
        ).within(width, height)  # fmt: skip
        if found.area_px:
            part = picture[found.top : found.bottom, found.left : found.right]
            part[:] = part.mean(axis=(0, 1)).astype(picture.dtype)
