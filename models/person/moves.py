"""How a person moves, as numbers: idle beats that all begin and end in one pose, and gestures.

Every beat and every gesture starts and ends at the same pose without velocity: a player may join
them in any order and nothing jumps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.person.character import Box

Floats = NDArray[np.float32]
Grid = NDArray[np.float64]
FPS = 25
# One breath a beat, 21 a minute; a gesture waits for the next beat, 2.9 s at most.
BEAT, BEATS = 72, 7
FRAMES = BEAT * BEATS
JOINS = tuple(range(0, FRAMES, BEAT))
# Per beat: head turn (degrees), nod, sway (px), nearness (1/1000), lean (degrees): as (out and
# back, there and across), each on sin^2, so that they end where they began.
_BEATS: tuple[tuple[tuple[float, float], ...], ...] = (
    ((0.55, 0.30), (2.2, -0.8), (3.4, 1.2), (2.6, 0.0), (0.10, 0.05)),
    ((-0.35, 0.60), (-1.2, 1.4), (-2.2, 2.8), (-1.2, 1.5), (-0.06, 0.10)),
    ((-0.85, 0.10), (2.8, 0.6), (-4.4, -0.6), (3.4, -0.8), (-0.16, 0.0)),
    ((0.20, -0.55), (-0.8, -1.6), (1.4, -3.0), (1.2, 1.2), (0.04, -0.10)),
    ((0.90, -0.20), (1.6, 1.0), (4.6, 0.8), (-1.8, 0.6), (0.17, 0.03)),
    ((-0.60, -0.35), (3.2, -0.4), (-3.0, -1.6), (4.0, 0.0), (-0.10, -0.06)),
    ((0.15, 0.45), (-1.4, 0.8), (0.9, 2.4), (-1.4, -1.2), (0.02, 0.08)),
)
BLINK = ("blink35", "blink70", "blink100", "blink100", "blink70", "blink70", "blink35")
BLINKS_AT = (34, 108, 120, 193, 262, 335, 402, 468)
# (picture, from frame, to frame, frames to fade): glances start and end under a blink's shadow.
GLANCES = (("gaze_left", 111, 139, 3), ("gaze_right", 265, 282, 3), ("gaze_left", 405, 427, 3))
# Pivots: the top of the spine, and where they stand (px of the 1080 x 1920 picture).
NECK_PX, FEET_PX = (540.0, 930.0), (540.0, 2150.0)


@dataclass(frozen=True)
class Moves:
    """One clip: similarities of head and body (n, 2, 3) in 1080p pixels, the breath (n,) -1..1,
    the eye pictures' weights a frame, and which arm picture is worn (-1: the arms hang)."""

    head: Grid
    body: Grid
    breath: Floats
    eyes: list[dict[str, float]]
    arm: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.head)


def idle() -> Moves:
    """The idle loop: BEATS breaths, each with a little motion of its own."""
    u = np.arange(BEAT) / BEAT
    out, across = np.sin(np.pi * u) ** 2, np.sin(np.pi * u) ** 2 * np.sin(2 * np.pi * u)
    turn, nod, sway, near, lean = (
        np.concatenate([a * out + b * across for a, b in (beat[k] for beat in _BEATS)])
        for k in range(5))
    breath = np.tile(_breath(u), BEATS)
    head, body = _similarities(turn, nod - 1.3 * (breath + 1), sway, 1 + near / 1000, lean)
    return Moves(head, body, breath.astype(np.float32), [_eyes_at(i) for i in range(FRAMES)],
                 [-1] * FRAMES)


def _breath(u: Grid) -> Grid:
    """Breath over one beat: in from the rest at -1, slower out."""
    return np.asarray(-np.cos(2 * np.pi * u**0.92))


def _eyes_at(frame: int) -> dict[str, float]:
    """Weights of the eye pictures at an idle frame; they sum to at most 1, the rest is `open`."""
    for start in BLINKS_AT:
        if 0 <= frame - start < len(BLINK):
            return {BLINK[frame - start]: 1.0}
    for name, first, last, fade in GLANCES:
        if first <= frame < last:
            share = min((frame - first + 1) / fade, (last - frame) / fade, 1.0)
            return {name: share * share * (3 - 2 * share)}
    return {}


