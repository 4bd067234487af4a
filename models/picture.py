"""Pictures as arrays: reading renders, the one colour grade, masks and crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
SATURATION, CONTRAST, WARMTH = 1.14, 0.16, (1.022, 1.0, 0.978)


def grade(rgb: Floats) -> Floats:
    """The look of every picture of the avatar, on display RGB 0..1: AgX comes out grey on skin, so
    a soft S-curve, more saturation and a little warmth. Pure, so crops and plate stay equal."""
    curved = rgb + CONTRAST * (rgb - 0.5) * 4 * rgb * (1 - rgb)
    grey = curved @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    vivid = grey[..., None] + SATURATION * (curved - grey[..., None])
    result: Floats = np.clip(vivid * np.array(WARMTH, np.float32), 0, 1)
    return result


def read_render(path: Path, graded: bool = True) -> tuple[Floats, Floats]:
    """RGB (h, w, 3) and alpha (h, w) in 0..1 of a 16-bit RGBA render, not premultiplied."""
    import imageio.v3 as imageio

    pixels = imageio.imread(path)
    values = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    rgb = grade(values[..., :3]) if graded else values[..., :3]
    return rgb, values[..., 3]


def write_png(path: Path, rgb: Floats) -> None:
    """Write 0..1 RGB or grey as 8 bit."""
    Image.fromarray(np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)).save(path)
