"""Where the lips are: exactly, from the mesh and the code; and found in the pixels of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.measure.pictures import Bytes

if TYPE_CHECKING:
    from models.person.character import Character

Floats = NDArray[np.float32]
LIP_MARKS = range(48, 68)
CORNERS = (0, 6)  # 48 and 54: the mouth's width
# What the finder looks at: rows and columns as shares of the patch's side, and its grid.
LOOK = (0.14, 0.88, 0.12, 0.88)
GRID = (44, 48)
# Shifts in px of a 256 px patch that the finder learns beside the pictures themselves.
SHIFTS = ((0, 0), (-3, 0), (3, 0), (0, -3), (0, 3), (2, 2), (-2, -2))
RIDGE = 3e-4
WIDER = 1.0


@dataclass(frozen=True)
class Lips:
    """The lips' 20 landmarks as a linear function of the code: still (20, 3) and moves (K, 20, 3)
    in cm, seen by a camera at camera_cm from the plane face_cm, drawn in box at `side` px."""

    still: Floats
    moves: Floats
    face_cm: tuple[float, float, float]
    face_px: tuple[float, float]
    px_per_cm: float
    camera_cm: float
    box: tuple[float, float, float, float]

    def at(self, codes: Floats, side: int) -> Floats:
        """(n, 20, 2) x, y in pixels of a patch of `side` px for codes (n, K)."""
        points = self.still + np.tensordot(codes, self.moves, 1)
        depth = self.camera_cm + self.face_cm[2] - points[..., 2]
        scale = self.px_per_cm * self.camera_cm / depth
        x = self.face_px[0] + (points[..., 0] - self.face_cm[0]) * scale
        y = self.face_px[1] - (points[..., 1] - self.face_cm[1]) * scale
        left, top, wide, high = self.box
        return np.stack([(x - left) * side / wide, (y - top) * side / high], -1).astype(np.float32)


def write(assets: Path, who: Character, path: Path) -> None:
    """Write the lips of a synthetic person to `path`; raises Refused for unusable assets."""
    from models.person import framing
    from models.person.face import CODE_NAMES, LANDMARKS, load_head

    head = load_head(assets, who.face)
    marks = [LANDMARKS[i] for i in LIP_MARKS]
    still = head.posed()[marks]
    moves = [head.posed(code)[marks] - still for code in np.eye(len(CODE_NAMES), dtype=np.float32)]
    partial = path.with_suffix(".part.npz")
    np.savez(partial, still=still, moves=np.array(moves), face_cm=np.array(framing.FACE_CM),
             face_px=np.array(framing.FACE_PX), px_per_cm=framing.PX_PER_CM,
             camera_cm=framing.CAMERA_CM, box=np.array(who.mouth_box))
    partial.replace(path)


def read(path: Path) -> Lips | None:
    """The lips that write() wrote; None when they are not there."""
    if not path.is_file():
        return None
    with np.load(path) as z:
        x, y, depth = (float(v) for v in z["face_cm"])
        across, down = (float(v) for v in z["face_px"])
        left, top, wide, high = (float(v) for v in z["box"])
        return Lips(z["still"].astype(np.float32), z["moves"].astype(np.float32), (x, y, depth),
                    (across, down), float(z["px_per_cm"]), float(z["camera_cm"]),
                    (left, top, wide, high))


def mouth_width(marks: Floats) -> float:
    """Mean distance of the corners of (n, 20, 2) landmarks, px."""
    left, right = (marks[:, c] for c in CORNERS)
    return float(np.linalg.norm(left - right, axis=-1).mean())


def distance_percent(a: Floats, b: Floats, width_px: float) -> float:
    """Mean distance of (n, 20, 2) landmarks in % of the mouth's width."""
    return float(np.linalg.norm(a - b, axis=-1).mean() / width_px * 100)


class LipFinder:
    """Finds the 20 lip landmarks in pictures of one avatar: kernel ridge regression from a small
    picture of the mouth. Learns from true pictures only; measure its own error first."""

    def __init__(self, images: Bytes, marks: Floats) -> None:
        """`images` (n, 3, p, p) with their exact landmarks (n, 20, 2) px."""
        self._side = images.shape[-1]
        unit = self._side / 256
        seen, wanted = [], []
        for dx, dy in SHIFTS:
            seen.append(_features(images, round(dx * unit), round(dy * unit)))
            wanted.append(marks + np.array([round(dx * unit), round(dy * unit)], np.float32))
        features = np.concatenate(seen)
        self._middle, self._scale = features.mean(0), features.std() + 1e-6
        self._known = ((features - self._middle) / self._scale).astype(np.float32)
        target = np.concatenate(wanted).reshape(len(features), -1).astype(np.float64)
        self._mean = target.mean(0)
        squares = _squared_distances(self._known, self._known)
        self._width = float(np.median(squares)) * WIDER
        gram = np.exp(-squares / self._width).astype(np.float64)
        gram[np.diag_indices_from(gram)] += RIDGE
        self._weights = np.linalg.solve(gram, target - self._mean)

    def find(self, images: Bytes) -> Floats:
        """(n, 20, 2) px in pictures (n, 3, p, p)."""
        found = []
        for start in range(0, len(images), 64):
            features = (_features(images[start : start + 64]) - self._middle) / self._scale
            kernel = np.exp(-_squared_distances(features, self._known) / self._width)
            found.append(kernel @ self._weights + self._mean)
        if not found:
            return np.zeros((0, len(LIP_MARKS), 2), np.float32)
        return np.concatenate(found).reshape(-1, len(LIP_MARKS), 2).astype(np.float32)


def _features(images: Bytes, dx: int = 0, dy: int = 0) -> Floats:
    """(n, d): lightness and redness of the part LOOK on a coarse grid, moved by dx, dy px."""
    side = images.shape[-1]
    top, bottom, left, right = (round(v * side) for v in LOOK)
    result = []
    for picture in images:
        part = picture[:, top - dy : bottom - dy, left - dx : right - dx].astype(np.float32) / 255
        planes = [part.mean(0), 2 * (part[0] - part[1])]
        small = [cv2.resize(p, GRID[::-1], interpolation=cv2.INTER_AREA) for p in planes]
        result.append(np.concatenate([p.ravel() for p in small]))
    return np.array(result, np.float32)


def _squared_distances(a: Floats, b: Floats) -> Floats:
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.maximum(squares, 0), np.float32)
