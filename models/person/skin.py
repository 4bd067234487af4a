"""Paints the skin: albedo, bump and lip mask in the face's texture space, from landmarks alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.interpolate import CubicSpline

from models.person.character import Complexion

Floats = NDArray[np.float32]

CHEEKS = ((0.256, 0.475), (0.744, 0.475))


def paint(landmark_uv: Floats, folder: Path, who: Complexion, side: int = 2048, seed: int = 7
          ) -> None:
    """Write albedo.png (sRGB), bump.png (16 bit), lips.png and lashes.png into `folder`."""
    from models.person import age

    canvas = Canvas(side, seed, np.c_[landmark_uv[:, 0], 1 - landmark_uv[:, 1]] * side)
    lips = canvas.polygon(_closed(canvas.marks[48:60]), blur=0.0026)
    lines = age.wrinkles(canvas) * who.age
    image = _complexion(canvas, who)
    image = image * (1 - 0.16 * lines - age.shadow_of_beard(canvas) * who.stubble)[..., None]
    image = _lip_colour(canvas, image, lips, who)
    image = _eye_lines(canvas, image, 0.62 * who.lashes)
    _save(np.rint(_to_srgb(np.clip(image, 0, 1)) * 255), folder / "albedo.png", np.uint8)
    bump = np.clip(_bump(canvas, lips) - 0.42 * lines * (1 - lips), 0, 1)
    _save(np.rint(bump * 65535), folder / "bump.png", np.uint16)
    _save(np.rint(lips * 255), folder / "lips.png", np.uint8)
    lash_strips(seed, who.lashes).save(folder / "lashes.png")


class Canvas:
    """Texture space: coordinates in pixels, sizes as fractions of the side."""

    def __init__(self, side: int, seed: int, marks: Floats) -> None:
        self.side, self.seed, self.marks = side, seed, marks
        self.y, self.x = np.mgrid[:side, :side].astype(np.float32) / side

    def noise(self, cells: int, octaves: int, salt: int) -> Floats:
        """Fractal noise of unit deviation, `cells` across the side in its coarsest octave."""
        rng = np.random.default_rng((self.seed, salt))
        total = np.zeros((self.side, self.side), np.float32)
        for octave in range(octaves):
            n = min(self.side, cells * 2**octave)
            grid = Image.fromarray(rng.standard_normal((n, n)).astype(np.float32), mode="F")
            smooth = grid.resize((self.side,) * 2, Image.Resampling.BICUBIC)
            total += np.float32(0.55**octave) * np.asarray(smooth)
        return (total / float(total.std())).astype(np.float32)

    def blob(self, centre: Any, radii: tuple[float, float]) -> Floats:
        """A Gaussian spot; centre and radii as fractions of the side."""
        result: Floats = np.exp(-(((self.x - centre[0]) / radii[0]) ** 2
                                  + ((self.y - centre[1]) / radii[1]) ** 2))
        return result

    def mark(self, *indices: int) -> Floats:
        """Mean of landmarks as fractions of the side."""
        return np.asarray(self.marks[list(indices)].mean(0) / self.side, np.float32)

    def polygon(self, points: Floats, blur: float, line: float = 0.0) -> Floats:
        """A filled polygon, or its outline `line` wide, softly edged; 0..1."""
        image = Image.new("L", (self.side,) * 2, 0)
        corners = [tuple(p) for p in points.tolist()]
        if line:
            width = max(1, round(line * self.side))
            ImageDraw.Draw(image).line(corners + corners[:1], fill=255, width=width)
        else:
            ImageDraw.Draw(image).polygon(corners, fill=255)
        soft = image.filter(ImageFilter.GaussianBlur(blur * self.side))
        return np.asarray(soft, np.float32) / np.float32(255)


def _closed(points: Floats, per_point: int = 12) -> Floats:
    """A smooth closed curve through the points."""
    ring = np.r_[points, points[:1]]
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(ring, axis=0), axis=1))]
    spline = CubicSpline(length, ring, bc_type="periodic")
    return np.asarray(spline(np.linspace(0, length[-1], per_point * len(points))), np.float32)


def _complexion(c: Canvas, who: Complexion) -> Floats:
    """Skin as light taken away by blood and melanin (Beer-Lambert), both painted as maps."""
    blood = 0.30 * c.blob(c.mark(30), (0.055, 0.04)) + 0.05 * c.noise(24, 5, 1)
    for cheek in CHEEKS:
        blood += who.blush * c.blob(cheek, (0.115, 0.075))
    blood += 0.35 * c.blob(c.mark(8), (0.10, 0.05)) + 0.05 * c.noise(200, 3, 2)
    melanin = 0.05 * c.noise(16, 6, 3) + 0.10 * c.noise(260, 3, 4)
    for first, last in ((36, 42), (42, 48)):
        eye = c.mark(*range(first, last))
        melanin += 0.60 * c.blob(eye - (0, 0.018), (0.068, 0.024))
        blood += 0.30 * c.blob(eye - (0, 0.012), (0.07, 0.026))
        blood += 0.16 * c.blob(eye - (0, -0.018), (0.06, 0.016))
    for first, last in ((17, 22), (22, 27)):
        for mark in range(first, last):
            melanin += 0.34 * c.blob(c.mark(mark) - (0, 0.002), (0.03, 0.011))
    freckle = np.clip(c.noise(420, 1, 5) - 2.1, 0, 1) * sum(c.blob(q, (0.14, 0.08)) for q in CHEEKS)
    melanin += 0.35 * freckle
    image = np.ones((c.side, c.side, 3), np.float32) * _to_linear(np.array(who.skin_srgb) / 255)
    for amount, absorbed in ((blood, (0.02, 0.22, 0.17)), (melanin, (0.10, 0.18, 0.26))):
        image *= np.exp(-np.maximum(amount, -1)[..., None] * np.array(absorbed, np.float32))
    return image


def _lip_colour(c: Canvas, image: Floats, lips: Floats, who: Complexion) -> Floats:
    lines = 0.5 * np.sin(c.x * c.side / 2.7 + 2.0 * c.noise(60, 2, 9)) + 0.4 * c.noise(400, 2, 10)
    middle = c.blob(c.mark(*range(60, 68)), (0.06, 0.012))
    colour = _to_linear(np.array(who.lip_srgb) / 255)
    colour = colour * (1 + 0.05 * lines - 0.22 * middle)[..., None]
    cover = (who.lipstick * lips)[..., None]
    result: Floats = (image * (1 - cover) + colour * cover).astype(np.float32)
    return result


def _eye_lines(c: Canvas, image: Floats, depth: float) -> Floats:
    for first, last in ((36, 42), (42, 48)):
        ring = _closed(c.marks[first:last])
        dark = depth * c.polygon(ring, 0.0016, 0.0036)[..., None]
        image = image * (1 - dark) + _to_linear(np.array((58, 36, 30)) / 255) * dark
    return image.astype(np.float32)


def _bump(c: Canvas, lips: Floats) -> Floats:
    """Pores where skin has them, creases on the lips."""
    oily = sum(c.blob(q, (0.17, 0.15)) for q in CHEEKS) + c.blob(c.mark(30), (0.10, 0.10))
    oily = np.clip(oily + 0.5 * c.blob(c.mark(27) - (0, 0.16), (0.29, 0.10)) + 0.35, 0, 1)
    pores = -np.clip(c.noise(640, 2, 21) - 0.9, 0, 3)
    skin = 0.5 + 0.03 * c.noise(260, 3, 22) + 0.10 * pores * oily
    creases = np.sin(c.x * c.side / 2.7 + 2.0 * c.noise(60, 2, 9)) + c.noise(400, 2, 10)
    result: Floats = np.clip(skin * (1 - lips) + (0.5 + 0.035 * creases) * lips, 0, 1)
    return result


def lash_strips(seed: int, fullness: float = 1.0, side: int = 1024) -> Image.Image:
    """Lash cards: two columns (eyes) of three upper (top) and three lower rows, root at the
    bottom of each card in texture space (v up), white on black."""
    rng = np.random.default_rng(seed)
    big = 2
    image = Image.new("L", (side * big,) * 2, 0)
    draw = ImageDraw.Draw(image)
    for column in range(2):
        for row in range(6):
            upper = row >= 3
            left, bottom = 0.012 + 0.498 * column, 1 - (0.014 + 0.1668 * row)
            count = round((26 if upper else 15) * fullness)
            for _ in range(count):
                at = rng.uniform(0.01, 0.99)
                outer = 1 - at if column == 0 else at
                tall = (0.62 + 0.30 * outer if upper else 0.26) * rng.uniform(0.7, 1.0)
                tall *= 0.5 + 0.5 * fullness
                lean = rng.normal(0.0, 0.012) + 0.015 * (outer - 0.4) * (1 if column else -1)
                steps = np.linspace(0, 1, 9)
                xs = (left + 0.478 * at + lean * steps**2) * side * big
                ys = (bottom - 0.140 * tall * steps) * side * big
                thick = 3.4 if upper else 2.0
                for i in range(8):
                    draw.line([(xs[i], ys[i]), (xs[i + 1], ys[i + 1])], fill=255 if upper else 120,
                              width=max(1, round(big * thick * (1 - 0.85 * i / 8))))
    return image.resize((side,) * 2, Image.Resampling.LANCZOS)


def _to_linear(srgb: Any) -> Floats:
    srgb = np.asarray(srgb, np.float32)
    power = ((srgb + 0.055) / 1.055) ** 2.4
    result: Floats = np.where(srgb <= 0.04045, srgb / 12.92, power).astype(np.float32)
    return result


def _to_srgb(linear: Floats) -> Floats:
    power = 1.055 * np.power(np.maximum(linear, 1e-6), 1 / 2.4) - 0.055
    result: Floats = np.where(linear <= 0.0031308, linear * 12.92, power).astype(np.float32)
    return result


def _save(values: Floats, path: Path, kind: Any) -> None:
    Image.fromarray(values.clip(0, np.iinfo(kind).max).astype(kind)).save(path)
