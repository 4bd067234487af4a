"""What lies over the picture: product card, captions, AI label, brand, hints (drawn once).

Sizes are written for a short side of 1080 px and scaled by `Look.k`. The AI label follows
GB 45438-2025: text height at least 5 % of the picture's short side, always visible.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from device.render.linebreak import lines, shortened, typeset
from device.render.pixels import Picture, Sprite, cover, resize_into
from device.render.qr import qr_picture
from device.render.text import BOLD, REGULAR, Board, Box, Colour, Type, typeface

AI_LABEL_TEXT = "AI 生成 / AI generated"
AI_LABEL_SHARE = 0.05
DESIGN_SHORT_PX = 1080
LANDSCAPE_CARD, BESIDE_CARD = 0.62, 0.9
_SHADE_PX = 40
CARD_WIDTH, CARD_HEIGHT, CARD_RADIUS, PAD = 984, 348, 36, 34
PICTURE_SIDE, QR_SIDE = 280, 196
SIDE_WIDTH, SIDE_HEIGHT, SIDE_PICTURE, SIDE_QR, SIDE_PAD = 400, 612, 210, 156, 26
HINT_WIDTH = 936
SCAN_WORDS = "扫码 Scan"


@dataclass(frozen=True)
class Look:
    """Scale, colours (RGB) and type of everything drawn; `k` = short side / 1080.

    `beside`: the presenter stands at the right, what is drawn has a column at the left.
    `canvas` is the picture's (width, height) in px; `regular` and `bold` are a file of `fonts/`
    or the path of the theme's own font.
    """

    k: float = 1.0
    background: tuple[int, int, int] = (16, 35, 28)
    text: tuple[int, int, int] = (255, 255, 255)
    accent: tuple[int, int, int] = (216, 180, 106)
    landscape: bool = False
    beside: bool = False
    side_card: bool = False
    canvas: tuple[int, int] = (DESIGN_SHORT_PX, 1920)
    regular: str = REGULAR
    bold: str = BOLD

    def face(self, weight: str, design_px: float, text: str) -> Type:
        """The theme's type at that size; the built-in one where the theme's lacks a glyph."""
        own = self.bold if weight == BOLD else self.regular
        if own != weight:
            kind, ours = typeface(own, self.px(design_px)), typeface(weight, self.px(design_px))
            if len(kind.drawable(text)) >= len(ours.drawable(text)):
                return kind
        return typeface(weight, self.px(design_px))

    def card(self) -> Look:
        """The scale of cards: a lying one is smaller beside the face in landscape."""
        smaller = self.landscape and not self.side_card
        share = BESIDE_CARD if self.beside else LANDSCAPE_CARD
        return replace(self, k=self.k * share) if smaller else self

    def px(self, design_px: float) -> int:
        """Design pixels to canvas pixels."""
        return max(1, round(design_px * self.k))

    def ink(self, alpha: int = 255) -> Colour:
        """The text colour at some alpha."""
        return (*self.text, alpha)


@dataclass(frozen=True)
class Offer:
    """The words and pictures of one product card; `picture` is BGRA."""

    name: str
    second_name: str = ""
    price: str = ""
    unit: str = ""
    note: str = ""
    picture: Picture | None = field(default=None, compare=False)
    qr: str | None = None


@dataclass(frozen=True)
class Label:
    """The AI label's sprite and its measured text height in canvas pixels."""

    sprite: Sprite
    text_px: int
    margin_px: int


