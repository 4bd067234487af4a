"""Small marks: the camera's under the brand, the ear's at the AI label and at the foot."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from device.render.cards import Look
from device.render.pixels import Sprite
from device.render.text import BOLD, REGULAR, Board, typeface

CAMERA_WORDS = "摄像头已开 不留影像 / Camera on, nothing kept"
OUTSIDE_WORDS = "提问文字会发送到店外 / Questions are sent outside"
PASSED_ON_WORDS = "没答上的问题会转告店家 / Unanswered questions are passed on"
LISTENING_WORDS = "正在听 / Listening"
THINKING_WORDS = "稍等 / One moment"
_GAP_PX = 14
_EAR_PX = 85  # as high as the AI label
Strokes = Sequence[Sequence[tuple[float, float]]]


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


def outside_pill(look: Look) -> Sprite:
    """Says in both languages that questions without an answer go to another machine."""
    return _words_pill(OUTSIDE_WORDS, look)


def passed_on_pill(look: Look) -> Sprite:
    """Says in both languages that the chain is told the questions that nobody answered."""
    return _words_pill(PASSED_ON_WORDS, look)


def _words_pill(text: str, look: Look) -> Sprite:
    kind = typeface(BOLD, look.px(24))
    height, edge = look.px(52), look.px(20)
    width = round(kind.width_px(text)) + 2 * edge
    board = Board(width, height)
    board.panel((0, 0, width, height), height // 2, (12, 14, 16, 150))
    board.text(text, kind, edge, height // 2, (255, 255, 255, 240), "lm")
    return board.sprite()


def ear_mark(look: Look) -> Sprite:
    """An ear in a round of the AI label's height and colours: the microphone is on."""
    side, icon = look.px(_EAR_PX), look.px(54)
    board = Board(side, side)
    board.panel((0, 0, side, side), side // 2, (12, 14, 16, 118))
    at = (side - icon) / 2
    for stroke in _ear():
        board.stroke([(at + x * icon, at + y * icon) for x, y in stroke], 0.1 * icon,
                     (255, 255, 255, 240))
    return board.sprite()


def listening_pill(look: Look) -> Sprite:
    """An ear, and that it listens."""
    return _icon_pill(LISTENING_WORDS, look, _ear())


def thinking_pill(look: Look) -> Sprite:
    """Three dots, and that it takes a moment."""
    dots = [[(x, 0.5), (x + 0.001, 0.5)] for x in (0.2, 0.5, 0.8)]
    return _icon_pill(THINKING_WORDS, look, dots, weight=0.17)


def _ear() -> Strokes:
    """An ear's outer and inner line in the unit square."""
    ear = [_arc((0.50, 0.36), 0.30, 165, 380), _arc((0.50, 0.36), 0.13, 180, 360)]
    outer = [*ear[0], (0.72, 0.58), (0.62, 0.72), (0.60, 0.86), (0.48, 0.94), (0.36, 0.88)]
    return outer, [*ear[1], (0.60, 0.46), (0.50, 0.56), (0.48, 0.68)]


def _icon_pill(text: str, look: Look, strokes: Strokes, weight: float = 0.09) -> Sprite:
    """As `cards.hint`, with an icon drawn of strokes in the unit square in the accent colour."""
    look = look.card()
    kind = typeface(REGULAR, look.px(40))
    icon, pad, gap = look.px(46), look.px(34), look.px(18)
    width, height = round(kind.width_px(text)) + 2 * pad + icon + gap, look.px(84)
    board = Board(width, height)
    board.panel((0, 0, width, height), height // 2, (*look.background, 190))
    top = (height - icon) / 2
    for stroke in strokes:
        board.stroke([(pad + x * icon, top + y * icon) for x, y in stroke], weight * icon,
                     (*look.accent, 255))
    board.text(text, kind, pad + icon + gap, height // 2, look.ink(235), "lm")
    return board.sprite()


def _arc(middle: tuple[float, float], radius: float, start: int, end: int
         ) -> list[tuple[float, float]]:
    """Points of an arc, degrees clockwise from the right."""
    angles = [math.radians(each) for each in range(start, end + 1, 10)]
    return [(middle[0] + radius * math.cos(a), middle[1] + radius * math.sin(a)) for a in angles]


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
