"""Mouth codes out of lip and chin points: how far open, and how else it differs from the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.film.align import smoothed
from models.film.landmarks import (
    CHIN,
    LIP_LOWER_EDGE,
    LIP_UPPER_EDGE,
    LIPS_INNER,
    LIPS_OUTER,
    MOUTH_LEFT,
    MOUTH_RIGHT,
)  # fmt: skip

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]
SHAPE = (*LIPS_OUTER, *LIPS_INNER, *CHIN)
COMPONENTS = 5
SMOOTH_FRAMES = 5
# The widest mouth of the video is here on each number's scale; the box clips at 1.1.
FULL, FULL_QUANTILE = 0.9, 0.99
REST_FRAMES_MIN = 10
WEAK = 0.3
# Inner lips this near at rest, in mouth widths, touch (the points tremble by about as much).
SHUT_GAP_MAX = 0.03


@dataclass(frozen=True)
class Mouths:
    """What makes points a code: rest_gap, opening_scale, rest (m, 2), slope (m, 2) shape per
    opening, axes (C, m, 2), scales (C, 2) for each axis's negative and positive side."""

    rest_gap: float
    opening_scale: float
    rest: Doubles
    slope: Doubles
    axes: Doubles
    scales: Doubles

    @property
    def names(self) -> list[str]:
        """open, then two numbers an axis: what lies on its one side, and on its other."""
        return ["open", *(f"shape{i}{side}" for i in range(1, len(self.axes) + 1)
                          for side in ("+", "-"))]


def lips_of(rest_gap: float) -> dict[str, dict[str, float]]:
    """What avatar.json says of the lips: shut is the opening of the rest, if it was shut there.

    Nothing for a mouth that rests open, nor for f and v: nobody has named those frames.
    """
    return {"closed": {"open": 0.0}} if rest_gap <= SHUT_GAP_MAX else {}


def gaps(still: Doubles) -> Doubles:
    """(n,) height between the inner lips in mouth widths; still (n, 468, 2) unmoved points."""
    upper = still[:, list(LIP_UPPER_EDGE)].mean(1)
    lower = still[:, list(LIP_LOWER_EDGE)].mean(1)
    return np.asarray(np.maximum(lower[:, 1] - upper[:, 1], 0) / mouth_width(still))


def mouth_width(still: Doubles) -> float:
    """The median distance of the mouth's corners."""
    across = still[:, MOUTH_LEFT] - still[:, MOUTH_RIGHT]
    return float(np.median(np.hypot(across[:, 0], across[:, 1])))


def rest_frames(gap: Doubles, quiet: Flags) -> Flags:
    """Which frames show the mouth at rest: shut, while nobody speaks; where there are too few,
    those that are shut most."""
    shut = gap <= np.quantile(gap, 0.05) + 0.15 * (np.quantile(gap, 0.95) - np.quantile(gap, 0.05))
    if int((shut & quiet).sum()) >= REST_FRAMES_MIN:
        return np.asarray(shut & quiet)
    return np.asarray(gap <= np.sort(gap)[min(len(gap) - 1, REST_FRAMES_MIN)])


def learn(still: Doubles, rest: Flags, used: Flags) -> Mouths:
    """The person's own scale of mouths from unmoved points (n, 468, 2) of the `used` frames.

    The residual's principal axes are taken about the rest and not about the mean, so that the
    rest is zero in every number. An axis counts in both its directions apart: codes are >= 0.
    """
    gap, shape = gaps(still), shapes(still)
    at_rest = np.median(shape[rest], axis=0)
    rest_gap = float(np.median(gap[rest]))
    opening_scale = max(float(np.quantile(gap[used] - rest_gap, FULL_QUANTILE)) / FULL, 1e-3)
    opening = np.maximum(gap - rest_gap, 0) / opening_scale
    moved = (shape - at_rest)[used]
    o = opening[used]
    slope = np.einsum("n,nmi->mi", o, moved) / max(float((o**2).sum()), 1e-9)
    left = (moved - o[:, None, None] * slope).reshape(len(moved), -1)
    _, _, axes = np.linalg.svd(left, full_matrices=False)
    axes = axes[:COMPONENTS]
    # A fixed sign, so that the same video gives the same codes everywhere.
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    along = left @ axes.T
    scales = np.stack([np.quantile(np.maximum(side * along, 0), FULL_QUANTILE, axis=0) / FULL
                       for side in (1, -1)], 1)
    # What hardly occurs is not blown up to full scale: it would be mostly tremble.
    scales = np.maximum(scales, WEAK * scales.max())
    return Mouths(rest_gap, opening_scale, at_rest, slope, axes.reshape(-1, len(SHAPE), 2),
                  np.maximum(scales, 1e-6))


def shapes(still: Doubles) -> Doubles:
    """(n, m, 2) lip and chin points in mouth widths."""
    return np.asarray(still[:, list(SHAPE)] / mouth_width(still))


def encode(mouths: Mouths, still: Doubles) -> Floats:
    """(n, 1 + 2 C) codes >= 0 of unmoved points (n, 468, 2); the rest is all zeros."""
    calm = smoothed(still, SMOOTH_FRAMES) if len(still) >= SMOOTH_FRAMES else still
    opening = np.maximum(gaps(calm) - mouths.rest_gap, 0) / mouths.opening_scale
    moved = shapes(calm) - mouths.rest
    left = moved - opening[:, None, None] * mouths.slope
    along = np.einsum("nmi,cmi->nc", left, mouths.axes)
    sides = np.stack([np.maximum(along, 0), np.maximum(-along, 0)], -1) / mouths.scales
    codes = np.concatenate([opening[:, None], sides.reshape(len(sides), -1)], 1)
    return np.asarray(np.clip(codes, 0, 1.1), np.float32)


def spread_out(codes: Floats, count: int) -> NDArray[np.int64]:
    """Indices of `count` codes (all when there are fewer): first the one nearest to the rest, then
    always the farthest from all before; the opening counts double."""
    if len(codes) <= count:
        return np.arange(len(codes))
    weighted = codes * np.array([2.0] + [1.0] * (codes.shape[1] - 1), np.float32)
    chosen = [int(np.abs(weighted).sum(1).argmin())]
    nearest = np.linalg.norm(weighted - weighted[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(weighted - weighted[chosen[-1]], axis=1))
    return np.sort(np.array(chosen))
