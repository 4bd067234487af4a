"""A film of a shop's door as a camera above the screen sees it: who comes, who passes by."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from device.render.video import write_base

FPS, SECONDS, EMPTY_S = 6, 12, 4
WIDTH_PX, HEIGHT_PX = 160, 120
STORIES = ("comes", "passes", "lights")


def write_walk(path: Path, story: str) -> Path:
    """Write one of STORIES. The shop is empty for EMPTY_S seconds."""
    chance = np.random.default_rng(5)
    spots = chance.integers(0, 255, (HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    shop = cv2.normalize(cv2.GaussianBlur(spots, (0, 0), 5), spots, 60, 190, cv2.NORM_MINMAX)
    frames = []
    for number in range(FPS * SECONDS):
        picture = shop.copy()
        _draw(picture, story, number / FPS - EMPTY_S)
        noise = chance.normal(0, 3, picture.shape)
        frames.append(np.clip(picture + noise, 0, 255).astype(np.uint8))
    write_base(path, frames, FPS)
    return path


def _draw(picture: np.ndarray, story: str, at_s: float) -> None:
    if at_s < 0:
        return
    if story == "lights":
        picture[:] = np.clip(picture.astype(np.int16) + 60, 0, 255).astype(np.uint8)
        return
    # Comes: three seconds from the door to the screen, then stands there. Passes: walks across.
    near = min(1.0, at_s / 3) if story == "comes" else 0.25
    x = 80 if story == "comes" else round(-15 + at_s * 48)
    if at_s > 7 or (story == "passes" and x > 175):
        return
    high = round(35 + 95 * near)
    sway = round(2 * np.sin(at_s * 7))
    top = 30 - round(15 * near)
    head = round(high * 0.09)
    cv2.ellipse(picture, (x + sway, top + high // 2 + head), (round(high * 0.16), high // 2),
                0, 0, 360, (52, 44, 120), -1)
    cv2.circle(picture, (x + sway, top + head), head, (150, 170, 215), -1)
