"""What lies over the picture: product card, captions, AI label, brand, hints (drawn once).

Sizes are written for a short side of 1080 px and scaled by `Look.k`. The AI label follows
GB 45438-2025: text height at least 5 % of the picture's short side, always visible.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from device.render.linebreak import lines, pages, shortened, typeset
from device.render.pixels import Picture, Sprite, cover
from device.render.qr import qr_picture
from device.render.text import BOLD, REGULAR, Board, Colour, Type, typeface

AI_LABEL_TEXT = "AI 生成 / AI generated"
AI_LABEL_SHARE = 0.05
DESIGN_SHORT_PX = 1080
LANDSCAPE_CARD = 0.62
_SHADE_PX = 40
CARD_WIDTH, CARD_HEIGHT, CARD_RADIUS, PAD = 984, 348, 36, 34
PICTURE_SIDE, QR_SIDE = 280, 196
CAPTION_WIDTH, CAPTION_LINES_MAX = 936, 2
CAPTION_SIZE, LATIN_CAPTION_SIZE = 50, 44
LATIN_LINES_MAX = 3
SCAN_WORDS = "扫码 Scan"


@dataclass(frozen=True)
class Look:
    """Scale and colours (RGB) of everything drawn; `k` = short side / 1080."""

    k: float = 1.0
    background: tuple[int, int, int] = (16, 35, 28)
    text: tuple[int, int, int] = (255, 255, 255)
    accent: tuple[int, int, int] = (216, 180, 106)
    landscape: bool = False

    def card(self) -> Look:
        """The scale of cards: beside the face in landscape they are smaller."""
        return replace(self, k=self.k * LANDSCAPE_CARD) if self.landscape else self

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
    """The card of one product; its sprite has a shadow of _SHADE_PX design px around it."""
    look = look.card()
    shade, width, height = look.px(_SHADE_PX), look.px(CARD_WIDTH), look.px(CARD_HEIGHT)
    board = Board(width + 2 * shade, height + 2 * shade)
    box = (shade, shade, shade + width, shade + height)
    board.shadow(box, look.px(CARD_RADIUS), look.px(16), look.px(8), 120)
    board.panel(box, look.px(CARD_RADIUS), (*look.background, 238))
    left, right = shade + look.px(PAD), shade + width - look.px(PAD)
    if offer.picture is not None:
        side = look.px(PICTURE_SIDE)
        board.picture(cover(offer.picture, side, side), left, shade + (height - side) // 2,
                      look.px(20))
        left += side + look.px(36)
    if offer.qr:
        right = _draw_qr(board, offer.qr, right, shade, height, look) - look.px(28)
    _draw_words(board, offer, left, right - left, shade, height, look)
    return board.sprite()


def card_shade_px(look: Look) -> int:
    """How far a card's sprite reaches beyond the card itself."""
    return look.card().px(_SHADE_PX)


def caption_pages(text: str, look: Look) -> list[list[str]]:
    """A sentence cut into pages that fit the screen: two lines of Chinese, three of English."""
    kind = _caption_type(text, look)
    lines_max = LATIN_LINES_MAX if text.isascii() else CAPTION_LINES_MAX
    return pages(kind.drawable(typeset(text)), look.px(CAPTION_WIDTH - 96), lines_max,
                 kind.width_px)


