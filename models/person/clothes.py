"""Models the clothes of a shop: a stand-collar blouse and an apron; pure numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator, PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from models.person.character import Dress
from models.person.face import Head

Floats = NDArray[np.float32]
Grid = NDArray[np.float64]

# Sections of the trunk: height, half width, half depth, middle in depth (cm), roundness exponent.
TRUNK = np.array([
    (-13.0, 8.2, 6.3, -3.0, 2.0), (-13.9, 10.8, 6.9, -3.3, 2.1), (-15.0, 13.4, 7.4, -3.3, 2.2),
    (-16.4, 15.3, 8.0, -3.2, 2.3), (-18.2, 16.2, 8.6, -3.0, 2.35), (-21.0, 16.0, 9.3, -2.6, 2.4),
    (-24.0, 15.1, 9.9, -2.2, 2.4), (-28.0, 14.2, 10.3, -1.9, 2.4), (-33.0, 13.5, 10.1, -1.8, 2.4),
    (-39.0, 12.6, 9.5, -1.8, 2.4), (-46.0, 12.4, 9.4, -1.8, 2.4), (-58.0, 13.4, 9.8, -1.8, 2.4),
])


@dataclass(frozen=True)
class Part:
    """One garment piece: grid (rows, columns, 3) in ICT axes; `ring` joins last to first column."""

    name: str
    grid: Floats
    ring: bool
    thick_cm: float = 0.0

    def faces(self) -> list[list[int]]:
        """Quads over the grid."""
        rows, columns = self.grid.shape[:2]
        last = columns if self.ring else columns - 1
        return [[r * columns + c, r * columns + (c + 1) % columns,
                 (r + 1) * columns + (c + 1) % columns, (r + 1) * columns + c]
                for r in range(rows - 1) for c in range(last)]


def _section(y: Grid, build: Dress) -> list[Grid]:
    down = np.maximum(-y, -TRUNK[0, 0])
    half, *others = [PchipInterpolator(-TRUNK[:, 0], TRUNK[:, k])(down) for k in range(1, 5)]
    return [half * (1 + (build.shoulders - 1) * np.clip((down - 13.5) / 4, 0, 1)), *others]


def _bust(x: Grid, y: Grid, build: Dress) -> Grid:
    """Forward swell of the chest, cm."""
    swell = np.exp(-(((np.abs(x) - 6.4) / 5.0) ** 2) - ((y + 28.5) / 5.6) ** 2)
    return np.asarray(build.bust_cm * swell + 0.5 * np.exp(-((x / 6) ** 2) - ((y + 29) / 6) ** 2))


def _folds(x: Grid, y: Grid) -> Grid:
    """Soft creases of linen: from the armpits to the bust, and across the waist; cm."""
    reach = np.exp(-(((np.abs(x) - 12) / 4.0) ** 2) - ((y + 24) / 5) ** 2)
    diagonal = np.sin(1.15 * (y * 0.8 + np.abs(x) * 1.1) + 0.3 * x)
    waist = np.exp(-(((y + 45) / 8) ** 2)) * np.sin(0.9 * y + 0.5 * np.sin(0.6 * x) + 0.15 * x)
    shoulder = np.exp(-(((np.abs(x) - 9) / 3.5) ** 2) - ((y + 17.5) / 2.5) ** 2)
    return np.asarray(0.50 * reach * diagonal + 0.42 * waist
                      + 0.26 * shoulder * np.sin(1.6 * np.abs(x) + y))


def _drop(y: Grid) -> Grid:
    """How much lower the front of a section lies than its back, near the neck; cm."""
    return np.asarray(0.6 * np.clip(-y - 12, 0, 2) * np.clip((y + 21) / 6, 0, 1))


def front(x: Grid, y: Grid, build: Dress, offset_cm: float = 0.0) -> Floats:
    """Points on the front of the trunk at x, y."""
    half, depth, middle, power = _section(y, build)
    inside = np.clip(1 - np.abs(x / half) ** power, 0, 1) ** (1 / power)
    z = middle + depth * inside + (_bust(x, y, build) + _folds(x, y)) * inside + offset_cm
    return np.stack(np.broadcast_arrays(x, y - _drop(y) * inside, z), -1).astype(np.float32)


def neck_ring(head: Head, at_y_cm: float, slope: float, columns: int) -> Grid:
    """(columns, 3) outline of the neck in the plane y = at_y + slope * z, smoothed."""
    skin = head.vertices[head.material_vertices("M_Face", "M_BackHead")].astype(np.float64)
    off = skin[:, 1] - (at_y_cm + slope * skin[:, 2])
    near = skin[(np.abs(off) < 0.8) & (np.abs(skin[:, 0]) < 9)]
    middle = np.array([0.0, (near[:, 2].max() + near[:, 2].min()) / 2])
    angle = np.arctan2(near[:, 2] - middle[1], near[:, 0])
    radius = np.hypot(near[:, 0], near[:, 2] - middle[1])
    wanted = np.linspace(-np.pi, np.pi, columns, endpoint=False)
    gap = np.abs((angle[None] - wanted[:, None] + np.pi) % (2 * np.pi) - np.pi)
    weight = np.exp(-((gap / 0.12) ** 2))
    ring = gaussian_filter1d((weight * radius).sum(1) / weight.sum(1), 2.0, mode="wrap")
    x, z = ring * np.cos(wanted), middle[1] + ring * np.sin(wanted)
    return np.stack([x, at_y_cm + slope * z, z], 1)


def blouse(head: Head, build: Dress, columns: int = 128) -> list[Part]:
    """Trunk with the neck opening and the stand collar."""
    angle = np.linspace(-np.pi, np.pi, columns, endpoint=False)
    opening = _grown(neck_ring(head, -11.6, -0.22, columns), 0.45)
    rows = [opening, _grown(opening, 0.5) - (0, 0.25, 0)]
    heights = np.concatenate([np.linspace(-13.2, -19, 22), np.linspace(-19.6, -56, 70)])
    for y in heights:
        half, depth, middle, power = (float(v[0]) for v in _section(np.array([y]), build))
        x = half * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / power)
        rise = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / power)
        level, ahead = np.full(columns, y), np.clip(rise, 0, 1)
        swell = (_bust(x, level, build) + _folds(x, level)) * ahead
        drop = _drop(np.array(y)) * ahead
        rows.append(np.stack([x, y - drop, middle + depth * rise + swell], 1))
    trunk = np.array(rows)
    trunk[:8] = _blend_rows(trunk[:8])
    return [Part("trunk", trunk.astype(np.float32), True, 0.12), *collar(head, columns)]


def _grown(ring: Grid, by_cm: float) -> Grid:
    """The ring, larger by `by_cm` in x and z."""
    middle = ring.mean(0)
    away = (ring - middle) * (1, 0, 1)
    length = np.linalg.norm(away, axis=1, keepdims=True)
    return np.asarray(ring + away / length * by_cm)


def _blend_rows(rows: Grid) -> Grid:
    """Ease the first rows into each other so that the shoulder runs smoothly to the neck."""
    return np.asarray(np.concatenate([rows[:2], gaussian_filter1d(rows, 1.2, axis=0)[2:]]))


def collar(head: Head, columns: int) -> list[Part]:
    """A stand collar, open a finger's width in front, and a piping along its upper edge."""
    low = _grown(neck_ring(head, -11.9, -0.22, columns), 0.42)
    high = _grown(neck_ring(head, -9.75, -0.24, columns), 0.36)
    order = np.roll(np.arange(columns), -(3 * columns // 4))  # starts and ends in front
    keep = order[1:-1]
    t = np.linspace(0, 1, 10)[:, None, None]
    angle = np.linspace(-np.pi, np.pi, columns, endpoint=False)[keep]
    dip = 0.85 * np.exp(-(((angle - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi) / 0.33) ** 2)
    top = high[keep] - np.stack([0 * dip, dip, 0 * dip], 1)
    band = low[keep] * (1 - t) + top * t
    edge = np.stack([top - (0, 0.05, 0), top - (0, -0.13, 0)])
    return [Part("collar", band.astype(np.float32), False, 0.20),
            Part("piping", _grown_rows(edge, 0.06).astype(np.float32), False, 0.22)]


def _grown_rows(rows: Grid, by_cm: float) -> Grid:
    return np.stack([_grown(row, by_cm) for row in rows])


def apron(trunk: Part, build: Dress) -> list[Part]:
    """The bib with its hem, and two straps over the shoulders of the `trunk`."""
    y = np.linspace(-26.5, -56, 60)[:, None]
    wide = np.interp(-y, [26.5, 33, 40, 56], [7.6, 8.8, 12.0, 13.0])
    t = np.linspace(-1, 1, 61)[None]
    dip = 0.5 * (1 - t**2) * np.exp(-((y + 26.5) / 1.5) ** 2)
    bib = front(wide * t, y - dip, build, 0.42)
    edge = -26.5 - 0.5 * (1 - t**2) + np.linspace(0.05, -1.1, 5)[:, None]
    hem = front(7.6 * t, edge, build, 0.52)
    parts = [Part("bib", bib, False, 0.16), Part("hem", hem, False, 0.14)]
    for side in (-1, 1):
        run = np.linspace(0, 1, 50)[:, None]
        y_strap = -27.6 + run * 12.2 + np.zeros((1, 7))
        x_strap = side * (6.7 + 0.9 * run**2) + np.linspace(-1.1, 1.1, 7)[None]
        chest = front(x_strap, y_strap, build, 0.50)
        over = _over_shoulder(trunk, chest[-1])
        parts.append(Part("strap", np.concatenate([chest, over]), False, 0.14))
    return parts


def _over_shoulder(trunk: Part, last: Floats, reach_cm: float = 10.0, rows: int = 30) -> Floats:
    """(rows, columns, 3): from the row `last` on backwards over the top of the trunk."""
    top = trunk.grid[:40].reshape(-1, 3).astype(np.float64)
    height = LinearNDInterpolator(top[:, [0, 2]], top[:, 1])
    t = np.linspace(0.03, 1, rows)[:, None]
    z = last[None, :, 2] - reach_cm * t
    x = np.broadcast_to(last[None, :, 0], z.shape)
    y = np.nan_to_num(height(x, z), nan=-13.5) + 0.42
    eased = np.clip(t / 0.15, 0, 1)
    y = last[None, :, 1] * (1 - eased) + y * eased
    return np.stack([x, gaussian_filter1d(y, 1.2, axis=0), z], -1).astype(np.float32)


def badge(build: Dress) -> Part:
    """A name badge on the bib."""
    x = np.linspace(3.0, 6.4, 12)[None]
    y = np.linspace(-29.6, -30.7, 6)[:, None]
    return Part("badge", front(x + 0 * y, y + 0 * x, build, 0.62), False, 0.12)


def fastening(build: Dress) -> tuple[list[Part], tuple[float, ...]]:
    """The blouse's front seam and the heights of its knot buttons, if it has any."""
    y = np.linspace(-13.6, -26.8, 40)[:, None]
    seam = front(np.linspace(-0.75, 0.75, 7)[None] + 0 * y, y + 0 * np.zeros((1, 7)), build,
                 0.13)
    return [Part("placket", seam, False, 0.10)], (-15.9, -19.9, -23.9) if build.knots else ()
