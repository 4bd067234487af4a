"""Animates the plate into the idle loop: breathing, a swaying head, blinks and glances, seamless.

2.5D: every frame is one smooth warp of the plate, which over the whole head is an exact
similarity, so that the mouth patch fits every frame through one matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.person import lin

Floats = NDArray[np.float32]
FPS = 25
FRAMES = 400
# Blinks begin at these frames; the pictures of one blink, one a frame.
BLINKS_AT = (38, 121, 131, 214, 297, 352)
BLINK = ("blink35", "blink70", "blink100", "blink100", "blink70", "blink70", "blink35")
# (picture, from frame, to frame, frames to fade): glances start and end under a blink's shadow.
GLANCES = (("gaze_left", 124, 196, 3), ("gaze_right", 300, 336, 3))
# Pivots: the top of the spine, and where she stands.
NECK_PX, FEET_PX = (540.0, 930.0), (540.0, 2150.0)
HEAD_BOX_PX = (322, 322, 436, 600)


@dataclass(frozen=True)
class Layers:
    """The plate's foreground (h, w, 4) premultiplied; eye pictures (eh, ew, 3), `open` being the
    plate's own; backdrop (h, w, 3)."""

    foreground: Floats
    eyes: dict[str, Floats]
    backdrop: Floats


def motion(frames: int = FRAMES) -> tuple[NDArray[np.float64], NDArray[np.float64], Floats]:
    """Similarities of head and body (n, 2, 3) and the breath (n,) -1..1, all periodic."""
    t = 2 * np.pi * np.arange(frames) / frames
    breath = np.sin(4 * t) + 0.18 * np.sin(8 * t + 0.7)
    turn = 0.62 * np.sin(t + 0.3) + 0.34 * np.sin(3 * t + 1.9) + 0.16 * np.sin(5 * t + 4.0)
    nod = 2.2 * np.sin(2 * t + 1.1) + 1.0 * np.sin(5 * t + 0.2) - 1.3 * breath
    sway = 4.2 * np.sin(t + 5.1) + 1.6 * np.sin(3 * t + 0.4)
    size = 1 + 0.0042 * np.sin(2 * t + 2.6) + 0.0016 * np.sin(3 * t)
    lean = 0.16 * np.sin(t + 4.6) + 0.06 * np.sin(2 * t + 0.9)
    body = np.stack([_similarity(FEET_PX, a, 1.0, 0, 0) for a in lean])
    own = np.stack([_similarity(NECK_PX, a, s, x, y) for a, s, x, y
                    in zip(turn, size, sway, nod, strict=True)])
    head = np.stack([_chain(b, o) for b, o in zip(body, own, strict=True)])
    return head, body, breath.astype(np.float32)


def _similarity(pivot: tuple[float, float], degrees: float, size: float, dx: float, dy: float
                ) -> NDArray[np.float64]:
    """Turn and scale about the pivot, then move; pixels."""
    c, s = size * np.cos(np.radians(degrees)), size * np.sin(np.radians(degrees))
    x, y = pivot
    return np.array([[c, -s, x - c * x + s * y + dx], [s, c, y - s * x - c * y + dy]])


