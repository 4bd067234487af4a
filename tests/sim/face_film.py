"""A drawn face on film, and a face tracker that finds it by the colours of its eyes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.film.landmarks import (
    CHIN_TIP,
    EYE_CORNERS,
    NOSE_BRIDGE,
    NOSE_TIP,
    OVAL,
    POINTS,
    STABLE,
    Face,
)
from models.movie import write_loop

Picture = np.ndarray
SIZE = (300, 400)
EYES_PX = 84.0
SKIN, GROUND, LIPS = (222, 180, 158), (92, 104, 120), (188, 92, 96)
RIGHT_EYE, LEFT_EYE = (20, 40, 230), (20, 200, 40)


def template() -> np.ndarray:
    """(468, 2) the face in eye distances around the point between the eyes, y down."""
    points = np.tile(np.float32([0, 0.7]), (POINTS, 1))
    turn = np.linspace(-np.pi / 2, 1.5 * np.pi, len(OVAL), endpoint=False)
    points[list(OVAL)] = np.stack([1.05 * np.cos(turn), 0.6 + 1.4 * np.sin(turn)], axis=1)
    points[list(STABLE)] = [[0.1 * (i % 3 - 1), 0.05 * (i % 4)] for i in range(len(STABLE))]
    points[list(EYE_CORNERS)] = [[-0.68, 0], [-0.32, 0], [0.32, 0], [0.68, 0]]
    points[list(NOSE_BRIDGE)] = [[0, y] for y in (0.0, 0.14, 0.28, 0.42, 0.56)]
    points[[NOSE_TIP, 4]] = [0, 0.7]
    points[13], points[14] = [0, 1.2], [0, 1.2]
    points[CHIN_TIP] = [0, 2.0]
    return points


class EyeTracker:
    """Finds every pair of a blue and a green eye."""

    def faces(self, rgb: Picture) -> list[Face]:
        """As models.film.landmarks.FaceTracker."""
        rights, lefts = (_blobs(rgb, colour) for colour in (RIGHT_EYE, LEFT_EYE))
        return [_placed(r, le) for r, le in zip(rights, lefts, strict=False)]

    def follow(self, rgb: Picture, before: Face) -> Face | None:
        """As models.film.landmarks.FaceTracker."""
        return next(iter(self.faces(rgb)), None)


def film(path: Path, frames: int = 30, faces: int = 1, closed: bool = False) -> Path:
    """A head that sways; it comes back to where it began only when `closed`."""
    turns = np.arange(frames) / frames * 2 * np.pi
    shifts = 10 * np.sin(turns) if closed else 22 * np.sin(turns / 4)
    wide = SIZE[0] * max(1, faces)
    write_loop(path, (_frame(wide, faces, float(s)) for s in shifts), 25, 12)
    return path


def mouth_box() -> tuple[slice, slice]:
    """Rows and columns where the mouth is, in every frame of the film."""
    x, y = SIZE[0] / 2, SIZE[1] * 0.4 + 1.2 * EYES_PX
    return slice(round(y - 34), round(y + 34)), slice(round(x - 40), round(x + 60))


def _frame(wide: int, faces: int, shift: float) -> Picture:
    picture = np.empty((SIZE[1], wide, 3), np.uint8)
    picture[:] = GROUND
    picture[:, ::16] = (70, 84, 100)
    for number in range(faces):
        x = SIZE[0] * (number + 0.5) + shift
        _draw(picture, np.array([x, SIZE[1] * 0.4 + shift / 6]))
    return picture


def _draw(picture: Picture, middle: np.ndarray) -> None:
    def oval(x: float, y: float, wide: float, high: float, colour: tuple[int, int, int]) -> None:
        spot = middle + np.array([x, y]) * EYES_PX
        axes = (round(wide * EYES_PX * 16), round(high * EYES_PX * 16))
        cv2.ellipse(picture, (round(spot[0] * 16), round(spot[1] * 16)), axes, 0, 0, 360, colour,
                    -1, cv2.LINE_AA, 4)

    oval(0, 0.6, 1.05, 1.4, SKIN)
    oval(-0.5, 0, 0.16, 0.12, RIGHT_EYE)
    oval(0.5, 0, 0.16, 0.12, LEFT_EYE)
    oval(0, 1.2, 0.36, 0.07, LIPS)


def _blobs(rgb: Picture, colour: tuple[int, int, int]) -> list[np.ndarray]:
    near = (np.abs(rgb.astype(np.int16) - np.int16(colour)).max(axis=2) < 70).astype(np.uint8)
    _, _, stats, middles = cv2.connectedComponentsWithStats(near)
    return [m for s, m in zip(stats[1:], middles[1:], strict=True) if s[cv2.CC_STAT_AREA] > 60]


def _placed(right: np.ndarray, left: np.ndarray) -> Face:
    along = left - right
    turn = np.array([[along[0], -along[1]], [along[1], along[0]]])
    points = (template() @ turn.T + (right + left) / 2).astype(np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    return Face((*low.tolist(), *(high - low).tolist()), points, 1.0)
