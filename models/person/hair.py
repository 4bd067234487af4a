"""Grows hair as curves on the head: parted and swept back, loose behind, with brows; pure numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from models.person.face import LANDMARKS, Head

Floats = NDArray[np.float32]
STEPS = 18
# Inside the skull; hair directions are seen from here (cm, ICT axes).
CENTRE = np.array([0.0, 5.0, -1.0])
PART_X_CM = 2.4


@dataclass(frozen=True)
class Strands:
    """points (n, STEPS, 3) in ICT axes, radius (STEPS,) in cm."""

    points: Floats
    radius_cm: Floats


class Skull:
    """Distance of the head's surface from CENTRE in any direction, ears left out."""

    def __init__(self, head: Head) -> None:
        skin = head.material_vertices("M_Face", "M_BackHead")
        points = head.vertices[skin]
        ears = (np.abs(points[:, 0]) > 7.75) & (points[:, 1] < 7.5)
        points = points[~ears & (points[:, 1] > -14)]
        away = points - CENTRE
        self._radius = np.linalg.norm(away, axis=1)
        self._tree = cKDTree(away / self._radius[:, None])

    def radius(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) cm for unit directions (n, 3)."""
        distance, index = self._tree.query(directions, k=6)
        weight = 1 / (distance + 1e-3)
        result: NDArray[np.float64] = (self._radius[index] * weight).sum(1) / weight.sum(1)
        return result


def hairline_height(points: Floats) -> Floats:
    """How far (cm) each point is above the hairline; negative is bare skin."""
    x, y, z = points.T
    side = np.clip((8.5 - z) / 4.5, 0, 1)
    line = 11.0 - 0.035 * x**2 * (1 - side) - side * 8.6 + 0.25 * np.cos(x * 1.9) * (1 - side)
    behind = 4.5 - np.clip((2 - z) / 4, 0, 1) * 5.5
    line = np.where(z < 2, np.minimum(line, behind), line)
    height: Floats = (y - line).astype(np.float32)
    near_ear = (np.abs(x) > 7.5) & (y < 6.6) & (z > -1.0)
    ear = (np.abs(x) > 8.1) & (y < 7.2)
    height[near_ear | ear] = -1
    return height


def scalp_roots(head: Head, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """`count` points spread evenly over the hairy skin, thinning out towards the hairline."""
    wanted = {head.materials.index("M_Face"), head.materials.index("M_BackHead")}
    triangles = []
    for face, material in zip(head.faces, head.face_material, strict=True):
        if int(material) in wanted:
            triangles.append(face[:3])
            if len(face) == 4:
                triangles.append(face[[0, 2, 3]])
    corners = head.vertices[np.array(triangles)].astype(np.float64)
    height = hairline_height(corners.mean(1))
    corners, height = corners[height > 0], height[height > 0]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]),
                          axis=1)
    weight = area * np.clip(0.45 + height / 1.2, 0, 1)
    picked = corners[rng.choice(len(corners), count, p=weight / weight.sum())]
    u = rng.random((count, 2))
    u[u.sum(1) > 1] = 1 - u[u.sum(1) > 1]
    result: NDArray[np.float64] = (picked[:, 0] + u[:, :1] * (picked[:, 1] - picked[:, 0])
                                   + u[:, 1:] * (picked[:, 2] - picked[:, 0]))
    return result


def swept_back(head: Head, count: int, seed: int = 3) -> Strands:
    """Hair combed from a side parting over the temples to the back of the head, with volume."""
    rng = np.random.default_rng(seed)
    skull = Skull(head)
    roots = scalp_roots(head, count, rng)
    start = roots - CENTRE
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    side = np.where(roots[:, 0] + rng.normal(0, 0.12, count) > PART_X_CM, 1.0, -1.0)
    end = np.stack([side * 2.6, np.full(count, -3.5), np.full(count, -9.5)], 1)
    end += rng.normal(0, 0.7, end.shape)
    end /= np.linalg.norm(end, axis=1, keepdims=True)
    front = np.clip((roots[:, 2] + 1.0) / 7.0, 0, 1) * np.clip((roots[:, 1] - 5.0) / 4.0, 0, 1)
    over_ear = np.stack([side * 8.3, 3.6 + 0.22 * (roots[:, 1] - 10), np.full(count, 2.6)], 1)
    over_ear += rng.normal(0, 0.35, over_ear.shape)
    over_ear /= np.linalg.norm(over_ear, axis=1, keepdims=True)
    middle = (start + end) / 2
    control = middle + front[:, None] * (over_ear * 1.1 - middle)
    lift = rng.beta(1.4, 1.6, count)
    clump = _clumps(roots, rng, 420)
    points = np.empty((count, STEPS, 3))
    for step in range(STEPS):
        s = step / (STEPS - 1)
        way = (1 - s) ** 2 * start + 2 * s * (1 - s) * control + s**2 * end
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        near_part = np.exp(-(((roots[:, 0] - PART_X_CM) / 3.0) ** 2)) * front
        volume = 0.25 + 0.75 * np.clip((way[:, 1] - 0.1) / 0.7, 0, 1) + 0.35 * near_part
        rise = 1 - np.exp(-7.0 * s)
        height = 0.02 + rise * (0.12 + 1.05 * lift * volume)
        points[:, step] = CENTRE + way * (skull.radius(way) + height)[:, None]
        points[:, step] += clump * (0.22 * s) + rng.normal(0, 0.012, (count, 3)) * s
    stray = rng.random(count) < 0.02
    drift = np.linspace(0, 1, STEPS)[None, :, None] ** 1.4 * rng.normal(0, 0.30, (count, 1, 3))
    points[stray] += drift[stray]
    return Strands(points.astype(np.float32), _taper(0.0085))


def _clumps(roots: NDArray[np.float64], rng: np.random.Generator, count: int
            ) -> NDArray[np.float64]:
    """(n, 3) pull that strands share with their neighbours: hair shines in locks, not as felt."""
    centres = roots[rng.choice(len(roots), count, replace=False)]
    _, index = cKDTree(centres).query(roots)
    result: NDArray[np.float64] = rng.normal(0, 0.8, (count, 3))[index]
    return result


def short(head: Head, count: int, seed: int) -> Strands:
    """A man's short cut: combed up and to the side on top, close at the temples and behind."""
    rng = np.random.default_rng(seed)
    skull = Skull(head)
    roots = scalp_roots(head, count, rng)
    up = roots - CENTRE
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    top = np.clip((roots[:, 1] - 8.0) / 4.5, 0, 1)[:, None]
    back = np.array([0.35, 0.15, -1.0]) * np.clip((roots[:, 2:] + 4) / 8, 0.25, 1)
    down = np.array([0.0, -1.0, -0.45])
    comb = top * back + (1 - top) * down
    comb += _clumps(roots, rng, 900) * 0.45 + rng.normal(0, 0.16, (count, 3))
    comb -= up * (comb * up).sum(1, keepdims=True)
    comb /= np.linalg.norm(comb, axis=1, keepdims=True) + 1e-6
    length = (0.75 + 2.6 * top[:, 0]) * rng.uniform(0.7, 1.05, count)
    stand = 0.22 + 0.62 * top[:, 0] * rng.uniform(0.55, 1.1, count)
    points = np.empty((count, STEPS, 3))
    for step in range(STEPS):
        s = step / (STEPS - 1)
        lift = (stand * (1 - np.exp(-2.6 * s)))[:, None]
        way = roots + comb * (length * s)[:, None] * (1 - 0.35 * lift)
        out = way - CENTRE
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        height = 0.02 + lift[:, 0] * length * 0.55
        points[:, step] = CENTRE + out * (skull.radius(out) + height)[:, None]
    return Strands(points.astype(np.float32), _taper(0.0080))