def _chain(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    lift = np.array([0.0, 0.0, 1.0])
    return np.asarray((np.vstack([outer, lift]) @ np.vstack([inner, lift]))[:2])


def patch_matrices(head: NDArray[np.float64]) -> Floats:
    """(n, 2, 3): patch pixel to base frame pixel, from the head's similarities."""
    x, y = lin.PATCH_AT
    shift = np.array([[1.0, 0, x], [0, 1.0, y]])
    return np.stack([_chain(h, shift) for h in head]).astype(np.float32)


def head_boxes(head: NDArray[np.float64]) -> NDArray[np.int32]:
    """(n, 4) x, y, w, h of the head in each frame."""
    x, y, w, h = HEAD_BOX_PX
    middle = np.array([x + w / 2, y + h / 2, 1.0])
    moved = head @ middle - (w / 2, h / 2)
    return np.column_stack([np.rint(moved), np.full((len(head), 2), (w, h))]).astype(np.int32)


def head_weight(width: int, height: int) -> Floats:
    """1 where a pixel moves with the head, 0 where with the body; smooth across the neck."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    # Below the chin only the neck is the head's: shoulders are far from the middle.
    depth = y + np.maximum(np.abs(x - 540) - 165, 0) * np.clip((y - 870) / 120, 0, 1) * 0.9
    ramp = np.clip((1108 - depth) / 160, 0, 1)
    result: Floats = ramp * ramp * (3 - 2 * ramp)
    return result


def eye_mix(frame: int) -> dict[str, float]:
    """Weights of the eye pictures at a frame; they sum to at most 1, the rest is `open`."""
    for start in BLINKS_AT:
        if 0 <= frame - start < len(BLINK):
            return {BLINK[frame - start]: 1.0}
    for name, first, last, fade in GLANCES:
        if first <= frame < last:
            share = min((frame - first + 1) / fade, (last - frame) / fade, 1.0)
            return {name: share * share * (3 - 2 * share)}
    return {}


def frames(layers: Layers) -> Iterator[NDArray[np.uint8]]:
    """The loop's RGB pictures, in order."""
    height, width = layers.foreground.shape[:2]
    head, body, breath = motion()
    weight = head_weight(width, height)
    x, y = np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]
    swell = [field * (1 - weight) for field in _breath_field(x, y)]
    soft = _eye_feather()
    for i in range(len(head)):
        picture = with_eyes(layers, eye_mix(i), soft)
        by_body = cv2.invertAffineTransform(body[i]).astype(np.float32)
        by_head = cv2.invertAffineTransform(head[i]).astype(np.float32) - by_body
        # Where each pixel comes from: with the body, and `weight` of the head's difference to it.
        source = [
            weight * _plane(by_head[row], x, y) - breath[i] * swell[row]
            + _plane(by_body[row], x, y) for row in (0, 1)]
        warped = cv2.remap(picture, source[0], source[1], cv2.INTER_CUBIC,
                           borderMode=cv2.BORDER_REPLICATE)
        shown = warped[..., :3] + layers.backdrop * (1 - warped[..., 3:])
        yield np.asarray(np.clip(shown * 255 + 0.5, 0, 255), np.uint8)


def _plane(row: Floats, x: Floats, y: Floats) -> Floats:
    """a x + b y + c over a row x and a column y."""
    result: Floats = row[0] * x + (row[1] * y + row[2])
    return result


def _breath_field(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Pixels that the chest and shoulders move at full breath."""
    chest = np.exp(-(((y - 1250) / 260) ** 2))
    wide = (x - 540) / 400 * 2.4 * chest
    up = -2.6 * np.exp(-(((y - 1080) / 230) ** 2)) + 0 * x
    return wide.astype(np.float32), up.astype(np.float32)


def _eye_feather() -> Floats:
    """(eh, ew, 1): 1 inside the eye box, 0 at its edges."""
    width, height = lin.EYES_BOX[2:]
    inside = np.zeros((height, width), np.float32)
    inside[16:-16, 18:-18] = 1
    return np.asarray(cv2.GaussianBlur(inside, (0, 0), 6)[..., None], np.float32)


def with_eyes(layers: Layers, mix: dict[str, float], soft: Floats) -> Floats:
    """The foreground with its eyes replaced by the mixed eye pictures."""
    if not mix:
        return layers.foreground
    x, y, w, h = lin.EYES_BOX
    eyes = layers.eyes["open"] * (1 - sum(mix.values()))
    for name, share in mix.items():
        eyes = eyes + layers.eyes[name] * share
    picture = layers.foreground.copy()
    picture[y : y + h, x : x + w, :3] += (eyes - layers.eyes["open"]) * soft
    return picture
