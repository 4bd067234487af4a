"""The base picture on the canvas, and the ground beside it where it does not fill the canvas.

The ground goes on from the base's own left edge, softer and dimmer with the distance. It is
drawn from the first base frame and never again: a backdrop does not move.
"""

from __future__ import annotations

import numpy as np

from device.render import pixels
from device.render.dirty import Box
from device.render.framing import Framing, Size, framed
from device.render.pixels import Floats, Picture

EDGE_SHARE = 0.012  # of the base's width: what is taken as its edge
FEATHER_SHARE = 0.05  # of the place's width: where base and ground mix


class BaseView:
    """Draws base frames of `base_size` (width, height) into canvases of `canvas_size`.

    `framing` says where. One thread draws; `on_canvas` is for any.
    """

    def __init__(self, base_size: Size, canvas_size: Size, focus: Size | None = None) -> None:
        self.framing: Framing = framed(base_size, canvas_size, focus)
        self._base_size, self._canvas_size = base_size, canvas_size
        self._backdrop: Picture | None = None
        self._fade: tuple[Picture, Picture] | None = None
        place = self.framing.place
        if self.framing.beside:
            wide, high = place.right - place.left, place.bottom - place.top
            self._scratch: Picture | None = np.empty((high * 3 // 2, wide), np.uint8)
        elif base_size != canvas_size:
            self._scratch = np.empty((base_size[1], base_size[0], 4), np.uint8)
        else:
            self._scratch = None

    @property
    def place(self) -> Box:
        """The part of the canvas that moves with the base."""
        return self.framing.place

    def on_canvas(self, matrix: Floats) -> Floats:
        """A matrix (2, 3) to base pixels as one to canvas pixels. Pixels' middles are what is
        scaled: half a pixel more or less is seen in a mouth."""
        crop, place, (across, down) = self.framing.crop, self.framing.place, self.framing.scale
        moved = matrix.astype(np.float64)
        moved[:, 2] -= (crop.left, crop.top)
        moved *= ((across,), (down,))
        moved[:, 2] += (place.left + (across - 1) / 2, place.top + (down - 1) / 2)
        placed: Floats = moved.astype(np.float32)
        return placed

    def whole(self, canvas: Picture, base_i420: Picture) -> None:
        """Every pixel of the canvas."""
        if self.framing.beside:
            np.copyto(canvas, self._ground(base_i420))
        self.moving(canvas, base_i420)

    def moving(self, canvas: Picture, base_i420: Picture) -> None:
        """Only `place`, which is what another base frame changes."""
        if self.framing.beside:
            self._beside(canvas, base_i420)
        elif self._scratch is None:
            pixels.i420_to_bgra(base_i420, canvas)
        else:
            pixels.i420_to_bgra(base_i420, self._scratch)
            crop = self.framing.crop
            pixels.resize_into(
                self._scratch[crop.top : crop.bottom, crop.left : crop.right], canvas)

    def restore(self, part: Picture, box: Box) -> None:
        """The ground of a box beside `place`."""
        assert self._backdrop is not None
        np.copyto(part, self._backdrop[box.top : box.bottom, box.left : box.right])

    def _beside(self, canvas: Picture, base_i420: Picture) -> None:
        place = self.framing.place
        self._ground(base_i420)
        assert self._fade is not None
        part = canvas[place.top : place.bottom, place.left : place.right]
        self._plain(part, base_i420)
        inverse, colour = self._fade
        pixels.lay(part[:, : inverse.shape[1]], colour, inverse)

    def _plain(self, part: Picture, base_i420: Picture) -> None:
        """The cropped base in the place's size, without the fade."""
        assert self._scratch is not None
        pixels.scale_i420(base_i420, self.framing.crop.corners, self._scratch)
        pixels.i420_to_bgra(self._scratch, part)

    def _ground(self, base_i420: Picture) -> Picture:
        if self._backdrop is None:
            place = self.framing.place
            plain = np.empty((place.bottom - place.top, place.right - place.left, 4), np.uint8)
            self._plain(plain, base_i420)
            fade_px = max(2, round(FEATHER_SHARE * plain.shape[1]))
            edge_px = max(1, round(EDGE_SHARE * plain.shape[1]))
            wide, high = self._canvas_size
            self._backdrop = np.zeros((high, wide, 4), np.uint8)
            drawn = pixels.extended(plain[:, :edge_px], place.left + fade_px, fade_px)
            self._backdrop[: drawn.shape[0], : drawn.shape[1]] = drawn
            self._backdrop[drawn.shape[0] :] = self._backdrop[drawn.shape[0] - 1]
            self._fade = pixels.fade_in(drawn[:, place.left :])
        return self._backdrop
