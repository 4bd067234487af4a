"""A programme's theme as the look that everything is drawn in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from device.programme.load import inside, read_file
from device.programme.schema import Theme
from device.render.cards import Look
from device.render.text import FONT_BYTES_MAX, font_fault
from ota.errors import Refused


def theme_look(look: Look, theme: Theme, folder: Path) -> Look:
    """The look with a theme's colours, card and fonts; a font that will not do is left out."""
    colours = theme.colours
    plain = _font(folder, theme.font or theme.bold_font)
    bold = _font(folder, theme.bold_font or theme.font)
    return replace(
        look, background=_rgb(colours.background), text=_rgb(colours.text),
        accent=_rgb(colours.accent), side_card=theme.card == "side",
        regular=plain or look.regular, bold=bold or look.bold)


def _font(folder: Path, name: str | None) -> str | None:
    """The font's path; None when there is none, or it cannot be opened."""
    if name is None:
        return None
    try:
        data = read_file(folder, name, FONT_BYTES_MAX)
        return None if font_fault(data) else str(inside(folder, name).absolute())
    except Refused:
        return None


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
