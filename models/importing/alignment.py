"""Where a network's face crop lies in each frame, and which part of it may be redrawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.render.layouts import ULTRALIGHT_BORDER_PX, Layout
from models.film.landmarks import CHIN_TIP, EYE_CORNERS, NOSE_TIP, OVAL, STABLE
from ota.errors import Refused

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

CHEEK_RIGHT, CHEEK_LEFT = 234, 454
BETWEEN_EYES, NOSE_END = 168, 4
LIP_UPPER, LIP_LOWER = 13, 14
# Wav2Lip crops a detector's box and some pixels below the chin.
CHIN_ROOM = 0.05
# Ultralight's box begins a third down the bridge of the nose and is as high as the face is wide.
BRIDGE_SHARE = 1 / 3
# Landmarks tremble by less than a pixel; heads do not turn within two frames.
SMOOTH_FRAMES = 0.8
# The mask, in shares of the patch: in from the jaw, down from the chin, soft by.
JAW_IN, CHIN_DOWN, SOFT, BORDER = 0.93, 0.05, 0.035, 0.05
OUTSIDE_MAX = 0.10
CROP_FINER_MAX = 4


@dataclass(frozen=True)
class Alignment:
    """matrix (n, 2, 3) float32 from patch to frame pixels; mask (p, p) uint8; head_box (n, 4)."""

    matrix: Floats
    mask: Picture
    head_box: NDArray[np.int32]


def opening(points: Floats) -> Floats:
    """How far the lips are apart, in shares of the eyes' distance; points (n, 468, 2)."""
    gap = np.linalg.norm(points[:, LIP_UPPER] - points[:, LIP_LOWER], axis=-1)
    eyes = np.linalg.norm(points[:, EYE_CORNERS[0]] - points[:, EYE_CORNERS[-1]], axis=-1)
    return np.asarray(gap / np.maximum(eyes, 1e-3), np.float32)


def align(points: Floats, size: tuple[int, int], layout: Layout) -> Alignment:
    """From the face's points (n, 468, 2) in frames of `size` (w, h).

    Raises Refused when the crop would hang out of the picture.
    """
    tracked = points.astype(np.float64)
    mean, motion = _mean_face(tracked)
    patch = _patch_on(mean, layout)
    matrix = np.stack([_after(each, patch) for each in motion])
    _check_inside(matrix, size, layout.side_px)
    mask = _mask((np.linalg.inv(_square(patch)) @ _lifted(mean).T).T[:, :2], layout.side_px)
    low, high = tracked.min(axis=1), tracked.max(axis=1)
    grown = 0.15 * (high - low)
    head = np.hstack([low - grown, high - low + 2 * grown])
    return Alignment(matrix.astype(np.float32), mask, np.rint(head).astype(np.int32))


def crop_of(rgb: Picture, matrix: Floats, side_px: int) -> Picture:
    """The patch (side, side, 3) under `matrix`, in the colour order of `rgb`, area-filtered."""
    import cv2

    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2].astype(np.float64)))))
    finer = max(1, min(CROP_FINER_MAX, round(scale)))
    place = matrix.astype(np.float64).copy()
    place[:, :2] /= finer
    place[:, 2] += place[:, :2] @ np.full(2, 0.5 - 0.5 * finer)
    large = cv2.warpAffine(rgb, place, (side_px * finer,) * 2,
                           flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                           borderMode=cv2.BORDER_REPLICATE)
    if finer > 1:
        large = cv2.resize(large, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(large, np.uint8)


def _mean_face(points: Doubles) -> tuple[Doubles, Doubles]:
    """The upright mean face (468, 2), and (n, 2, 3) similarities from it to each frame."""
    steady = list(STABLE)
    middle = np.median(points[:, steady], axis=0)
    first = int(np.argmin(np.abs(points[:, steady] - middle).sum(axis=(1, 2))))
    to_frames = np.stack([similarity(points[first, steady], each[steady]) for each in points])
    back = np.linalg.inv(np.stack([_square(each) for each in to_frames]))
    in_first = np.einsum("nij,nkj->nki", back, _lifted(points))[..., :2]
    mean = np.median(in_first, axis=0)
    line = mean[EYE_CORNERS[-1]] - mean[EYE_CORNERS[0]]
    angle = float(np.arctan2(line[1], line[0]))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = mean[steady].mean(axis=0)
    upright = (mean - centre) @ turn.T + centre
    motion = np.stack([similarity(upright[steady], each[steady]) for each in points])
    return upright, _smoothed(motion)


def similarity(source: Doubles, target: Doubles) -> Doubles:
    """(2, 3) rotation, one scale and shift from `source` to `target` (k, 2), least squares."""
    a, b = source - source.mean(axis=0), target - target.mean(axis=0)
    power = max(float((a * a).sum()), 1e-9)
    cos = float((a * b).sum()) / power
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / power
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.hstack([turn, (target.mean(axis=0) - turn @ source.mean(axis=0))[:, None]])


def _smoothed(motion: Doubles) -> Doubles:
    """A short Gaussian over time; the ends are mirrored."""
    reach = 3
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SMOOTH_FRAMES) ** 2)
    padded = np.pad(motion, ((reach, reach), (0, 0), (0, 0)), mode="edge")
    return np.asarray(sum(tap * padded[i : i + len(motion)] for i, tap in enumerate(taps))
                      / taps.sum())


