"""QR codes and labels: for the terminal, as PNG and as SVG. The only importer of segno here."""

from __future__ import annotations

import html
import io
from pathlib import Path

import segno

from ota.errors import Refused
from ota.files import write_durable

QUIET_MODULES = 4
LABEL_MODULE_PX = 8
LONG_CHARS = 300
_TEXT_PX = 34


def terminal_qr(text: str) -> str:
    """Half-block characters, dark on light whatever the terminal's colours."""
    out = io.StringIO()
    _code(text).terminal(out=out, border=2, compact=True)
    return out.getvalue()


def write_qr(text: str, path: Path) -> None:
    """Write a PNG or SVG by the path's ending. Raises Refused for another ending."""
    kind = path.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg"):
        raise Refused(f"{path} must end in .png or .svg.")
    out = io.BytesIO()
    _code(text).save(out, kind=kind, scale=8, border=QUIET_MODULES)
    write_durable(path.absolute(), out.getvalue())


def label_svg(title: str, lines: tuple[str, ...], code: str) -> str:
    """A label: the QR on the left, a title and lines on the right; prints at any size."""
    matrix = _code(code)
    side = matrix.symbol_size(scale=LABEL_MODULE_PX, border=QUIET_MODULES)[0]
    out = io.BytesIO()
    matrix.save(
        out, kind="svg", scale=LABEL_MODULE_PX, border=QUIET_MODULES, xmldecl=False, svgns=False
    )
    width = side + 24 + _TEXT_PX * max(len(text) for text in (title, *lines)) * 2 // 3
    height = max(side, _TEXT_PX * (2 * len(lines) + 3))
    texts = "".join(
        f'<text x="{side + 8}" y="{_TEXT_PX * 2 * row + _TEXT_PX * 2}" '
        f'font-size="{_TEXT_PX if row else _TEXT_PX + 8}" '
        f'font-weight="{400 if row else 700}">{html.escape(text)}</text>'
        for row, text in enumerate((title, *lines))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="Noto Sans CJK SC, sans-serif">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
        f"{out.getvalue().decode()}{texts}</svg>\n"
    )


def _code(text: str) -> segno.QRCode:
    # A ticket is long: fewer, larger modules read better from a screen than more redundancy.
    level = "l" if len(text) > LONG_CHARS else "m"
    try:
        return segno.make(text, error=level, boost_error=False, micro=False)
    except segno.DataOverflowError as error:
        raise Refused("This is too long for a QR code.") from error