def caption(page: list[str], look: Look) -> Sprite:
    """One caption page: white on a dark translucent panel, lines centred."""
    kind = _caption_type("".join(page), look)
    line_px, pad_x, pad_y = round(kind.size_px * 1.36), look.px(44), look.px(22)
    width = round(max(kind.width_px(line) for line in page)) + 2 * pad_x
    height = line_px * len(page) + 2 * pad_y
    board = Board(width, height)
    board.panel((0, 0, width, height), look.px(28), (10, 14, 14, 172))
    for number, line in enumerate(page):
        middle = pad_y + line_px * number + line_px // 2
        board.text(line, kind, width // 2, middle, (255, 255, 255, 255), "mm")
    return board.sprite()


def hint(text: str, look: Look, accent: bool = False) -> Sprite:
    """A small pill at the foot of the picture: how to ask, or that the box listens."""
    kind = typeface(REGULAR, look.px(40))
    dot, pad = look.px(18), look.px(34)
    room = look.px(CAPTION_WIDTH) - 2 * pad - dot - look.px(18)
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
    kind = typeface(BOLD, look.px(38))
    logo_px = look.px(64) if logo is not None else 0
    gap = look.px(16) if logo is not None else 0
    words = shortened(kind.drawable(name), max(1, width_max_px - logo_px - gap), kind.width_px)
    height, edge = look.px(84), look.px(30)
    width = round(kind.width_px(words)) + logo_px + gap + 2 * edge
    board = Board(width, height)
    board.panel((0, 0, width, height), height // 2, (12, 14, 16, 92))
    if logo is not None:
        board.picture(cover(logo, logo_px, logo_px), edge, (height - logo_px) // 2, look.px(14))
    x = edge + logo_px + gap
    board.text(words, kind, x, height // 2, (255, 255, 255, 245), "lm")
    return board.sprite()


def brand_picture(name: str, second: str, width_px: int, height_px: int, look: Look) -> Picture:
    """The still that stands where no avatar may: name on the theme's ground. BGRA."""
    board = Board(width_px, height_px)
    board.rule((0, 0, width_px, height_px), (*look.background, 255))
    board.fade_down((0, 0, 0, 255), 0, 110)
    middle = height_px // 2
    title, small = typeface(BOLD, look.px(96)), typeface(REGULAR, look.px(42))
    room = width_px - 2 * look.px(80)
    rows = lines(title.drawable(name), room, title.width_px)[:3]
    top = middle - look.px(64) * len(rows)
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


def _caption_type(text: str, look: Look) -> Type:
    return typeface(BOLD, look.px(LATIN_CAPTION_SIZE if text.isascii() else CAPTION_SIZE))


def _draw_qr(board: Board, content: str, right: int, top: int, height: int, look: Look) -> int:
    """The QR on its white tile at the card's right side; returns the tile's left edge."""
    code = qr_picture(content, look.px(QR_SIDE), (28, 26, 24))
    edge, words_px = look.px(10), look.px(46)
    tile_w = int(code.shape[1]) + 2 * edge
    tile_h = int(code.shape[0]) + edge + words_px
    x, y = right - tile_w, top + (height - tile_h) // 2
    board.panel((x, y, x + tile_w, y + tile_h), look.px(20), (255, 255, 255, 255))
    board.picture(code, x + edge, y + edge, 1)
    board.text(SCAN_WORDS, typeface(BOLD, look.px(26)), x + tile_w // 2,
               y + tile_h - words_px // 2 - look.px(2), (40, 40, 40, 255), "mm")
    return x


def _draw_words(
    board: Board, offer: Offer, x: int, room: int, top: int, height: int, look: Look
) -> None:
    """Name, second name, note and price, set from the top and the foot of the card."""
    name_kind, rows = _title(offer.name, room, look)
    y = top + look.px(PAD + 2)
    for row in rows:
        y += look.px(62)
        board.text(row, name_kind, x, y - look.px(12), look.ink())
    small = typeface(REGULAR, look.px(31))
    for words in (offer.second_name, offer.note if len(rows) == 1 else ""):
        if words:
            y += look.px(44)
            fit = shortened(small.drawable(typeset(words)), room, small.width_px)
            board.text(fit, small, x, y - look.px(8), look.ink(178))
    if offer.price:
        size = 84
        while size > 40 and typeface(BOLD, look.px(size)).width_px(offer.price) > room:
            size -= 4
        kind = typeface(BOLD, look.px(size))
        foot = top + height - look.px(PAD + 10)
        board.text(offer.price, kind, x, foot, (*look.accent, 255))
        unit_x = x + round(kind.width_px(offer.price)) + look.px(14)
        unit_kind = typeface(REGULAR, look.px(32))
        if offer.unit and unit_x + unit_kind.width_px(offer.unit) <= x + room:
            board.text(offer.unit, unit_kind, unit_x, foot, look.ink(178))


def _title(name: str, room: int, look: Look) -> tuple[Type, list[str]]:
    """The name at the largest size that fits one line, else two smaller lines."""
    for size in (58, 54, 50, 46):
        kind = typeface(BOLD, look.px(size))
        if kind.width_px(kind.drawable(name)) <= room:
            return kind, [kind.drawable(name)]
    kind = typeface(BOLD, look.px(44))
    rows = lines(kind.drawable(name), room, kind.width_px)
    if len(rows) > 2:
        rows = [rows[0], shortened("".join(rows[1:]), room, kind.width_px)]
    return kind, rows
