"""What years leave on skin, in the face's texture space: wrinkles, bags, the shadow of a beard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.person.skin import Canvas

Floats = NDArray[np.float32]


def _by(point: Floats, dx: float, dy: float) -> Floats:
    """A point moved, fractions of the texture's side."""
    return np.asarray(point + np.array([dx, dy], np.float32), np.float32)


def wrinkles(c: Canvas) -> Floats:
    """(side, side) 0..1: how deep each line lies; fold beside the nose, forehead, eyes, bags."""
    total = np.zeros((c.side, c.side), np.float32)
    for side, nose, corner, jaw in ((-1, 31, 48, 5), (1, 35, 54, 11)):
        start, mouth, chin = c.mark(nose), c.mark(corner), c.mark(jaw)
        out = np.array([side * 0.030, 0.0], np.float32)
        fold = _curve(_by(start, side * 0.014, -0.014), (start + mouth) / 2 + out * 0.75,
                      mouth + out * 0.80)
        total += 0.60 * _stroke(c, fold, 0.0075)
        marionette = _curve(mouth + out * 0.35, _by(mouth + out * 0.5, 0, 0.02),
                            mouth * 0.62 + chin * 0.38)
        total += 0.55 * _stroke(c, marionette, 0.0036)
    for first, last, side in ((36, 42, -1), (42, 48, 1)):
        eye, outer = c.mark(*range(first, last)), c.mark(36 if side < 0 else 45)
        for tilt in (-0.022, -0.004, 0.014):
            tip = outer + np.array([side * 0.050, tilt * 1.9], np.float32)
            middle = _by(np.asarray((outer + tip) / 2, np.float32), 0, tilt * 0.2)
            foot = _curve(_by(outer, side * 0.012, tilt * 0.5), middle, tip)
            total += 0.55 * _stroke(c, foot, 0.0020)
        bag = _curve(_by(eye, -0.050, 0.030), _by(eye, 0.0, 0.052), _by(eye, 0.050, 0.030))
        total += 0.50 * _stroke(c, bag, 0.0040)
    brow = c.mark(*range(17, 27))
    for rise, depth in ((0.060, 0.55), (0.088, 0.65), (0.117, 0.50)):
        wave = 0.006 * np.sin(rise * 900)
        line = _curve(_by(brow, -0.135, -rise + 0.016), _by(brow, wave, -rise - 0.016),
                      _by(brow, 0.135, -rise + 0.016))
        total += depth * _stroke(c, line, 0.0030)
    for side in (-1, 1):
        frown = brow + np.array([side * 0.012, 0.0], np.float32)
        line = _curve(_by(frown, 0, 0.012), frown, _by(frown, 0, -0.022))
        total += 0.45 * _stroke(c, line, 0.0026)
    return np.clip(total * (1 + 0.25 * c.noise(90, 2, 31)), 0, 1).astype(np.float32)


def shadow_of_beard(c: Canvas) -> Floats:
    """(side, side) 0..0.3: stubble over lip, chin and jaw, as darker dots."""
    chin, lip = c.mark(7, 8, 9), c.mark(50, 51, 52)
    where = c.blob(_by(chin, 0, -0.03), (0.13, 0.06))
    where = where + 0.8 * c.blob(_by(lip, 0, -0.016), (0.075, 0.020))
    for marks in ((4, 5, 6), (10, 11, 12)):
        where += 0.85 * c.blob(c.mark(*marks), (0.075, 0.085))
    dots = np.clip(c.noise(700, 1, 41) - 0.3, 0, 1.6)
    return np.asarray(np.clip(where, 0, 1) * (0.05 + 0.13 * dots), np.float32)


def _curve(start: Floats, bend: Floats, end: Floats) -> Floats:
    """40 points of the quadratic curve that is drawn towards `bend`."""
    t = np.linspace(0, 1, 40, dtype=np.float32)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end, np.float32)


def _stroke(c: Canvas, points: Floats, width: float) -> Floats:
    """A soft line through points (fractions of the side), fading at both ends."""
    total = np.zeros((c.side, c.side), np.float32)
    reach = int(width * 4 * c.side) + 2
    for i, (x, y) in enumerate(points * c.side):
        fade = np.sin(np.pi * (i + 0.5) / len(points)) ** 0.7
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        rows, columns = slice(top, int(y) + reach), slice(left, int(x) + reach)
        part = np.hypot(c.x[rows, columns] * c.side - x, c.y[rows, columns] * c.side - y)
        spot = fade * np.exp(-((part / (width * c.side)) ** 2))
        total[rows, columns] = np.maximum(total[rows, columns], spot)
    return total
