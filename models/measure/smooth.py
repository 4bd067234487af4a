"""Banding: does INT8 draw smooth skin in steps that FP32 does not?"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.measure.pictures import Bytes, mouth_of

Booleans = NDArray[np.bool_]
# Skin counts as smooth where its grey changes by less than this from pixel to pixel (0..255).
SMOOTH_STEP = 2.5
STEPS_MAX = 8


@dataclass(frozen=True)
class Smoothness:
    """levels: distinct values a channel shows in smooth skin; flat_share: neighbouring pixels that
    are exactly equal; steps: histogram (STEPS_MAX + 1,) of the size of steps, summing to 1."""

    levels: float
    flat_share: float
    steps: NDArray[np.float64]


def smooth_skin(pictures: Bytes, mask: Bytes) -> Booleans:
    """(p, p): cheeks and chin, where the renderer draws and all (n, 3, p, p) are smooth."""
    grey = pictures.astype(np.float32).mean(1)
    worst = np.zeros(grey.shape[1:], np.float32)
    for picture in grey:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.5)
        across, down = cv2.Sobel(soft, -1, 1, 0) / 8, cv2.Sobel(soft, -1, 0, 1) / 8
        worst = np.maximum(worst, np.hypot(across, down).astype(np.float32))
    smooth = (worst < SMOOTH_STEP) & (mask > 128)
    kept = cv2.erode(smooth.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    lips = np.asarray(mouth_of(kept))
    lips[lips.shape[0] // 4 : -lips.shape[0] // 4, lips.shape[1] // 5 : -lips.shape[1] // 5] = False
    return np.asarray(kept, np.bool_)


def smoothness(pictures: Bytes, where: Booleans) -> Smoothness:
    """Of (n, 3, p, p) pictures inside `where`; `where` must hold at least a few pixels."""
    levels, flat, steps = [], [], np.zeros(STEPS_MAX + 1)
    across, down = where[:, 1:] & where[:, :-1], where[1:] & where[:-1]
    for picture in pictures:
        for channel in picture.astype(np.int16):
            levels.append(len(np.unique(channel[where])))
            change = np.concatenate([np.abs(np.diff(channel, axis=1))[across],
                                     np.abs(np.diff(channel, axis=0))[down]])
            flat.append(float((change == 0).mean()) if len(change) else 0.0)
            steps += np.bincount(np.minimum(change, STEPS_MAX), minlength=STEPS_MAX + 1)
    return Smoothness(float(np.mean(levels)), float(np.mean(flat)), steps / max(steps.sum(), 1))


def banding(full: Bytes, small: Bytes, mask: Bytes) -> dict[str, float]:
    """How INT8 pictures differ from FP32's (both (n, 3, p, p)) in smooth skin. levels_kept below
    1 and a flat share above FP32's mean bands; step_distance is how much of the histogram of
    steps moved (0..1)."""
    where = smooth_skin(full, mask)
    if where.sum() < 64:
        return {"skin_px": int(where.sum())}
    a, b = smoothness(full, where), smoothness(small, where)
    return {
        "skin_px": int(where.sum()),
        "levels_kept": round(b.levels / max(a.levels, 1), 4),
        "flat_share_fp32": round(a.flat_share, 4), "flat_share_int8": round(b.flat_share, 4),
        "step_distance": round(float(np.abs(a.steps - b.steps).sum() / 2), 4),
        "difference_max": int(np.abs(full.astype(np.int16) - small)[..., where].max()),
    }
