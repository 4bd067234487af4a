"""Makes pictures of moves: every frame is one smooth warp of the plate, 2.5D.

Over the whole head the warp is an exact similarity, so that the mouth patch fits every frame
through one matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from models.person.character import Box
from models.person.moves import Moves, at_scale

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layers:
    """The plate's foreground (h, w, 4) premultiplied; eye pictures (eh, ew, 3) at `eyes_box`,
    `open` being the plate's own; backdrop (h, w, 3); `arms`: foregrounds of raised arms, each
    premultiplied (ah, aw, 4) at `arm_box`. Boxes are in this picture's pixels; `scale` is its
    size against 1080 x 1920."""

    foreground: Floats
    eyes: dict[str, Floats]
    backdrop: Floats
    eyes_box: Box
    scale: float = 1.0
    arms: list[Floats] = field(default_factory=list)
    arm_box: Box = (0, 0, 0, 0)


def head_weight(width: int, height: int, scale: float = 1.0) -> Floats:
    """1 where a pixel moves with the head, 0 where with the body; smooth across the neck."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / np.float32(scale)
    # Below the chin only the neck is the head's: shoulders are far from the middle.
    depth = y + np.maximum(np.abs(x - 540) - 165, 0) * np.clip((y - 870) / 120, 0, 1) * 0.9
    ramp = np.clip((1108 - depth) / 160, 0, 1)
    result: Floats = ramp * ramp * (3 - 2 * ramp)
    return result


def frames(layers: Layers, moves: Moves) -> Iterator[NDArray[np.uint8]]:
    """The clip's RGB pictures, in order."""
    height, width = layers.foreground.shape[:2]
    scale = layers.scale
    weight = head_weight(width, height, scale)
    x, y = np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]
    swell = [f * scale * (1 - weight) for f in _breath_field(x / scale, y / scale)]
    soft = _eye_feather(layers.eyes_box, scale)
    heads, bodies = at_scale(moves.head, scale), at_scale(moves.body, scale)
    for i in range(len(moves)):
        picture = dressed(layers, moves.eyes[i], moves.arm[i], soft)
        by_body = cv2.invertAffineTransform(bodies[i]).astype(np.float32)
        by_head = cv2.invertAffineTransform(heads[i]).astype(np.float32) - by_body
        breath = moves.breath[i] + 1  # the plate itself is at the end of a breath
        # Where each pixel comes from: with the body, and `weight` of the head's difference to it.
        source = [
            weight * _plane(by_head[row], x, y) - breath * swell[row]
            + _plane(by_body[row], x, y) for row in (0, 1)]
        warped = cv2.remap(picture, source[0], source[1], cv2.INTER_CUBIC,
                           borderMode=cv2.BORDER_REPLICATE)
        shown = warped[..., :3] + layers.backdrop * (1 - warped[..., 3:])
        yield np.asarray(np.clip(shown * 255 + 0.5, 0, 255), np.uint8)


def dressed(layers: Layers, eyes: dict[str, float], arm: int, soft: Floats) -> Floats:
    """The foreground with its eyes replaced by the mixed eye pictures, and an arm raised."""
    if not eyes and arm < 0:
        return layers.foreground
    picture = layers.foreground.copy()
    if arm >= 0:
        x, y, w, h = layers.arm_box
        picture[y : y + h, x : x + w] = layers.arms[arm]
    if eyes:
        x, y, w, h = layers.eyes_box
        mixed = layers.eyes["open"] * (1 - sum(eyes.values()))
        for name, share in eyes.items():
            mixed = mixed + layers.eyes[name] * share
        picture[y : y + h, x : x + w, :3] += (mixed - layers.eyes["open"]) * soft
    return picture


def _plane(row: Floats, x: Floats, y: Floats) -> Floats:
    """a x + b y + c over a row x and a column y."""
    result: Floats = row[0] * x + (row[1] * y + row[2])
    return result


def _breath_field(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """1080p pixels that the chest and shoulders move from rest to half a breath."""
    chest = np.exp(-(((y - 1250) / 260) ** 2))
    wide = (x - 540) / 400 * 2.0 * chest
    up = -2.4 * np.exp(-(((y - 1080) / 230) ** 2)) + 0 * x
    return wide.astype(np.float32), up.astype(np.float32)


def _eye_feather(box: Box, scale: float) -> Floats:
    """(eh, ew, 1): 1 inside the eye box, 0 at its edges."""
    width, height = box[2:]
    inside = np.zeros((height, width), np.float32)
    rows, columns = round(16 * scale), round(18 * scale)
    inside[rows:-rows, columns:-columns] = 1
    return np.asarray(cv2.GaussianBlur(inside, (0, 0), 6 * scale)[..., None], np.float32)