def _patch_on(mean: Doubles, layout: Layout) -> Doubles:
    """(2, 3) from patch pixels to the mean face: the crop the network was trained on."""
    if layout.kind == "wav2lip":
        low, high = mean[list(OVAL)].min(axis=0), mean[list(OVAL)].max(axis=0)
        high[1] += CHIN_ROOM * (high[1] - low[1])
        return _box(low, (high - low) / layout.side_px, 0)
    left, right = mean[CHEEK_RIGHT, 0], mean[CHEEK_LEFT, 0]
    top = mean[BETWEEN_EYES, 1] + BRIDGE_SHARE * (mean[NOSE_END, 1] - mean[BETWEEN_EYES, 1])
    whole_px = layout.side_px + 2 * ULTRALIGHT_BORDER_PX
    step = (right - left) / whole_px
    return _box(np.array([left, top]), np.array([step, step]), ULTRALIGHT_BORDER_PX)


def _box(corner: Doubles, step: Doubles, border_px: int) -> Doubles:
    """Pixel (x, y) of the patch at corner + (x + border + 1/2) * step, middles at whole numbers."""
    return np.hstack([np.diag(step), (corner + (border_px + 0.5) * step - 0.5)[:, None]])


def _mask(face: Doubles, side: int) -> Picture:
    """The feather: below the nose's tip, within the jaw, a little below the chin."""
    import cv2

    middle = face[[CHEEK_RIGHT, CHEEK_LEFT]].mean(axis=0)
    chin = face[CHIN_TIP, 1]
    ring = face[list(OVAL)].copy()
    ring[:, 0] = middle[0] + (ring[:, 0] - middle[0]) * JAW_IN
    lower = np.clip((ring[:, 1] - face[NOSE_TIP, 1]) / max(1.0, chin - face[NOSE_TIP, 1]), 0, 1)
    ring[:, 1] += CHIN_DOWN * side * lower
    shape = np.zeros((side, side), np.uint8)
    cv2.fillPoly(shape, [np.rint(ring).astype(np.int32)], 255)
    shape[: max(0, round(float(face[NOSE_TIP, 1]) + SOFT * side))] = 0
    soft = cv2.GaussianBlur(shape, (0, 0), SOFT * side).astype(np.float32)
    edge = np.minimum(np.arange(side), np.arange(side)[::-1]) / (BORDER * side)
    ramp = np.clip(edge, 0, 1)
    return np.asarray(np.rint(soft * ramp[:, None] * ramp[None, :]), np.uint8)


def _check_inside(matrix: Doubles, size: tuple[int, int], side: int) -> None:
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]], np.float64)
    spots = np.einsum("nij,kj->nki", matrix, corners)
    room = OUTSIDE_MAX * float(np.ptp(spots[0, :, 1]))
    if (spots < -room).any() or (spots > np.array(size) + room).any():
        raise Refused("The face comes too near to the edge of the picture for the network's crop; "
                      "film it with some room around, or crop the video less.")


def _square(affine: Doubles) -> Doubles:
    return np.vstack([affine, [0.0, 0.0, 1.0]])


def _lifted(points: Doubles) -> Doubles:
    return np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1)


def _after(outer: Doubles, inner: Doubles) -> Doubles:
    return np.asarray((_square(outer) @ _square(inner))[:2])
