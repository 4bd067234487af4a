"""Small marks of the upper right corner, under the brand."""

from __future__ import annotations

import numpy as np

from device.render.cards import Look
from device.render.pixels import Sprite
from device.render.text import BOLD, Board, typeface

CAMERA_WORDS = "摄像头已开 不留影像 / Camera on, nothing kept"
_GAP_PX = 14


def camera_pill(look: Look) -> Sprite:
    """Says in both languages that the camera is on, with a drawn camera and a red light."""
    kind = typeface(BOLD, look.px(24))
    height, edge, icon = look.px(52), look.px(20), look.px(40)
    width = round(kind.width_px(CAMERA_WORDS)) + icon + look.px(12) + 2 * edge
    board = Board(width, height)
    board.panel((0, 0, width, height), height // 2, (12, 14, 16, 150))
    top, ink = height // 2 - look.px(11), (255, 255, 255, 240)
    board.panel((edge, top, edge + look.px(26), top + look.px(22)), look.px(5), ink)
    lens = edge + look.px(29)
    board.panel((lens, top + look.px(5), lens + look.px(9), top + look.px(17)), look.px(2), ink)
    light = edge + look.px(9)
    board.panel((light, top + look.px(7), light + look.px(8), top + look.px(15)), look.px(4),
                (226, 40, 40, 255))
    board.text(CAMERA_WORDS, kind, edge + icon + look.px(12), height // 2, ink, "lm")
    return board.sprite()


def below(upper: Sprite | None, lower: Sprite, look: Look) -> Sprite:
    """Both as one sprite, the lower one under the other, their right edges in line."""
    if upper is None:
        return lower
    width = max(upper.width_px, lower.width_px)
    height = upper.height_px + look.px(_GAP_PX) + lower.height_px
    colour = np.zeros((height, width, 4), np.uint8)
    inverse = np.full((height, width, 4), 255, np.uint8)
    for sprite, top in ((upper, 0), (lower, height - lower.height_px)):
        rows = slice(top, top + sprite.height_px)
        colour[rows, width - sprite.width_px :] = sprite.colour
        inverse[rows, width - sprite.width_px :] = sprite.inverse
    return Sprite(colour, inverse)
