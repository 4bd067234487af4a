"""Reads the renders of the person and puts her plate together: foreground, eyes, backdrop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from models.person import lin
from models.person.backdrop import out_of_focus
from models.person.idle import Layers
from models.person.picture import read_render

Floats = NDArray[np.float32]
FOCUS_PX = 15.0


def layers(folder: Path) -> Layers:
    """The layers of the idle loop from a hero folder (plate, eyes_*, backdrop)."""
    rgb, alpha = read_render(folder / "plate.png")
    # Strands thinner than a pixel leave grains in the alpha, which the denoiser does not touch.
    edge = gaussian_filter(alpha, 0.7)
    alpha = np.where(alpha > 0.995, np.maximum(edge, 0.0), edge)
    eyes = {p.stem[5:]: read_render(p)[0] for p in sorted(folder.glob("eyes_*.png"))}
    x, y, w, h = lin.EYES_BOX
    eyes["open"] = rgb[y : y + h, x : x + w]
    eyes["blink100"] = without_blue(eyes["blink100"])
    foreground = np.dstack([rgb * alpha[..., None], alpha]).astype(np.float32)
    return Layers(foreground, eyes, backdrop(folder / "backdrop.png"))


def without_blue(closed: Floats) -> Floats:
    """Closed lids with the skin's colour where the white of the eye shines through their corners:
    pixels that are not clearly redder than blue are filled from their neighbours."""
    fault = np.clip((closed[..., 2] - closed[..., 0] + 0.10) / 0.06, 0, 1)
    fault *= np.clip((closed.mean(-1) - 0.22) / 0.1, 0, 1)  # lashes and the lid line stay
    fault = np.clip(gaussian_filter(fault, 1.5) * 2, 0, 1)[..., None]
    good = 1 - fault
    around = gaussian_filter(closed * good, (5, 5, 0)) / (gaussian_filter(good, (5, 5, 0)) + 1e-3)
    return np.asarray(closed * good + around * fault, np.float32)


def backdrop(path: Path) -> Floats:
    """The shop, out of focus, darker towards the edges, at the picture's size."""
    rgb, _ = read_render(path)
    # The view transform whitens what is very bright; lanterns stay the colour of their paper.
    bright = np.clip((rgb.min(-1, keepdims=True) - 0.62) / 0.15, 0, 1)
    blurred = out_of_focus(rgb * (1 - bright * np.array([0, 0.13, 0.38], np.float32)), FOCUS_PX)
    width, height = lin.SIZE_PX
    channels = [np.asarray(Image.fromarray(blurred[..., c], mode="F").resize(
        (width, height), Image.Resampling.BICUBIC)) for c in range(3)]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot((x - width / 2) / (0.75 * width), (y - 0.42 * height) / (0.72 * height))
    shade = 1 - 0.38 * np.clip(far, 0, 1.2) ** 2
    return np.asarray(np.clip(np.dstack(channels) * shade[..., None], 0, 1), np.float32)
