"""The training pictures out of the film: the mouth cut out of chosen frames, all of one light."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]
Flags = NDArray[np.bool_]
GAIN_MAX = 1.25
REST_PICTURES = 41
# What differs from the rest no more than the rest from itself is noise of the camera.
NOISE_FLOOR, NOISE_TIMES, FULL_CHANGE = 0.006, 1.6, 0.025


@dataclass(frozen=True)
class Light:
    """Per colour channel, what the border of a patch has: mean (3,) of RGB 0..1."""

    mean: Floats


def crop(frame: Picture, matrix: Floats, side_px: int) -> Picture:
    """(side, side, 3): the patch of a frame (h, w, 3); matrix (2, 3) patch pixel -> frame pixel."""
    import cv2

    zoom = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    more = max(1, round(zoom))
    wide = matrix.copy()
    wide[:, :2] /= more
    wide[:, 2] -= matrix[:, :2] @ np.full(2, (1 - 1 / more) / 2, np.float32)
    cut = cv2.warpAffine(frame, wide, (side_px * more,) * 2, borderMode=cv2.BORDER_REPLICATE,
                         flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    if more > 1:
        cut = cv2.resize(cut, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(cut, np.uint8)


def ring(side: int) -> Flags:
    """(side, side): the cheeks beside the mouth and the skin under the nose, near the patch's
    border, where speaking changes least and light shows. The lower edge is left out: it may be
    collar or neck."""
    y, x = np.mgrid[:side, :side] / side
    across = np.abs(x - 0.5)
    return np.asarray((across > 0.36) & (across < 0.47) & (y > 0.08) & (y < 0.62))


def light_of(picture: Picture, where: Flags) -> Light:
    """The light on a patch (p, p, 3)."""
    return Light(picture[where].astype(np.float32).mean(0) / np.float32(255))


def gain_to(light: Light, wanted: Light) -> Floats:
    """(3,) factors that bring a picture of `light` to `wanted`, within reason."""
    gain = wanted.mean / np.maximum(light.mean, 0.02)
    return np.clip(gain, 1 / GAIN_MAX, GAIN_MAX).astype(np.float32)


def in_light(picture: Picture, gain: Floats) -> Picture:
    """The picture times the gain (3,)."""
    return np.asarray(np.clip(np.rint(picture.astype(np.float32) * gain), 0, 255), np.uint8)


def cut_out(frames: Iterable[tuple[int, Picture]], wanted: NDArray[np.int64], matrices: Floats,
            side_px: int, done: Callable[[int], None]) -> Picture:
    """(len(wanted), p, p, 3) patches of the wanted frames, in their order (ascending)."""
    pictures = np.zeros((len(wanted), side_px, side_px, 3), np.uint8)
    place = {int(number): i for i, number in enumerate(wanted)}
    last = int(wanted.max(initial=-1))
    for number, frame in frames:
        if number in place:
            pictures[place[number]] = crop(frame, matrices[number], side_px)
            done(number)
        if number >= last:
            break
    return pictures


def lit_alike(pictures: Picture, wanted: Light) -> Picture:
    """All patches (n, p, p, 3) brought to one light by their borders; in place."""
    where = ring(pictures.shape[1])
    for i, picture in enumerate(pictures):
        pictures[i] = in_light(picture, gain_to(light_of(picture, where), wanted))
    return pictures


def rest_picture(pictures: Picture, codes: Floats) -> Picture:
    """(p, p, 3) median of the patches whose codes are nearest to the rest."""
    order = np.argsort(np.abs(codes).max(1), kind="stable")[:REST_PICTURES]
    return np.asarray(np.median(pictures[order], axis=0), np.uint8)


def noise_of(pictures: Picture, codes: Floats, rest: Picture) -> float:
    """How much (0..1) the pixels of a resting mouth differ from the rest picture."""
    order = np.argsort(np.abs(codes).max(1), kind="stable")[:REST_PICTURES]
    return float(np.quantile([_change(p, rest) for p in pictures[order][::4]], 0.9))


def matte(picture: Picture, rest: Picture, noise: float) -> Floats:
    """(p, p) 0..1: where the picture differs from the rest by more than noise; grown, softened."""
    import cv2

    floor = max(NOISE_FLOOR, NOISE_TIMES * noise)
    change = np.clip((_change(picture, rest) - floor) / FULL_CHANGE, 0, 1)
    side = len(picture)
    reach = max(3, round(side * 9 / 256) | 1)
    grown = cv2.dilate(change, np.ones((reach, reach), np.uint8))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), side * 5 / 256), np.float32)


def _change(picture: Picture, rest: Picture) -> Floats:
    import cv2

    difference = np.abs(picture.astype(np.float32) - rest).max(-1) / np.float32(255)
    return np.asarray(cv2.GaussianBlur(difference, (0, 0), len(picture) * 1.5 / 256), np.float32)


def importance(mask: Picture) -> Floats:
    """(p, p) what an error costs in training: the lips and the teeth most, the faded border
    least; the mean is 1."""
    side = len(mask)
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    lips = np.exp(-(((x - 0.5) / 0.28) ** 4) - ((y - 0.45) / 0.22) ** 4)
    weight = 0.15 + mask.astype(np.float32) / 255 * (0.85 + 2.2 * lips)
    return np.asarray(weight / weight.mean(), np.float32)
