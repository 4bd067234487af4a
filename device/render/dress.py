"""A mouth made ready for its place on the screen, by whichever thread has the time for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from device.render import pixels
from device.render.dirty import Box
from device.render.pixels import Floats, Picture


@dataclass(frozen=True, eq=False)
class Ground:
    """A base frame that stands still, and how it looks on the canvas; neither is written again."""

    base_i420: Picture
    clean: Picture


@dataclass(frozen=True, eq=False)
class Dressed:
    """A mouth patch warped to where the head is: `colour` and `inverse` (h, w, 4) cover `box`.

    `at` are the bytes of the matrix from patch to base pixels. `finished` is the box with the
    mouth over `ground`, None where no ground stood still when it was made.
    """

    patch: Picture
    at: bytes
    box: Box
    colour: Picture
    inverse: Picture
    ground: Ground | None = None
    finished: Picture | None = None

    def fits(self, patch: Picture, at: bytes) -> bool:
        """Is it that patch at that place?"""
        return self.patch is patch and self.at == at

    def same_as(self, other: Dressed | None) -> bool:
        """Would it be drawn alike?"""
        return self is other or (other is not None and self.fits(other.patch, other.at))

    def whole_over(self, base_i420: Picture) -> Picture | None:
        """The finished box, if it lies on that very base frame."""
        fits = self.ground is not None and self.ground.base_i420 is base_i420
        return self.finished if fits else None

    def lay(self, part: Picture, box: Box) -> None:
        """Onto `part`, which is `box` of the canvas; what lies outside of it is left out."""
        mine = self.box
        left, top = max(mine.left, box.left), max(mine.top, box.top)
        right, bottom = min(mine.right, box.right), min(mine.bottom, box.bottom)
        if right <= left or bottom <= top:
            return
        rows, columns = slice(top - mine.top, bottom - mine.top), slice(left - mine.left,
                                                                        right - mine.left)
        pixels.lay(part[top - box.top : bottom - box.top, left - box.left : right - box.left],
                   self.colour[rows, columns], self.inverse[rows, columns])


def dress(
    patch: Picture, matrix: Floats, placed: Floats, size: tuple[int, int],
    ground: Ground | None = None,
) -> Dressed:
    """Warp a premultiplied patch for a canvas of `size` (width, height).

    `matrix` (2, 3) maps patch pixels to base pixels, `placed` to canvas pixels. Over a `ground`
    the box is finished too, so that showing it is one copy.
    """
    box = Box(*pixels.patch_box(patch, placed, *size))
    colour, inverse = pixels.warped(patch, placed, (box.left, box.top, box.right, box.bottom))
    finished = None
    if ground is not None and box.area_px:
        finished = ground.clean[box.top : box.bottom, box.left : box.right].copy()
        pixels.lay(finished, colour, inverse)
    return Dressed(patch, np.asarray(matrix).tobytes(), box, colour, inverse, ground, finished)
