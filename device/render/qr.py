"""QR codes as pictures. The only importer of segno."""

from __future__ import annotations

import numpy as np
import segno

from device.render.pixels import Picture
from ota.errors import Refused

QUIET_MODULES = 2
CONTENT_CHARACTERS_MAX = 512


def qr_picture(content: str, side_px: int, dark: tuple[int, int, int]) -> Picture:
    """A QR (error correction M) as BGRA of about `side_px`, whole pixels per module.

    `dark` is BGR. Raises Refused when the content is too long to scan from a metre away.
    """
    if len(content) > CONTENT_CHARACTERS_MAX:
        raise Refused(
            f"A QR code of {len(content)} characters cannot be scanned; use a short link.")
    code = segno.make(content, error="m", micro=False)
    modules = np.array([list(row) for row in code.matrix], np.uint8)
    modules = np.pad(modules, QUIET_MODULES)
    pixels_each = max(1, side_px // modules.shape[0])
    large = np.kron(modules, np.ones((pixels_each, pixels_each), np.uint8))
    picture = np.full((*large.shape, 4), 255, np.uint8)
    picture[large != 0, :3] = dark
    return picture
