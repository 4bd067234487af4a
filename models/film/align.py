"""Holds the head still: where the mouth patch lies in each frame. Pure; points in pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.film.landmarks import CHIN_TIP, MOUTH_LEFT, MOUTH_RIGHT, STABLE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
# The mouth's middle lies at this share of the patch's height, as in every avatar.
MOUTH_DOWN = 0.43
# The patch is at least this many mouth widths wide, and the chin of the widest open mouth is at
# most this share below the mouth.
MOUTH_WIDTHS, CHIN_DOWN = 1.95, 0.47
SMOOTH_FRAMES, SCALE_FRAMES = 7, 15


def smoothed(values: Doubles, window: int) -> Doubles:
    """Values (n, ...) filtered forward and backward alike: a parabola fitted to each window
    (Savitzky and Golay, 1964), so that nothing comes late and turning points keep their height."""
    half = window // 2
    steps = np.arange(-half, half + 1)
    kernel = np.linalg.pinv(np.vander(steps, 3, increasing=True).astype(float))[0]
    wide = [(half, half)] + [(0, 0)] * (values.ndim - 1)
    padded = np.pad(values, wide, mode="reflect", reflect_type="odd")
    return np.asarray(sum(k * padded[i : i + len(values)] for i, k in enumerate(kernel)))


def similarity(source: Doubles, target: Doubles) -> tuple[Doubles, Doubles]:
    """Best scaled rotation (n, 2, 2) and shift (n, 2) from points `source` (m, 2) to `target`
    (n, m, 2) by least squares."""
    a = source - source.mean(0)
    middle = target.mean(1)
    b = target - middle[:, None]
    along = np.einsum("mi,nmi->n", a, b)
    across = np.einsum("m,nm->n", a[:, 0], b[..., 1]) - np.einsum("m,nm->n", a[:, 1], b[..., 0])
    scale = (a**2).sum()
    c, s = along / scale, across / scale
    linear = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    return linear, middle - linear @ source.mean(0)


def steady(points: Floats) -> tuple[Doubles, Doubles]:
    """(reference (468, 2), matrix (n, 2, 3) from reference to frame) of points (n, 468, 2).

    The reference is the median face, at the size it has in the video. Scale and turn change
    slowly, so they are smoothed more than the place.
    """
    whole = points.astype(np.float64)
    middle = whole[len(whole) // 2]
    stable = list(STABLE)
    for _ in range(3):
        linear, shift = similarity(middle[stable], whole[:, stable])
        straight = np.einsum("nij,nmj->nmi", np.linalg.inv(linear), whole - shift[:, None])
        size = np.median(np.hypot(linear[:, 0, 0], linear[:, 1, 0]))
        middle = np.median(straight, axis=0) * size
    linear, shift = similarity(middle[stable], whole[:, stable])
    # The turn is about the nose, where the points are, and not about the picture's corner.
    pivot = middle[stable].mean(0)
    place = linear @ pivot + shift
    turn = smoothed(np.stack([linear[:, 0, 0], linear[:, 1, 0]], 1), SCALE_FRAMES)
    place = smoothed(place, SMOOTH_FRAMES)
    c, s = turn.T
    linear = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    shift = place - linear @ pivot
    return middle, np.concatenate([linear, shift[..., None]], -1)


def unmoved(points: Floats, matrix: Doubles) -> Doubles:
    """Points (n, m, 2) of the frames in the reference's place: without the head's motion."""
    inverse = np.linalg.inv(matrix[:, :, :2])
    return np.asarray(np.einsum("nij,nmj->nmi", inverse, points - matrix[:, None, :, 2]))


def patch_box(still: Doubles) -> tuple[float, float, float]:
    """Left, top and side, in reference pixels, of the square around the mouth; `still` are the
    unmoved points (n, 468, 2)."""
    corners = np.median(still[:, [MOUTH_RIGHT, MOUTH_LEFT]], axis=0)
    middle = corners.mean(0)
    wide = np.quantile(still[:, MOUTH_LEFT, 0] - still[:, MOUTH_RIGHT, 0], 0.98)
    down = np.quantile(still[:, CHIN_TIP, 1], 0.99) - middle[1]
    side = float(max(MOUTH_WIDTHS * wide, down / CHIN_DOWN))
    return float(middle[0] - side / 2), float(middle[1] - MOUTH_DOWN * side), side


def patch_matrices(matrix: Doubles, box: tuple[float, float, float], side_px: int) -> Floats:
    """(n, 2, 3) from pixel of the patch (side_px a side) to pixel of the frame."""
    left, top, side = box
    zoom = side / side_px
    linear = matrix[:, :, :2] * zoom
    shift = matrix[:, :, :2] @ np.array([left, top]) + matrix[:, :, 2]
    return np.concatenate([linear, shift[..., None]], -1).astype(np.float32)


def head_boxes(points: Floats) -> NDArray[np.int32]:
    """(n, 4) x, y, width, height of the head: the face and as much hair above as its third."""
    low, high = points.min(1), points.max(1)
    tall = high[:, 1] - low[:, 1]
    wide = high[:, 0] - low[:, 0]
    boxes = np.stack([low[:, 0] - 0.12 * wide, low[:, 1] - tall / 3, 1.24 * wide, tall * 4 / 3], 1)
    return np.asarray(np.rint(boxes), np.int32)