def ai_label(look: Look) -> Label:
    """Draw the label; its Han characters' ink is at least AI_LABEL_SHARE of the short side."""
    wanted_px = AI_LABEL_SHARE * DESIGN_SHORT_PX * look.k
    size = max(8, int(wanted_px))
    while typeface(REGULAR, size).ink_height_px("生成") < wanted_px:
        size += 1
    kind = typeface(REGULAR, size)
    pad_x, pad_y, shade = look.px(26), look.px(12), look.px(8)
    width = round(kind.width_px(AI_LABEL_TEXT)) + 2 * pad_x
    height = kind.ink_height_px("生成") + 2 * pad_y + look.px(6)
    board = Board(width + 2 * shade, height + 2 * shade)
    box = (shade, shade, shade + width, shade + height)
    board.panel(box, height // 2, (12, 14, 16, 118))
    board.text(AI_LABEL_TEXT, kind, shade + width // 2, shade + height // 2,
               (255, 255, 255, 240), "mm")
    return Label(board.sprite(), kind.ink_height_px("生成"), shade)


def product_card(offer: Offer, look: Look) -> Sprite:
    """The card of one product; its sprite has a shadow of _SHADE_PX design px around it.

    Lying for the picture's foot, or standing for its side where the theme says so. Raises
    Refused when the QR's content is too long.
    """
    card = _side_card if look.side_card else _foot_card
    return card(offer, look.card())


def _foot_card(offer: Offer, look: Look) -> Sprite:
    board, (left, top, right, foot) = _panel(CARD_WIDTH, CARD_HEIGHT, look)
    height = foot - top
    left, right = left + look.px(PAD), right - look.px(PAD)
    if offer.picture is not None:
        side = look.px(PICTURE_SIDE)
        board.picture(cover(offer.picture, side, side), left, top + (height - side) // 2,
                      look.px(20))
        left += side + look.px(36)
    if offer.qr:
        right = _draw_qr(board, offer.qr, (left, top, right, foot), QR_SIDE, look) - look.px(28)
    _draw_words(board, offer, (left, top, right, foot), look)
    return board.sprite()


def _side_card(offer: Offer, look: Look) -> Sprite:
    """Picture above, words below it, the QR in the lower right corner."""
    height = SIDE_HEIGHT if offer.picture is not None else SIDE_HEIGHT - SIDE_PICTURE // 2
    board, (left, top, right, foot) = _panel(SIDE_WIDTH, height, look)
    left, right = left + look.px(SIDE_PAD), right - look.px(SIDE_PAD)
    if offer.picture is not None:
        high = look.px(SIDE_PICTURE)
        board.picture(cover(offer.picture, right - left, high), left, top + look.px(SIDE_PAD),
                      look.px(20))
        top += high + look.px(SIDE_PAD) // 2
    block = look.px(SIDE_QR + 56)
    price = (left, top, right, foot)
    if offer.qr:
        box = (left, foot - look.px(SIDE_PAD) - block, right, foot - look.px(SIDE_PAD))
        price = (left, top, _draw_qr(board, offer.qr, box, SIDE_QR, look) - look.px(10), foot)
    _draw_price(board, offer, price, look)
    foot -= look.px(SIDE_PAD) + block
    _draw_names(board, offer, (left, top - look.px(4), right, foot), look)
    return board.sprite()


def _panel(width: int, height: int, look: Look) -> tuple[Board, Box]:
    """The empty card with its shadow, and the card's box (design px in, canvas px out)."""
    shade, wide, high = look.px(_SHADE_PX), look.px(width), look.px(height)
    board = Board(wide + 2 * shade, high + 2 * shade)
    box = (shade, shade, shade + wide, shade + high)
    board.shadow(box, look.px(CARD_RADIUS), look.px(16), look.px(8), 120)
    board.panel(box, look.px(CARD_RADIUS), (*look.background, 238))
    return board, box


def card_shade_px(look: Look) -> int:
    """How far a card's sprite reaches beyond the card itself."""
    return look.card().px(_SHADE_PX)


def hint(text: str, look: Look, accent: bool = False) -> Sprite:
    """A small pill at the foot of the picture: how to ask, or that the box listens."""
    look = look.card()
    kind = look.face(REGULAR, 40, text)
    dot, pad = look.px(18), look.px(34)
    room = look.px(HINT_WIDTH) - 2 * pad - dot - look.px(18)
    text = shortened(kind.drawable(typeset(text)), room, kind.width_px)
    width, height = round(kind.width_px(text)) + 2 * pad + dot + look.px(18), look.px(84)
    board = Board(width, height)
    board.panel((0, 0, width, height), height // 2, (*look.background, 190))
    colour = (*look.accent, 255) if accent else (*look.text, 150)
    top = (height - dot) // 2
    board.panel((pad, top, pad + dot, top + dot), dot // 2, colour)
    board.text(text, kind, pad + dot + look.px(18), height // 2, look.ink(235), "lm")
    return board.sprite()


def brand(name: str, logo: Picture | None, look: Look, width_max_px: int) -> Sprite:
    """The chain's name, with its logo where there is one, for the upper right corner."""
    kind = look.face(BOLD, 38, name)
    if logo is not None:
        logo = fitted(logo, width_max_px // 2, look.px(64))
    logo_px = int(logo.shape[1]) if logo is not None else 0
    gap = look.px(16) if logo is not None else 0
    words = shortened(kind.drawable(name), max(1, width_max_px - logo_px - gap), kind.width_px)
    height, edge = look.px(84), look.px(30)
    width = round(kind.width_px(words)) + logo_px + gap + 2 * edge
    board = Board(width, height)
    board.panel((0, 0, width, height), height // 2, (12, 14, 16, 92))
    if logo is not None:
        board.picture(logo, edge, (height - int(logo.shape[0])) // 2, look.px(14))
    x = edge + logo_px + gap
    board.text(words, kind, x, height // 2, (255, 255, 255, 245), "lm")
    return board.sprite()


def fitted(picture: Picture, width_px: int, height_px: int) -> Picture:
    """The whole picture, scaled to fit into the rectangle."""
    high, wide = picture.shape[:2]
    scale = min(width_px / wide, height_px / high)
    out = np.empty((max(1, round(high * scale)), max(1, round(wide * scale)), 4), np.uint8)
    resize_into(picture, out)
    return out


def brand_picture(
    name: str, second: str, width_px: int, height_px: int, look: Look,
    logo: Picture | None = None,
) -> Picture:
    """The still that stands where no avatar may: name on the theme's ground. BGRA."""
    board = Board(width_px, height_px)
    board.rule((0, 0, width_px, height_px), (*look.background, 255))
    board.fade_down((0, 0, 0, 255), 0, 110)
    middle = height_px // 2
    title, small = look.face(BOLD, 96, name), look.face(REGULAR, 42, second)
    room = width_px - 2 * look.px(80)
    rows = lines(title.drawable(name), room, title.width_px)[:3]
    top = middle - look.px(64) * len(rows)
    if logo is not None:
        mark = fitted(logo, room, look.px(300))
        high, wide = mark.shape[:2]
        top += look.px(120)
        board.picture(mark, (width_px - wide) // 2, top - look.px(104) - high, look.px(24))
    for number, row in enumerate(rows):
        board.text(row, title, width_px // 2, top + look.px(128) * number, look.ink(), "mm")
    bar = top + look.px(128) * len(rows) - look.px(20)
    half = look.px(60)
    board.rule((width_px // 2 - half, bar, width_px // 2 + half, bar + look.px(4)),
               (*look.accent, 255))
    board.text(shortened(small.drawable(second), room, small.width_px), small, width_px // 2,
               bar + look.px(64), look.ink(180), "mm")
    rgba = board.rgba()
    picture: Picture = rgba[..., [2, 1, 0, 3]].copy()
    return picture


def _draw_qr(board: Board, content: str, box: Box, side: int, look: Look) -> int:
    """The QR on its white tile at the box's right side; returns the tile's left edge."""
    _, top, right, foot = box
    code = qr_picture(content, look.px(side), (28, 26, 24))
    edge, words_px = look.px(10), look.px(46)
    tile_w = int(code.shape[1]) + 2 * edge
    tile_h = int(code.shape[0]) + edge + words_px
    x, y = right - tile_w, top + (foot - top - tile_h) // 2
    board.panel((x, y, x + tile_w, y + tile_h), look.px(20), (255, 255, 255, 255))
    board.picture(code, x + edge, y + edge, 1)
    board.text(SCAN_WORDS, look.face(BOLD, 26, SCAN_WORDS), x + tile_w // 2,
               y + tile_h - words_px // 2 - look.px(2), (40, 40, 40, 255), "mm")
    return x


def _draw_words(board: Board, offer: Offer, box: Box, look: Look) -> None:
    """Name, second name and note from the top of the box, the price at its foot."""
    _draw_names(board, offer, box, look)
    _draw_price(board, offer, box, look)


def _draw_names(board: Board, offer: Offer, box: Box, look: Look) -> None:
    x, top, right, foot = box
    name_kind, rows = _title(offer.name, right - x, look)
    y = top + look.px(PAD + 2)
    for row in rows:
        y += look.px(62)
        board.text(row, name_kind, x, y - look.px(12), look.ink())
    for words in (offer.second_name, offer.note if len(rows) == 1 else ""):
        if words and y + look.px(44) <= foot:
            y += look.px(44)
            small = look.face(REGULAR, 31, words)
            fit = shortened(small.drawable(typeset(words)), right - x, small.width_px)
            board.text(fit, small, x, y - look.px(8), look.ink(178))


def _draw_price(board: Board, offer: Offer, box: Box, look: Look) -> None:
    """The price at the foot of the box, its unit beside it, or above it where it is narrow."""
    x, _, right, foot = box
    size, room = 84, right - x
    price = look.face(BOLD, size, offer.price).drawable(offer.price).strip()
    while size > 40 and look.face(BOLD, size, price).width_px(price) > room:
        size -= 4
    kind = look.face(BOLD, size, price)
    price = shortened(price, room, kind.width_px)
    if not price:
        return
    base = foot - look.px(PAD + 10)
    board.text(price, kind, x, base, (*look.accent, 255))
    unit_kind = look.face(REGULAR, 26 if look.side_card else 32, offer.unit)
    unit = unit_kind.drawable(offer.unit)
    unit_x = x + round(kind.width_px(price)) + look.px(14)
    if unit and unit_x + unit_kind.width_px(unit) <= right:
        board.text(unit, unit_kind, unit_x, base, look.ink(178))
    elif unit and look.side_card:
        fit = shortened(unit, room, unit_kind.width_px)
        board.text(fit, unit_kind, x, base - look.px(size) + look.px(4), look.ink(178))


def _title(name: str, room: int, look: Look) -> tuple[Type, list[str]]:
    """The name at the largest size that fits one line, else two smaller lines."""
    for size in (58, 54, 50, 46):
        kind = look.face(BOLD, size, name)
        if kind.width_px(kind.drawable(name)) <= room:
            return kind, [kind.drawable(name)]
    kind = look.face(BOLD, 44, name)
    rows = lines(kind.drawable(name), room, kind.width_px)
    if len(rows) > 2:
        rows = [rows[0], shortened("".join(rows[1:]), room, kind.width_px)]
    return kind, rows
