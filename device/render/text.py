"""Type and flat drawing, once per change and cached as sprites. The only importer of Pillow.

Fonts are the subsets in `fonts/` (Noto Sans CJK SC, OFL-1.1); shaping by raqm where the
Pillow build has it. All sizes are pixels of the canvas.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, UnidentifiedImageError

from device.render.pixels import Picture, Sprite, sprite_from_rgba

FONTS_DIR = Path(__file__).resolve().parent / "fonts"
REGULAR, BOLD = "VitrineSans-Regular.otf", "VitrineSans-Bold.otf"
Colour = tuple[int, int, int, int]
Box = tuple[int, int, int, int]
FONT_BYTES_MAX = 32 << 20
_EDGE_SCALE = 4
_BREAKS = ("Cc", "Zl", "Zp", "Cs")


class Type:
    """One font at one size: measures, and knows which characters it can draw.

    `weight` is a file of FONTS_DIR, or the absolute path of another font.
    """

    def __init__(self, weight: str, size_px: int) -> None:
        self.size_px = size_px
        self.font = ImageFont.truetype(str(FONTS_DIR / weight), size_px)
        self._missing = self._shape("\U0010fffd")

    def width_px(self, text: str) -> float:
        """Advance width of one line."""
        return float(self.font.getlength(text))

    def ink_height_px(self, text: str) -> int:
        """Height of the inked box of one line: what a ruler on the screen would measure."""
        _, top, _, bottom = self.font.getbbox(text)
        return int(bottom - top)

    def drawable(self, text: str) -> str:
        """`text` without the characters this font has no glyph for (emoji, other scripts).

        Line ends and other controls become spaces: shaping stumbles over them.
        """
        return "".join(" " if unicodedata.category(c) in _BREAKS else c
                       for c in text if c.isspace() or self._has(c))

    @lru_cache(maxsize=8192)  # noqa: B019 - types live as long as the process
    def _has(self, character: str) -> bool:
        return self._shape(character) != self._missing

    def _shape(self, character: str) -> tuple[tuple[int, int], bytes]:
        mask = self.font.getmask(character)
        return mask.size, bytes(mask)


@lru_cache(maxsize=128)
def typeface(weight: str, size_px: int) -> Type:
    """A cached Type; `weight` is REGULAR, BOLD or the path of a theme's font."""
    return Type(weight, size_px)


