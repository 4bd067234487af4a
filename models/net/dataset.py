"""Turns mouth renders into training pictures that fit the plate exactly, with masks and mattes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter

from models.person.picture import read_render, scaled

Floats = NDArray[np.float32]
HELD_OUT_EVERY = 12
MATCH_SIGMA = 14.0 / 256


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


class Matcher:
    """Fits renders of the bare face to the plate: they lack hair and clothes, so their light is
    matched to the plate's, and only what moved is laid over it. `plate_crop` (p, p, 3) is the
    plate at the patch, the rest picture; renders of any side are scaled to it."""

    def __init__(self, plate_crop: Floats, rest_render: Path) -> None:
        self.plate, self.side = plate_crop, plate_crop.shape[0]
        self.mask = feather_mask(self.side)
        self._part: Floats = self.mask[..., None].astype(np.float32) / np.float32(255)
        rest = self._read(rest_render)
        sigma = MATCH_SIGMA * self.side
        soft = (sigma, sigma, 0)
        self._gain = gaussian_filter(plate_crop, soft) / np.maximum(
            gaussian_filter(rest, soft), 0.02)
        self._rest = np.clip(rest * self._gain, 0, 1)

    def picture(self, render: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The training picture (3, p, p) and its matte (p, p) of one render."""
        matched = np.clip(self._read(render) * self._gain, 0, 1)
        matte = change_matte(matched, self._rest)
        shown = self.plate + matte[..., None] * self._part * (matched - self.plate)
        return (np.rint(shown.transpose(2, 0, 1) * 255).astype(np.uint8),
                np.rint(matte * 255).astype(np.uint8))

    def _read(self, path: Path) -> Floats:
        return scaled(read_render(path)[0], self.side)


def load(folders: list[Path], codes: list[Floats], plate_crop: Floats) -> Pictures:
    """Read the renders that are there and match them to the plate's crop (p, p, 3)."""
    files = [(folder / f"{i:04d}.png", c[i]) for folder, c in zip(folders, codes, strict=True)
             for i in range(len(c)) if (folder / f"{i:04d}.png").exists()]
    match = Matcher(plate_crop, folders[0] / "0000.png")
    images, mattes = zip(*(match.picture(file) for file, _ in files), strict=True)
    held_out = np.arange(len(images)) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    weight = _weight(match.side, match.mask.astype(np.float32) / np.float32(255))
    return Pictures(np.array(images), np.array(mattes), np.array([c for _, c in files], np.float32),
                    plate_crop.transpose(2, 0, 1).astype(np.float32), match.mask, weight, held_out)


def video(folder: Path, frames: int, plate_crop: Floats, rest_render: Path
          ) -> NDArray[np.uint8]:
    """(frames, 3, p, p): the true pictures of a rendered sentence, matched to the plate."""
    match = Matcher(plate_crop, rest_render)
    return np.array([match.picture(folder / f"{i:04d}.png")[0] for i in range(frames)])


def change_matte(picture: Floats, rest: Floats) -> Floats:
    """0..1 per pixel: where the picture differs from the rest, grown and softened."""
    k = picture.shape[0] / 256
    change = gaussian_filter(np.abs(picture - rest).max(-1), 1.5 * k)
    grown = maximum_filter(np.clip((change - 0.006) / 0.02, 0, 1), size=round(9 * k))
    return np.asarray(gaussian_filter(grown, 5 * k), np.float32)


def _weight(side: int, mask: Floats) -> Floats:
    """What an error costs: the lips and the teeth most, the faded border least."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    lips = np.exp(-(((x - 0.5) / 0.26) ** 4) - ((y - 0.43) / 0.20) ** 4)
    weight = 0.15 + mask * (0.85 + 2.2 * lips)
    return np.asarray(weight / weight.mean(), np.float32)
