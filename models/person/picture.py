"""Pictures as arrays: reading renders, the one colour grade, masks and crops."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ota.errors import Refused

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


def scaled(picture: Floats, side: int) -> Floats:
    """A square picture (h, h, 3) at another side; averaged where it gets smaller."""
    return resized(picture, side, side)


def resized(picture: Floats, width: int, height: int) -> Floats:
    """(h, w, c) at another size: averaged where it gets smaller, sharp where larger."""
    if picture.shape[:2] == (height, width):
        return picture
    way = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=way), np.float32)


def read_render(path: Path, graded: bool = True) -> tuple[Floats, Floats]:
    """RGB (h, w, 3) and alpha (h, w) in 0..1 of a 16-bit RGBA render, not premultiplied."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4:
        raise Refused(f"{path} is no finished render; delete it and run the same command again.")
    values: Floats = np.asarray(pixels, np.float32)
    values /= 65535.0 if pixels.dtype == np.uint16 else 255.0
    rgb = np.ascontiguousarray(values[..., 2::-1])
    return grade(rgb) if graded else rgb, values[..., 3]
