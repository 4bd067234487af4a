"""Turns mouth renders into training pictures that fit the plate exactly, with masks and mattes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from models.person.picture import read_render

Floats = NDArray[np.float32]
HELD_OUT_EVERY = 12
MATCH_SIGMA_PX = 14.0


@dataclass(frozen=True)
class Pictures:
    """images (n, 3, p, p) uint8, mattes (n, p, p) uint8, codes (n, K), rest (3, p, p) 0..1,
    mask (p, p) uint8, weight (p, p), held_out (n,) bool."""

    images: NDArray[np.uint8]
    mattes: NDArray[np.uint8]
    codes: Floats
    rest: Floats
    mask: NDArray[np.uint8]
    weight: Floats
    held_out: NDArray[np.bool_]


def feather_mask(side: int) -> NDArray[np.uint8]:
    """Where the mouth patch may change the picture: a rounded box that fades at its edges."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    across = np.abs(x - 0.5) / 0.47
    up, down = np.clip((0.50 - y) / 0.455, 0, None), np.clip((y - 0.50) / 0.47, 0, None)
    distance = (across**4 + (up + down) ** 4) ** 0.25
    ramp = np.clip((1 - distance) / 0.16, 0, 1)
    return np.asarray(np.rint(255 * ramp * ramp * (3 - 2 * ramp)), np.uint8)


def load(folders: list[Path], codes: list[Floats], plate_crop: Floats) -> Pictures:
    """Read the renders that are there. `plate_crop` (p, p, 3) is the hero plate at the patch: the
    rest picture. Renders lack hair and clothes, so their light is matched to the plate's."""
    files = [(folder / f"{i:04d}.png", c[i]) for folder, c in zip(folders, codes, strict=True)
             for i in range(len(c)) if (folder / f"{i:04d}.png").exists()]
    rest_render, _ = read_render(folders[0] / "0000.png")
    soft = (MATCH_SIGMA_PX, MATCH_SIGMA_PX, 0)
    gain = gaussian_filter(plate_crop, soft) / np.maximum(gaussian_filter(rest_render, soft), 0.02)
    side = plate_crop.shape[0]
    mask = feather_mask(side)
    part: Floats = mask[..., None].astype(np.float32) / np.float32(255)
    images, mattes, kept = [], [], []
    for file, code in files:
        render, _ = read_render(file)
        matched = np.clip(render * gain, 0, 1)
        matte = change_matte(matched, np.clip(rest_render * gain, 0, 1))
        shown = plate_crop + matte[..., None] * part * (matched - plate_crop)
        images.append(np.rint(shown.transpose(2, 0, 1) * 255).astype(np.uint8))
        mattes.append(np.rint(matte * 255).astype(np.uint8))
        kept.append(code)
    held_out = np.arange(len(images)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    return Pictures(np.array(images), np.array(mattes), np.array(kept, np.float32),
                    plate_crop.transpose(2, 0, 1).astype(np.float32), mask,
                    _weight(side, part[..., 0]), held_out)


def change_matte(picture: Floats, rest: Floats) -> Floats:
    """0..1 per pixel: where the picture differs from the rest, grown and softened."""
    change = gaussian_filter(np.abs(picture - rest).max(-1), 1.5)
    grown = maximum_filter(np.clip((change - 0.006) / 0.02, 0, 1), size=9)
    return np.asarray(gaussian_filter(grown, 5), np.float32)


def _weight(side: int, mask: Floats) -> Floats:
    """What an error costs: the lips and the teeth most, the faded border least."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    lips = np.exp(-(((x - 0.5) / 0.26) ** 4) - ((y - 0.43) / 0.20) ** 4)
    weight = 0.15 + mask * (0.85 + 2.2 * lips)
    return np.asarray(weight / weight.mean(), np.float32)