class Board:
    """A transparent picture to draw on, which becomes one sprite."""

    def __init__(self, width_px: int, height_px: int) -> None:
        self._image = Image.new("RGBA", (width_px, height_px), (0, 0, 0, 0))

    def panel(self, box: Box, radius_px: int, fill: Colour) -> None:
        """A rounded rectangle with smooth corners. `box` = left, top, right, bottom."""
        self._under_mask(_rounded(box, radius_px), box, Image.new(
            "RGBA", (box[2] - box[0], box[3] - box[1]), fill))

    def shadow(self, box: Box, radius_px: int, blur_px: int, drop_px: int, dark: int) -> None:
        """A soft shadow of a rounded rectangle, `drop_px` below it, alpha `dark`."""
        layer = Image.new("L", self._image.size, 0)
        moved = (box[0], box[1] + drop_px, box[2], box[3] + drop_px)
        layer.paste(_rounded(moved, radius_px), (moved[0], moved[1]))
        layer = layer.filter(ImageFilter.GaussianBlur(blur_px)).point(lambda v: v * dark // 255)
        black = Image.new("RGBA", self._image.size, (24, 20, 16, 255))
        black.putalpha(layer)
        self._image.alpha_composite(black)

    def picture(self, picture: Picture, x: int, y: int, radius_px: int) -> None:
        """Place a BGRA picture with rounded corners."""
        rgba = np.ascontiguousarray(picture[..., [2, 1, 0, 3]])
        image = Image.fromarray(rgba)
        box = (x, y, x + image.width, y + image.height)
        self._under_mask(_rounded(box, radius_px), box, image)

    def text(
        self, text: str, kind: Type, x: int, y: int, fill: Colour, anchor: str = "ls"
    ) -> None:
        """One line of text; `y` is the baseline unless `anchor` (Pillow's) says else."""
        left, top, right, bottom = (round(edge) for edge in kind.font.getbbox(text, anchor=anchor))
        wide, high = min(right - left + 4, self._image.width * 2), bottom - top + 4
        layer = Image.new("RGBA", (wide, high), (fill[0], fill[1], fill[2], 0))
        ImageDraw.Draw(layer).text(
            (2 - left, 2 - top), text, font=kind.font, fill=fill, anchor=anchor)
        at_x, at_y = x + left - 2, y + top - 2
        source = (max(0, -at_x), max(0, -at_y))
        if source[0] < wide and source[1] < high:
            self._image.alpha_composite(layer, (max(0, at_x), max(0, at_y)), source)

    def stroke(self, points: Sequence[tuple[float, float]], width_px: float, fill: Colour) -> None:
        """A smooth line through the points (x, y), round at its ends."""
        wide, high = self._image.size
        mask = Image.new("L", (wide * _EDGE_SCALE, high * _EDGE_SCALE), 0)
        pen, thick = ImageDraw.Draw(mask), width_px * _EDGE_SCALE
        large = [(x * _EDGE_SCALE, y * _EDGE_SCALE) for x, y in points]
        pen.line(large, fill=255, width=round(thick), joint="curve")
        for x, y in (large[0], large[-1]):
            half = thick / 2
            pen.ellipse((x - half, y - half, x + half, y + half), fill=255)
        mask = mask.resize((wide, high), Image.Resampling.BOX)
        self._under_mask(mask, (0, 0, wide, high), Image.new("RGBA", (wide, high), fill))

    def rule(self, box: Box, fill: Colour) -> None:
        """A plain filled rectangle: separators and bars."""
        self._image.alpha_composite(
            Image.new("RGBA", (box[2] - box[0], box[3] - box[1]), fill), (box[0], box[1]))

    def fade_down(self, colour: Colour, alpha_top: int, alpha_bottom: int) -> None:
        """A vertical veil over the whole board, so that light text reads on any picture."""
        width, height = self._image.size
        ramp = np.linspace(0.0, 1.0, height) ** 1.6
        alpha = (alpha_top + (alpha_bottom - alpha_top) * ramp).astype(np.uint8)
        veil = np.empty((height, width, 4), np.uint8)
        veil[...] = (*colour[:3], 0)
        veil[..., 3] = alpha[:, None]
        self._image.alpha_composite(Image.fromarray(veil))

    def rgba(self) -> Picture:
        """The pixels so far, RGBA with straight alpha."""
        return np.array(self._image)

    def sprite(self) -> Sprite:
        """The finished, premultiplied sprite."""
        return sprite_from_rgba(self.rgba())

    def _under_mask(self, mask: Image.Image, box: Box, image: Image.Image) -> None:
        image = image.copy()
        image.putalpha(ImageChops.multiply(image.getchannel("A"), mask))
        self._image.alpha_composite(image, (box[0], box[1]))


def font_fault(data: bytes) -> str:
    """"" when the bytes are a font that can be drawn with, else what is wrong with them."""
    if len(data) > FONT_BYTES_MAX:
        return f"it is larger than {FONT_BYTES_MAX >> 20} MB"
    try:
        kind = ImageFont.truetype(io.BytesIO(data), 40)
        kind.getmask("A1")
    except (OSError, ValueError, SyntaxError) as error:
        return f"it cannot be opened ({error})"
    return ""


def missing_glyphs(weight: str, characters: str) -> str:
    """Those of the characters that the font has no glyph for, each once, in order.

    `weight` is REGULAR, BOLD or a font's path, which is read anew.
    """
    kind = typeface(weight, 40) if weight in (REGULAR, BOLD) else Type(weight, 40)
    return "".join(c for c in dict.fromkeys(characters) if not kind.drawable(c))


def picture_fault(data: bytes) -> str:
    """"" when the whole picture can be read, else what is wrong with it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except UnidentifiedImageError:
        return "there is no picture in it"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(error)
    return ""


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) from a picture's header alone, before memory is spent on its pixels."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _rounded(box: Box, radius_px: int) -> Image.Image:
    """Coverage mask of a rounded rectangle, supersampled in the corners' favour."""
    width, height = box[2] - box[0], box[3] - box[1]
    large = Image.new("L", (width * _EDGE_SCALE, height * _EDGE_SCALE), 0)
    ImageDraw.Draw(large).rounded_rectangle(
        (0, 0, large.width - 1, large.height - 1), radius_px * _EDGE_SCALE, fill=255)
    return large.resize((width, height), Image.Resampling.BOX)
