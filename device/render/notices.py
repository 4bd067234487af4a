"""What takes the whole picture or its whole width: the brand's moment, an emergency notice."""

from __future__ import annotations

import numpy as np

from device.render.cards import Look, brand_picture
from device.render.linebreak import balanced, lines, shortened, typeset
from device.render.pixels import Picture, Sprite
from device.render.text import BOLD, Board, Type

NOTICE_TITLE = "紧急通知 / Emergency notice"
NOTICE_GROUND, NOTICE_INK = (176, 22, 22, 255), (255, 255, 255, 255)
NOTICE_STRIPE = (255, 209, 0, 255)
NOTICE_TEXTS_MAX, NOTICE_CHARACTERS_MAX = 2, 600
NOTICE_HEIGHT_SHARE, NOTICE_HEIGHT_SHARE_LANDSCAPE = 0.5, 0.8
NOTICE_SIZES = (120, 96, 76, 64, 54, 46, 40, 34)
ONE_LINE_SIZE = 76  # large enough to be preferred to larger type in two lines
_PAD, _STRIPE, _TITLE, _BADGE = 64, 18, 52, 76


def bumper(names: tuple[str, str], logo: Picture | None, look: Look) -> Sprite:
    """The brand's moment: name, the name in another language, logo; opaque, the whole canvas."""
    width_px, height_px = look.canvas
    picture = brand_picture(names[0], names[1], width_px, height_px, look, logo)
    picture[..., 3] = 0
    return Sprite(picture, np.zeros_like(picture))


def emergency(texts: list[str], look: Look) -> Sprite:
    """The notice in the largest type that holds all of it: a band over the whole width in
    portrait, under the face; in landscape, where it would cut the face in two, the whole picture.

    A text that is too long even in the smallest type ends with an ellipsis.
    """
    width_px, height_px = look.canvas
    share = NOTICE_HEIGHT_SHARE_LANDSCAPE if look.landscape else NOTICE_HEIGHT_SHARE
    room_px = round(height_px * share) - look.px(2 * _STRIPE + 2 * _PAD + 2 * _TITLE)
    kind, texts_rows = _fitting([each for each in texts if each.strip()], look, room_px)
    line_px, gap = round(kind.size_px * 1.36), look.px(28)
    count = sum(len(rows) for rows in texts_rows)
    high = (look.px(2 * _STRIPE + 2 * _PAD + 2 * _TITLE) + count * line_px
            + gap * max(0, len(texts_rows) - 1))
    top = (height_px - high) // 2 if look.landscape else 0
    high = height_px if look.landscape else high
    board = Board(width_px, high)
    board.rule((0, 0, width_px, high), NOTICE_GROUND)
    for edge in (0, high - look.px(_STRIPE)):
        board.rule((0, edge, width_px, edge + look.px(_STRIPE)), NOTICE_STRIPE)
    y = top + look.px(_STRIPE + _PAD)
    _draw_title(board, look, y)
    y += look.px(2 * _TITLE) + line_px // 2
    for rows in texts_rows:
        for row in rows:
            board.text(row, kind, look.px(_PAD), y, NOTICE_INK, "lm")
            y += line_px
        y += gap
    return board.sprite()


def _draw_title(board: Board, look: Look, top: int) -> None:
    badge, x = look.px(_BADGE), look.px(_PAD)
    middle = top + look.px(_TITLE) // 2
    box = (x, middle - badge // 2, x + badge, middle - badge // 2 + badge)
    board.panel(box, badge // 2, NOTICE_STRIPE)
    board.text("!", look.face(BOLD, 60, "!"), x + badge // 2, middle, (60, 8, 8, 255), "mm")
    title = look.face(BOLD, _TITLE, NOTICE_TITLE)
    board.text(NOTICE_TITLE, title, x + badge + look.px(24), middle, NOTICE_STRIPE, "lm")


def _fitting(texts: list[str], look: Look, room_px: int) -> tuple[Type, list[list[str]]]:
    """The largest type in which all texts fit, and their lines; a short text stays whole."""
    width = look.canvas[0] - 2 * look.px(_PAD)
    texts = [typeset(each[:NOTICE_CHARACTERS_MAX]) for each in texts[:NOTICE_TEXTS_MAX]]
    fits: Type | None = None
    for size in NOTICE_SIZES:
        kind = look.face(BOLD, size, "".join(texts))
        rows = [lines(kind.drawable(each), width, kind.width_px) for each in texts]
        rows_max = room_px // round(kind.size_px * 1.36) - 1
        if fits is None and sum(len(each) for each in rows) <= rows_max:
            fits = kind
        if size >= ONE_LINE_SIZE and all(len(each) <= 1 for each in rows):
            return kind, rows
        if fits is not None and size <= ONE_LINE_SIZE:
            return fits, [balanced(fits.drawable(each), width, fits.width_px) for each in texts]
    each_max = max(1, rows_max // max(1, len(texts)))
    return kind, [_cut(each, each_max, width, kind) for each in rows]


def _cut(rows: list[str], count: int, width: int, kind: Type) -> list[str]:
    if len(rows) <= count:
        return rows
    glue = " " if rows[count - 1][-1:].isascii() else ""
    rest = glue.join(rows[count - 1 : count + 1])
    return [*rows[: count - 1], shortened(rest, width, kind.width_px)]
