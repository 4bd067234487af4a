"""The rule that everything can be drawn: pictures, the theme's fonts, every character, QR codes.

Apart from the other rules because it needs the drawing libraries, which a box's agent does not
load: the player leaves out what cannot be drawn and says so.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from device.programme.file_rule import pictures
from device.programme.load import ASSET_BYTES_MAX, inside, read_file
from device.programme.positions import Path
from device.programme.problems import Fault
from device.programme.rules import Checked
from device.programme.variables import declared, is_typed
from device.render.cards import QR_SIDE, SIDE_QR
from device.render.linebreak import typeset
from device.render.pixels import IMAGE_SIDE_PX_MAX
from device.render.qr import module_px
from device.render.text import (
    BOLD,
    REGULAR,
    font_fault,
    missing_glyphs,
    picture_fault,
    picture_size,
)
from ota.errors import Refused

MODULE_PX_MIN, MODULE_PX_GOOD = 2, 3
GLYPHS_NAMED = 8


def drawing(checked: Checked) -> Iterator[Fault]:
    """What cannot be drawn, and what will be left out of the picture."""
    yield from _pictures(checked)
    yield from _fonts(checked)
    yield from _characters(checked)
    side = SIDE_QR if checked.programme.theme.card == "side" else QR_SIDE
    for product in checked.programme.products:
        if product.qr:
            yield from _qr(product.qr, side, checked.path(product, "qr"))


def _pictures(checked: Checked) -> Iterator[Fault]:
    for path, name in pictures(checked):
        data = _bytes(checked, name)
        if data is None:
            continue
        size = picture_size(data)
        if size is not None and max(size) > IMAGE_SIDE_PX_MAX:
            yield Fault(
                path,
                f"图片“{name}”太大({size[0]}×{size[1]},每边最多 {IMAGE_SIDE_PX_MAX} 像素)",
                f'the picture "{name}" is too large ({size[0]}x{size[1]}, at most '
                f"{IMAGE_SIDE_PX_MAX} px a side); save a smaller one",
            )
        elif fault := picture_fault(data):
            yield Fault(
                path,
                f"图片“{name}”损坏,无法完整读取,请重新导出",
                f'the picture "{name}" is broken ({fault}); export it again',
            )


def _fonts(checked: Checked) -> Iterator[Fault]:
    theme = checked.programme.theme
    used = "".join(text for _, text in shown_texts(checked))
    wanted = "".join(c for c in used if not c.isspace() and not _is_sign(c))
    for field, name in (("font", theme.font), ("bold_font", theme.bold_font)):
        data = _bytes(checked, name) if name else None
        if name is None or data is None or checked.folder is None:
            continue
        path: Path = ("theme", field)
        if fault := font_fault(data):
            yield Fault(path, f"字体“{name}”无法使用", f'the font "{name}" cannot be used: {fault}')
        elif absent := missing_glyphs(str(inside(checked.folder, name)), wanted):
            shown = absent[:GLYPHS_NAMED] + ("…" if len(absent) > GLYPHS_NAMED else "")
            yield Fault(
                path,
                f"字体“{name}”缺少 {len(absent)} 个要用的字:{shown}",
                f'the font "{name}" lacks {len(absent)} of the characters that are shown: {shown}',
            )


def _characters(checked: Checked) -> Iterator[Fault]:
    """Characters that no type can draw: signs are left out, letters would leave holes."""
    theme = checked.programme.theme
    texts = list(shown_texts(checked))
    every = "".join(text for _, text in texts)
    absent = set(missing_glyphs(REGULAR, every) + missing_glyphs(BOLD, every))
    for path, text in texts:
        lost = "".join(c for c in dict.fromkeys(text) if c in absent)
        letters = "".join(c for c in lost if not _is_sign(c))
        if letters and not (theme.font or theme.bold_font):
            yield Fault(
                path,
                f"内置字体没有这些字:{letters[:GLYPHS_NAMED]};请在 theme.font 里放一个有它们的字体",
                f"the built-in type cannot draw {letters[:GLYPHS_NAMED]}; "
                "name a font that can in theme.font",
            )
        elif lost != letters:
            signs = "".join(c for c in lost if _is_sign(c) and c not in "\u200d\ufe0e\ufe0f")
            yield Fault(
                path,
                f"这些符号不会显示:{signs[:GLYPHS_NAMED]}",
                f"these signs are left out of the picture: {signs[:GLYPHS_NAMED]}",
                "warning",
            )


def shown_texts(checked: Checked) -> Iterator[tuple[Path, str]]:
    """(path, text) of everything that is written on the screen."""
    programme = checked.programme
    for product in programme.products:
        for field in ("name", "unit", "note"):
            for language, text in (getattr(product, field) or {}).items():
                yield checked.path(product, field, language), text
        if product.price:
            yield checked.path(product, "price"), product.price
    for item in programme.spoken():
        for language, text in item.say.items():
            yield checked.path(item, "say", language), typeset(text)
    for segment in programme.segments:
        for language, text in (segment.notice or {}).items():
            yield checked.path(segment, "notice", language), typeset(text)
    for language, text in (programme.theme.brand or {}).items():
        yield ("theme", "brand", language), text
    for name, value in programme.variables.items():
        path: Path = ("variables", name)
        found = declared(value)
        texts = found.default if found is not None else None
        path = (*path, "default") if is_typed(value) else path
        for language, text in (texts.items() if isinstance(texts, dict) else [("", texts or "")]):
            yield (*path, *([language] if language else [])), text


def _qr(content: str, side_px: int, path: Path) -> Iterator[Fault]:
    each_px = module_px(content, side_px)
    if each_px < MODULE_PX_MIN:
        yield Fault(
            path,
            f"二维码内容太长({len(content)} 个字),手机扫不出来,请用短链接",
            f"the QR content is too long to be scanned ({len(content)} characters); "
            "use a short link",
        )
    elif each_px < MODULE_PX_GOOD:
        yield Fault(
            path,
            "二维码很密,只能近处扫描;短链接更好",
            "the QR code is dense and scans from near only; a short link is better",
            "warning",
        )


def _bytes(checked: Checked, name: str) -> bytes | None:
    """The file's bytes; None where another rule speaks of it already."""
    if checked.folder is None:
        return None
    try:
        return read_file(checked.folder, name, ASSET_BYTES_MAX)
    except Refused:
        return None


def _is_sign(character: str) -> bool:
    """No letter, number or punctuation: emoji, joiners, private characters."""
    return unicodedata.category(character) in ("So", "Sk", "Cf", "Mn", "Me", "Co", "Cn", "Cc")
