"""Where the base picture lies on the canvas: pure arithmetic.

A screen of about the base's shape is filled by it. A much wider one would show a face and
nothing else: there the presenter stands at the right side from head to waist, and what lies
beside is ground for words.
"""

from __future__ import annotations

from dataclasses import dataclass

from device.render.dirty import Box

Size = tuple[int, int]
# Less than this of the base's height left by filling the canvas: stand beside instead.
FILLING_MIN = 0.5
BESIDE_SHARE = 0.4  # of the canvas's width
HEAD_HEIGHT = 0.36  # the head's middle, from the top of what is seen


@dataclass(frozen=True)
class Framing:
    """Base pixels `crop` are shown on canvas pixels `place`; all four sides of both are even where
    the place is not the whole canvas."""

    crop: Box
    place: Box
    beside: bool = False

    @property
    def scale(self) -> tuple[float, float]:
        """Canvas pixels for each base pixel, across and down."""
        return ((self.place.right - self.place.left) / (self.crop.right - self.crop.left),
                (self.place.bottom - self.place.top) / (self.crop.bottom - self.crop.top))


def framed(base: Size, canvas: Size, focus: Size | None = None) -> Framing:
    """How a base of `base` pixels is shown on `canvas`; `focus` is the middle of the head."""
    scale = max(canvas[0] / base[0], canvas[1] / base[1])
    wide, high = min(base[0], round(canvas[0] / scale)), min(base[1], round(canvas[1] / scale))
    if canvas[0] > canvas[1] and high < FILLING_MIN * base[1]:
        return _beside(base, canvas, focus)
    middle_x, middle_y = focus or (base[0] // 2, base[1] // 2)
    left = min(max(0, middle_x - wide // 2), base[0] - wide)
    top = min(max(0, middle_y - high // 2), base[1] - high)
    return Framing(Box(left, top, left + wide, top + high), Box(0, 0, *canvas))


def _beside(base: Size, canvas: Size, focus: Size | None) -> Framing:
    canvas_high = canvas[1] // 2 * 2
    scale = max(BESIDE_SHARE * canvas[0] / base[0], canvas_high / base[1])
    high = min(base[1] // 2 * 2, round(canvas_high / scale / 2) * 2)
    wide = base[0] // 2 * 2
    middle_y = focus[1] if focus else round(HEAD_HEIGHT * high)
    top = min(max(0, round(middle_y - HEAD_HEIGHT * high)), base[1] - high) // 2 * 2
    across = min(canvas[0] // 2 * 2, round(wide * canvas_high / high / 2) * 2)
    return Framing(Box(0, top, wide, top + high),
                   Box(canvas[0] - across, 0, canvas[0], canvas_high), beside=True)
