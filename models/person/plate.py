"""Reads the renders of a person and puts the layers together: foreground, eyes, backdrop, arms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter

from models.person import framing
from models.person.animation import Layers
from models.person.backdrop import out_of_focus
from models.person.character import Box, Character
from models.person.gestures import Gesture
from models.person.picture import read_render, resized

Floats = NDArray[np.float32]
FOCUS_PX = 15.0


def layers(who: Character, folder: Path) -> Layers:
    """The layers of the idle loop from a hero folder (plate, eyes_*, backdrop), at 1080p."""
    eyes = {p.stem[5:]: read_render(p)[0] for p in sorted(folder.glob("eyes_*.png"))}
    x, y, w, h = who.eyes_box
    eyes["open"] = read_render(folder / "plate.png")[0][y : y + h, x : x + w]
    eyes["blink100"] = without_blue(eyes["blink100"])
    return Layers(foreground(who, folder), eyes,
                  backdrop(folder / "backdrop.png", framing.SIZE_PX), who.eyes_box)


def foreground(who: Character, folder: Path) -> Floats:
    """(1920, 1080, 4): the person, premultiplied by alpha."""
    rgb, alpha = read_render(folder / "plate.png")
    alpha = without_grain(alpha, 1.0)
    return np.dstack([rgb * alpha[..., None], alpha]).astype(np.float32)


def twice(who: Character, folder: Path) -> Layers:
    """The same layers at 2160 x 3840: head and eyes rendered at that size (folder/large), cloth
    and backdrop, which are soft anyway, scaled up."""
    large = folder / "large"
    person = foreground_twice(who, folder)
    eyes = {p.stem[5:]: read_render(p)[0] for p in sorted(large.glob("eyes_*.png"))}
    x, y, w, h = (2 * v for v in who.eyes_box)
    eyes["open"] = np.ascontiguousarray(person[y : y + h, x : x + w, :3])
    eyes["blink100"] = without_blue(eyes["blink100"], 2.0)
    behind = backdrop(folder / "backdrop.png", (person.shape[1], person.shape[0]))
    return Layers(person, eyes, behind, (x, y, w, h), 2.0)


def foreground_twice(who: Character, folder: Path) -> Floats:
    """(3840, 2160, 4): the person at twice the size, the head as rendered for it."""
    width, height = (2 * side for side in framing.SIZE_PX)
    person = resized(foreground(who, folder), width, height)
    rgb, alpha = read_render(folder / "large" / "head.png")
    alpha = without_grain(alpha, 1.6)
    x, y, w, h = (2 * v for v in who.head_box)
    head = np.dstack([rgb * alpha[..., None], alpha]).astype(np.float32)
    edge = box_feather(w, h, 40)[..., None]
    part = person[y : y + h, x : x + w]
    person[y : y + h, x : x + w] = part + edge * (head - part)
    return np.clip(person, 0, 1)


def with_arms(base: Layers, gesture: Gesture, folder: Path) -> Layers:
    """The layers with the arm pictures of one gesture (renders in `folder`) laid over the plate:
    only what differs from the hanging arm in the same light is replaced."""
    x, y, w, h = (round(v * base.scale) for v in gesture.box)
    plate = base.foreground[y : y + h, x : x + w]
    rest = _foreground(folder / "rest.png", (w, h))
    edge = box_feather(w, h, round(24 * base.scale), open_below=True)
    arms = []
    for number in range(len(gesture.poses)):
        raised = _foreground(folder / f"{number:04d}.png", (w, h))
        change = gaussian_filter(np.abs(raised - rest).max(-1), 1.5)
        matte = maximum_filter(np.clip((change - 0.03) / 0.05, 0, 1), size=11)
        matte = (gaussian_filter(matte, 4) * edge)[..., None]
        arms.append((plate + matte * (raised - plate)).astype(np.float32))
    return replace(base, arms=arms, arm_box=(x, y, w, h))


def _foreground(path: Path, size: tuple[int, int]) -> Floats:
    rgb, alpha = read_render(path)
    alpha = without_grain(alpha, 1.0)
    picture = np.dstack([rgb * alpha[..., None], alpha]).astype(np.float32)
    return resized(picture, *size)


def without_grain(alpha: Floats, sigma_px: float) -> Floats:
    """Strands thinner than a pixel leave grains in the alpha, which the denoiser does not touch."""
    edge = gaussian_filter(alpha, 0.7 * sigma_px)
    return np.asarray(np.where(alpha > 0.995, np.maximum(edge, 0.0), edge), np.float32)


def box_feather(width: int, height: int, edge_px: int, open_below: bool = False) -> Floats:
    """(h, w): 1 inside a box, falling to 0 over `edge_px` at its edges (not at the bottom edge of
    a box that ends with the picture, nor at the picture's side)."""
    x, y = np.arange(width), np.arange(height)
    across = np.clip(np.minimum(x + 1, width - x) / edge_px, 0, 1)
    down = np.clip((y + 1 if open_below else np.minimum(y + 1, height - y)) / edge_px, 0, 1)
    if open_below:
        across = np.ones(width)
    ramp = np.minimum(down[:, None], across[None])
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)


def without_blue(closed: Floats, scale: float = 1.0) -> Floats:
    """Closed lids with the skin's colour where the white of the eye shines through their corners:
    pixels that are not clearly redder than blue and green are filled from their neighbours."""
    blue, green = closed[..., 2] - closed[..., 0] + 0.10, closed[..., 1] - closed[..., 0] + 0.055
    fault = np.clip(np.maximum(blue / 0.06, green / 0.04), 0, 1)
    fault *= np.clip((closed.mean(-1) - 0.22) / 0.1, 0, 1)  # lashes and the lid line stay
    fault = np.clip(gaussian_filter(fault, 1.5 * scale) * 2, 0, 1)[..., None]
    good = 1 - fault
    near = (5 * scale, 5 * scale, 0)
    around = gaussian_filter(closed * good, near) / (gaussian_filter(good, near) + 1e-3)
    return np.asarray(closed * good + around * fault, np.float32)


def backdrop(path: Path, size: tuple[int, int]) -> Floats:
    """The shop, out of focus, darker towards the edges, at the picture's size."""
    rgb, _ = read_render(path)
    # The view transform whitens what is very bright; lanterns stay the colour of their paper.
    bright = np.clip((rgb.min(-1, keepdims=True) - 0.62) / 0.15, 0, 1)
    blurred = out_of_focus(rgb * (1 - bright * np.array([0, 0.13, 0.38], np.float32)), FOCUS_PX)
    width, height = size
    channels = [np.asarray(Image.fromarray(blurred[..., c], mode="F").resize(
        (width, height), Image.Resampling.BICUBIC)) for c in range(3)]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    far = np.hypot((x - width / 2) / (0.75 * width), (y - 0.42 * height) / (0.72 * height))
    shade = 1 - 0.38 * np.clip(far, 0, 1.2) ** 2
    return np.asarray(np.clip(np.dstack(channels) * shade[..., None], 0, 1), np.float32)


def mouth_crop(person: Floats, scale: int, mouth_box: Box, side: int) -> Floats:
    """(side, side, 3): the foreground where the mouth patch lies, the picture at rest."""
    x, y, w, h = (round(v * scale) for v in mouth_box)
    return resized(np.ascontiguousarray(person[y : y + h, x : x + w, :3]), side, side)
