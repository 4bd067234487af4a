"""QR codes as pictures. The only importer of segno."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import segno

from device.render.pixels import Picture
from ota.errors import Refused

QUIET_MODULES = 2
CONTENT_CHARACTERS_MAX = 512


def qr_picture(content: str, side_px: int, dark: tuple[int, int, int]) -> Picture:
    """A QR (error correction M) as BGRA of about `side_px`, whole pixels per module.

    `dark` is BGR. Raises Refused when the content is too long for codes of that size.
    """
    modules = _modules(content)
    pixels_each = side_px // modules.shape[0]
    if pixels_each < 1:
        raise Refused(
            f"A QR code of {len(content)} characters cannot be scanned; use a short link.")
    large = np.kron(modules, np.ones((pixels_each, pixels_each), np.uint8))
    picture = np.full((*large.shape, 4), 255, np.uint8)
    picture[large != 0, :3] = dark
    return picture


def module_px(content: str, side_px: int) -> int:
    """How many pixels a module of the code gets; 0 when the content is too long."""
    try:
        return side_px // int(_modules(content).shape[0])
    except Refused:
        return 0


def _modules(content: str) -> npt.NDArray[np.uint8]:
    if len(content) > CONTENT_CHARACTERS_MAX:
        raise Refused(
            f"A QR code of {len(content)} characters cannot be scanned; use a short link.")
    code = segno.make(content, error="m", micro=False)
    modules = np.array([list(row) for row in code.matrix], np.uint8)
    return np.pad(modules, QUIET_MODULES)
