"""Which rectangles of a canvas have to be drawn again: pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """Canvas pixels left <= x < right, top <= y < bottom."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area_px(self) -> int:
        """How many pixels; 0 for a box that is turned inside out."""
        return max(0, self.right - self.left) * max(0, self.bottom - self.top)

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom

    def meets(self, other: Box) -> bool:
        """Do they share a pixel?"""
        return (self.left < other.right and other.left < self.right
                and self.top < other.bottom and other.top < self.bottom)

    def around(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(min(self.left, other.left), min(self.top, other.top),
                   max(self.right, other.right), max(self.bottom, other.bottom))

    def within(self, width_px: int, height_px: int) -> Box:
        """The part of it that lies in a canvas."""
        return Box(max(0, self.left), max(0, self.top),
                   min(width_px, self.right), min(height_px, self.bottom))

    def without(self, other: Box) -> list[Box]:
        """What of it lies outside of another one, in at most four boxes."""
        if not self.meets(other):
            return [self]
        top, bottom = max(self.top, other.top), min(self.bottom, other.bottom)
        parts = (Box(self.left, self.top, self.right, top),
                 Box(self.left, bottom, self.right, self.bottom),
                 Box(self.left, top, min(self.right, other.left), bottom),
                 Box(max(self.left, other.right), top, self.right, bottom))
        return [part for part in parts if part.area_px]


def apart(boxes: Sequence[Box]) -> list[Box]:
    """The same pixels (and perhaps some more) in boxes of which no two meet."""
    done: list[Box] = []
    waiting = [box for box in boxes if box.area_px]
    while waiting:
        box = waiting.pop()
        hit = next((other for other in done if other.meets(box)), None)
        if hit is None:
            done.append(box)
        else:
            done.remove(hit)
            waiting.append(hit.around(box))
    return done