def gesture(arm: list[int], turn: float, nod: float, sway: float, lean: float, near: float,
            gaze: str | None, blink_at: int) -> Moves:
    """A gesture's clip from its arm pictures: the head goes along (degrees, px, 1/1000) while the
    arm is up, eyes follow after a blink, and all is as before at the end."""
    n = len(arm)
    up = np.array([0.0 if a < 0 else 1.0 for a in arm])
    u = np.arange(n) / n
    hold = np.clip(np.minimum(np.arange(n), n - 1 - np.arange(n)) / 17, 0, 1)
    hold = hold * hold * (3 - 2 * hold) * (up.max() > 0)
    beats = max(1, round(n / BEAT))
    breath = np.asarray(-np.cos(2 * np.pi * beats * u))
    head, body = _similarities(turn * hold, nod * hold - 1.3 * (breath + 1), sway * hold,
                               1 + near * hold / 1000, lean * hold)
    return Moves(head, body, breath.astype(np.float32),
                 [_gesture_eyes(i, n, gaze, blink_at) for i in range(n)], arm)


def _gesture_eyes(frame: int, frames: int, gaze: str | None, blink_at: int) -> dict[str, float]:
    back = frames - blink_at - len(BLINK)
    for start in (blink_at, back) if gaze else (blink_at,):
        if 0 <= frame - start < len(BLINK):
            return {BLINK[frame - start]: 1.0}
    return {gaze: 1.0} if gaze and blink_at < frame < back else {}


def _similarities(turn: Grid, nod: Grid, sway: Grid, size: Grid, lean: Grid) -> tuple[Grid, Grid]:
    """Head and body (n, 2, 3): the body leans about the feet, the head turns on it."""
    body = np.stack([_similarity(FEET_PX, a, 1.0, 0, 0) for a in lean])
    own = np.stack([_similarity(NECK_PX, a, s, x, y) for a, s, x, y
                    in zip(turn, size, sway, nod, strict=True)])
    return np.stack([_chain(b, o) for b, o in zip(body, own, strict=True)]), body


def _similarity(pivot: tuple[float, float], degrees: float, size: float, dx: float, dy: float
                ) -> Grid:
    """Turn and scale about the pivot, then move; pixels."""
    c, s = size * np.cos(np.radians(degrees)), size * np.sin(np.radians(degrees))
    x, y = pivot
    return np.array([[c, -s, x - c * x + s * y + dx], [s, c, y - s * x - c * y + dy]])


def _chain(outer: Grid, inner: Grid) -> Grid:
    lift = np.array([0.0, 0.0, 1.0])
    return np.asarray((np.vstack([outer, lift]) @ np.vstack([inner, lift]))[:2])


def at_scale(similarities: Grid, scale: float) -> Grid:
    """The same motion in a picture `scale` times as large."""
    result = similarities.copy()
    result[:, :, 2] *= scale
    return result


def patch_matrices(head: Grid, mouth_box: Box, patch_px: int, scale: float = 1.0) -> Floats:
    """(n, 2, 3): patch pixel to base frame pixel, from the head's similarities at 1080p."""
    x, y, side, _ = mouth_box
    k = side / patch_px
    place = np.array([[k, 0, x], [0, k, y]])
    return np.stack([_chain(h, place) * scale for h in head]).astype(np.float32)


def head_boxes(head: Grid, head_box: Box, scale: float = 1.0) -> NDArray[np.int32]:
    """(n, 4) x, y, w, h of the head in each frame."""
    x, y, w, h = head_box
    moved = (head @ np.array([x + w / 2, y + h / 2, 1.0]) - (w / 2, h / 2)) * scale
    size = np.rint(np.array([w, h]) * scale)
    return np.column_stack([np.rint(moved), np.tile(size, (len(head), 1))]).astype(np.int32)
