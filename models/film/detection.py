"""Where faces are: anchors, overlapping boxes, turned squares. Pure; MediaPipe's parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
INPUT_PX = 128
# (cells a side, anchors a cell) of the short range detector's two maps.
MAPS = ((16, 2), (8, 6))
SCORE_MIN = 0.5
OVERLAP_MAX = 0.3
# How much of a face's surroundings the landmark network sees.
MARGIN = 1.5
# Shares of the other face's area: what overlaps so much is the same face seen twice.
SAME_FACE = 0.5


@dataclass(frozen=True)
class Found:
    """A detected face: box (x0, y0, x1, y1), the eyes (2, 2), both in pixels; score 0..1."""

    box: Floats
    eyes: Floats
    score: float


@dataclass(frozen=True)
class Square:
    """A turned square in a picture: middle (x, y) and side in pixels, angle in radians."""

    x: float
    y: float
    side: float
    angle: float

    def to_picture(self, out_px: int) -> Floats:
        """(2, 3): pixel of the out_px x out_px crop -> pixel of the picture."""
        scale = self.side / out_px
        c, s = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        half = out_px / 2
        return np.array([[c, -s, self.x - c * half + s * half],
                         [s, c, self.y - s * half - c * half]], np.float32)


def anchors() -> Floats:
    """(896, 2) middles of the anchors, 0..1."""
    rows = []
    for cells, each in MAPS:
        middle = (np.arange(cells) + 0.5) / cells
        x, y = np.meshgrid(middle, middle)
        grid = np.stack([x.ravel(), y.ravel()], 1)
        rows.append(np.repeat(grid, each, axis=0))
    return np.concatenate(rows).astype(np.float32)


def decode(regressors: Floats, logits: Floats) -> list[Found]:
    """Faces of one run: regressors (896, 16), logits (896,); coordinates 0..1 of the input."""
    scores = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
    kept = np.flatnonzero(scores >= SCORE_MIN)
    middle = anchors()[kept]
    values = regressors[kept] / np.float32(INPUT_PX)
    centre, size = values[:, :2] + middle, values[:, 2:4]
    eyes = values[:, 4:8].reshape(-1, 2, 2) + middle[:, None]
    corners = np.concatenate([centre - size / 2, centre + size / 2], 1)
    found = [Found(box, e, float(s)) for box, e, s in zip(corners, eyes, scores[kept], strict=True)]
    return averaged(found)


def averaged(found: list[Found]) -> list[Found]:
    """One face for every heap of overlapping ones: their mean, weighted by score."""
    rest = sorted(found, key=lambda f: -f.score)
    result = []
    while rest:
        heap = [f for f in rest if overlap(rest[0].box, f.box) > OVERLAP_MAX] or [rest[0]]
        weight = np.array([f.score for f in heap], np.float32) / sum(f.score for f in heap)
        result.append(Found(np.einsum("i,ij->j", weight, np.array([f.box for f in heap])),
                            np.einsum("i,ijk->jk", weight, np.array([f.eyes for f in heap])),
                            heap[0].score))
        rest = [f for f in rest if not any(f is h for h in heap)]
    return result


def overlap(a: Floats, b: Floats) -> float:
    """Common area over joint area of two boxes (x0, y0, x1, y1)."""
    common = _common(a, b)
    return common / max(_area(a) + _area(b) - common, 1e-9)


def same_face(a: Floats, b: Floats) -> bool:
    """Whether two boxes are one face, even when one is much larger."""
    return _common(a, b) > SAME_FACE * min(_area(a), _area(b))


def _common(a: Floats, b: Floats) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    return float(np.prod(np.maximum(sides, 0)))


def _area(box: Floats) -> float:
    return float(np.prod(np.maximum(box[2:] - box[:2], 0)))


def windows(width: int, height: int) -> list[tuple[float, float, float]]:
    """Squares (x, y, side) to look at: the whole picture, and in a long one also squares of its
    short side, half over each other, so that a face of a portrait is not seen too small."""
    long, short = max(width, height), min(width, height)
    whole = ((width - long) / 2, (height - long) / 2, float(long))
    if long < 1.3 * short:
        return [whole]
    count = int(np.ceil((long - short) / (short / 2))) + 1
    starts = np.linspace(0, long - short, count)
    return [whole, *((float(s), 0.0, float(short)) if width > height else
                     (0.0, float(s), float(short)) for s in starts)]


def around_eyes(found: Found) -> Square:
    """Where the landmark network must look for a detected face."""
    right, left = found.eyes
    angle = np.arctan2(left[1] - right[1], left[0] - right[0])
    x, y = (found.box[:2] + found.box[2:]) / 2
    return Square(float(x), float(y), float(np.max(found.box[2:] - found.box[:2]) * MARGIN),
                  float(angle))


def around_points(points: Floats, right_eye: int, left_eye: int) -> Square:
    """Where to look for a face whose landmarks (n, 2) are known, roughly."""
    across = points[left_eye] - points[right_eye]
    angle = float(np.arctan2(across[1], across[0]))
    turned = points @ _turn(angle)
    low, high = turned.min(0), turned.max(0)
    x, y = _turn(angle) @ ((low + high) / 2)
    return Square(float(x), float(y), float(np.max(high - low) * MARGIN), angle)


def part_matrix(points: Floats, right: int, left: int, members: list[int], out_px: int) -> Floats:
    """(2, 3) from an out_px crop around a part of the face (1.5 times its box, turned with the
    line from point `right` to `left`) to the space of `points`."""
    across = points[left] - points[right]
    angle = float(np.arctan2(across[1], across[0]))
    turned = points[members] @ _turn(angle)
    low, high = turned.min(0), turned.max(0)
    middle = _turn(angle) @ ((low + high) / 2)
    linear = _turn(angle) * ((high - low) * MARGIN / out_px)
    shift = middle - linear @ np.full(2, out_px / 2)
    return np.concatenate([linear, shift[:, None]], 1).astype(np.float32)


def sample(features: Floats, matrix: Floats, out_px: int) -> Floats:
    """(out, out, c) bilinear samples of features (h, w, c) at the middles of the crop's cells;
    outside is 0."""
    grid = np.stack(np.meshgrid(np.arange(out_px), np.arange(out_px)), -1) + 0.5
    place = grid @ matrix[:, :2].T + matrix[:, 2] - 0.5
    high, wide = features.shape[:2]
    inside = np.asarray(((place >= 0) & (place <= (wide - 1, high - 1))).all(-1))
    low = np.clip(np.floor(place).astype(int), 0, (wide - 1, high - 1))
    more = np.minimum(low + 1, (wide - 1, high - 1))
    part = (place - low)[..., None, :].astype(np.float32)
    px, py = part[..., 0], part[..., 1]
    (x0, y0), (x1, y1) = np.moveaxis(low, -1, 0), np.moveaxis(more, -1, 0)
    upper = features[y0, x0] * (1 - px) + features[y0, x1] * px
    lower = features[y1, x0] * (1 - px) + features[y1, x1] * px
    result: Floats = np.where(inside[..., None], upper * (1 - py) + lower * py, 0)
    return result.astype(np.float32)


def _turn(angle: float) -> Floats:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]], np.float32)
