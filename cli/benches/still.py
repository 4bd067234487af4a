"""What a renderer does in silence: the base video's own motion in the mouth box, no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device.render.baseloop import BaseLoop
from device.render.bundle import Bundle
from device.render.compose import Compositor, Overlay
from device.render.mouth import Floats, Mouth
from device.render.pixels import Picture, premultiplied_patch

SILENCE_S = 10
RATE_HZ = 16000
# A quiet room: not digital zero, and no speech.
ROOM_LEVEL = 10 ** (-66 / 20)


@dataclass(frozen=True)
class Rest:
    """Grey levels in the mouth box over `frames` of silence: what the renderer added to the base
    (largest and mean), and what the base video itself moves from frame to frame (mean)."""

    frames: int
    added_max: float
    added_mean: float
    base_motion: float
    composed_motion: float


def rest_motion(bundle: Bundle, mouth: Mouth, frames: int | None = None) -> Rest:
    """Mouth and compositor on ten seconds of silence over the idle video, as the player does it;
    `frames` shortens it."""
    codes = mouth.codes(silence())[:frames]
    compositor = Compositor(*bundle.manifest.size, bundle.manifest.size)
    wide, high = bundle.manifest.size
    composed, plain = (np.zeros((high, wide, 4), np.uint8) for _ in range(2))
    added: list[tuple[float, float]] = []
    motion: list[tuple[float, float]] = []
    before: tuple[Picture, Picture] | None = None
    with BaseLoop(bundle.base_path, bundle.manifest.base.frames) as base:
        for code in codes:
            index, planes = base.take()
            matrix = bundle.track.matrix[index]
            at_rest = np.array_equal(code, mouth.rest)
            patch = None if at_rest else premultiplied_patch(mouth.patch(code))
            compositor.frame(composed, planes, patch, matrix, Overlay())
            compositor.base(plain, planes)
            box = mouth_box(matrix, bundle.manifest.patch, bundle.manifest.size)
            now = cut(composed, box), cut(plain, box)
            difference = np.abs(now[0].astype(np.int16) - now[1])
            added.append((float(difference.max()), float(difference.mean())))
            if before is not None and before[0].shape == now[0].shape:
                motion.append((change(before[1], now[1]), change(before[0], now[0])))
            before = now
    return Rest(
        len(codes), max(a for a, _ in added), float(np.mean([a for _, a in added])),
        float(np.mean([m for m, _ in motion])), float(np.mean([m for _, m in motion])))


def silence() -> Floats:
    """(n,) sound at 16 kHz: five seconds of nothing, five of a quiet room."""
    samples = np.zeros(SILENCE_S * RATE_HZ, np.float32)
    half = len(samples) // 2
    samples[half:] = np.random.default_rng(3).normal(0, ROOM_LEVEL, len(samples) - half)
    return samples


def mouth_box(
    matrix: NDArray[np.float32], side: int, size: Sequence[int]
) -> tuple[int, int, int, int]:
    """The upright box (left, top, right, bottom) of a patch in a frame of `size` (w, h)."""
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]], np.float32)
    spots = corners @ matrix.T
    left, top = np.floor(spots.min(axis=0)).astype(int)
    right, bottom = np.ceil(spots.max(axis=0)).astype(int)
    return max(0, int(left)), max(0, int(top)), min(size[0], int(right)), min(size[1], int(bottom))


def cut(picture: Picture, box: tuple[int, int, int, int]) -> Picture:
    """A copy of the colours inside the box."""
    left, top, right, bottom = box
    return picture[top:bottom, left:right, :3].copy()


def change(before: Picture, after: Picture) -> float:
    """Mean absolute difference, grey levels."""
    return float(np.abs(after.astype(np.int16) - before).mean())