def loose_behind(count: int, seed: int = 4) -> Strands:
    """Long hair that falls behind the neck and shoulders; seen beside the neck."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, count)
    depth = rng.uniform(0, 1, count)
    key = np.linspace(0, 1, 7)
    width = np.array([5.6, 6.9, 7.4, 7.5, 7.7, 8.3, 8.8])
    height = np.array([6.0, 2.0, -2.5, -7.0, -12.0, -18.0, -24.0])
    back = np.array([-7.5, -7.0, -6.6, -6.6, -7.4, -9.5, -10.5])
    s = np.linspace(0, 1, STEPS)
    bend = CubicSpline(key, np.stack([width, height, back], 1))(s)
    points = np.empty((count, STEPS, 3))
    wave = 0.35 * np.sin(s[None] * 7.5 + rng.uniform(0, 0.9, count)[:, None] + 2.2 * x[:, None])
    lock = np.round(x * 26) / 26
    gathered = x[:, None] + (lock - x)[:, None] * 0.75 * s[None]
    points[:, :, 0] = gathered * bend[:, 0] + wave
    points[:, :, 1] = bend[:, 1] + rng.normal(0, 0.3, count)[:, None]
    points[:, :, 2] = bend[:, 2] - depth[:, None] * 2.6 + (1 - np.abs(gathered)) * -1.2
    points += rng.normal(0, 0.05, points.shape) * s[None, :, None]
    return Strands(points.astype(np.float32), _taper(0.0095))


def brows(head: Head, count: int, thickness: float = 1.0, seed: int = 6) -> Strands:
    """Both brows, `count` hairs each: upright at the nose, lying outwards along the arch."""
    rng = np.random.default_rng(seed)
    skin = head.vertices[head.material_vertices("M_Face")]
    front = skin[skin[:, 2] > 4]
    tree = cKDTree(front[:, :2])
    both = []
    for side, marks in ((-1, range(21, 16, -1)), (1, range(22, 27))):
        line = CubicSpline(np.linspace(0, 1, 5), head.vertices[[LANDMARKS[m] for m in marks]])
        t = rng.beta(1.15, 1.0, count) * 1.06 - 0.03
        thick = 0.37 * thickness * np.clip(1.15 - 0.78 * t, 0.24, 1) * np.clip(0.45 + 5 * t, 0, 1)
        root = line(t)
        root[:, 1] += rng.uniform(-1, 1, count) * thick - 0.22
        along = line(t + 0.03) - line(t)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        upright = np.clip(0.60 - 1.3 * t, 0.04, 1)[:, None] + rng.normal(0, 0.10, (count, 1))
        lean = np.where(root[:, 1] > line(t)[:, 1] - 0.16, -0.10, 0.22)[:, None]
        way = along * (1 - upright) + np.array([0, 1, 0]) * (upright + lean)
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        length = rng.uniform(0.38, 0.66, count)[:, None]
        steps = np.linspace(0, 1, STEPS)[None, :, None]
        path = root[:, None] + way[:, None] * length[:, None] * steps
        path = path + along[:, None] * (0.10 * side * side) * steps**2
        _, near = tree.query(path[..., :2], k=4)
        path[..., 2] = front[near, 2].mean(-1) + 0.02 + 0.05 * np.sin(steps[..., 0] * np.pi)
        both.append(path)
    return Strands(np.concatenate(both).astype(np.float32), _taper(0.0062))


def _taper(radius_cm: float) -> Floats:
    return (radius_cm * np.linspace(1, 0.35, STEPS)).astype(np.float32)
