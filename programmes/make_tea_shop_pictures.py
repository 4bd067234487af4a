"""Makes the four product pictures of `programmes/tea-shop/assets`: still lifes, ray-marched.

Run: python programmes/make_tea_shop_pictures.py [--only longjing] [--side 1200] [--out DIR]
It needs numpy, Pillow and Debian's fonts-noto-cjk; a picture takes about two minutes. The
pictures are ours alone: no photograph and no foreign drawing went into them.

Everything is a signed distance function (the formulas are Inigo Quilez's well-known ones):
y is up, the table is y = 0, a unit is about 5 cm.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Array = npt.NDArray[np.float32]
Distance = Callable[[Array], Array]
Paint = Callable[[Array, Array], Array]

OUT_PX = 800
FAR, STEPS_MAX, NEAR_HIT = 26.0, 96, 0.0012
FONT = "/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc"
LATIN = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"


@dataclass(frozen=True)
class Thing:
    """A surface: its distance, its colour at a point, how it shines, and a sphere around it."""

    distance: Distance
    paint: Paint
    gloss: float = 0.15
    sharpness: float = 40.0
    mirror: float = 0.0
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius: float = 99.0


@dataclass(frozen=True)
class Scene:
    """Things on a table that turns into the wall; `low` and `high` colour the backdrop."""

    things: list[Thing]
    low: tuple[float, float, float]
    high: tuple[float, float, float]


def rgb(text: str) -> Array:
    """#rrggbb as linear light."""
    parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.array([c**2.2 for c in parts], np.float32)


def flat(colour: str) -> Paint:
    """One colour everywhere."""
    value = rgb(colour)
    return lambda p, n: np.broadcast_to(value, p.shape)


def norm(v: Array) -> Array:
    """Length of each row."""
    return np.sqrt((v * v).sum(-1))


def unit(v: Array) -> Array:
    """Each row at length one."""
    return v / np.maximum(norm(v), 1e-6)[..., None]


def cylinder(x: float, y: float, z: float, radius: float, half: float, edge: float) -> Distance:
    """An upright cylinder with rounded edges, its middle at (x, y, z)."""

    def distance(p: Array) -> Array:
        q = p - np.array([x, y, z], np.float32)
        side = np.hypot(q[:, 0], q[:, 2]) - radius + edge
        top = np.abs(q[:, 1]) - half + edge
        outside = np.hypot(np.maximum(side, 0), np.maximum(top, 0))
        return np.minimum(np.maximum(side, top), 0) + outside - edge

    return distance


def box(x: float, y: float, z: float, size: tuple[float, float, float], edge: float,
        turn: float) -> Distance:
    """A box with rounded edges, turned about the upright axis; `size` is half its extent."""
    half = np.array(size, np.float32) - edge

    def distance(p: Array) -> Array:
        q = np.abs(turned(p - np.array([x, y, z], np.float32), turn)) - half
        return norm(np.maximum(q, 0)) + np.minimum(q.max(-1), 0) - edge

    return distance


def turned(p: Array, angle: float) -> Array:
    """Rotated about the upright axis."""
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([c * p[:, 0] - s * p[:, 2], p[:, 1], s * p[:, 0] + c * p[:, 2]], -1)


def bowl(x: float, y: float, z: float, radius: float, wall: float, cut: float) -> Distance:
    """A round bowl, open at the height `cut` over its middle, on a small foot."""
    foot = cylinder(x, y - radius * 0.93, z, radius * 0.5, radius * 0.14, 0.03)

    def distance(p: Array) -> Array:
        q = p - np.array([x, y, z], np.float32)
        shell = np.abs(norm(q) - radius) - wall
        open_at = np.maximum(shell, q[:, 1] - cut)
        return np.minimum(open_at, foot(p))

    return distance


def drink(x: float, y: float, z: float, radius: float, level: float) -> Distance:
    """What stands in a bowl, up to `level` over its middle."""

    def distance(p: Array) -> Array:
        q = p - np.array([x, y, z], np.float32)
        return np.maximum(norm(q) - radius, q[:, 1] - level)

    return distance


@dataclass(frozen=True)
class Piece:
    """A small ellipsoid: a leaf, a petal, a pearl."""

    centre: tuple[float, float, float]
    half: tuple[float, float, float]
    yaw: float = 0.0
    tilt: float = 0.0
    bend: float = 0.0


def pieces(all_of: list[Piece]) -> Distance:
    """The union of small ellipsoids; far ones are passed over by their bounding spheres."""

    def one(p: Array, piece: Piece) -> Array:
        q = turned(p - np.array(piece.centre, np.float32), piece.yaw)
        c, s = math.cos(piece.tilt), math.sin(piece.tilt)
        q = np.stack([q[:, 0], c * q[:, 1] - s * q[:, 2], s * q[:, 1] + c * q[:, 2]], -1)
        if piece.bend:
            q[:, 1] += piece.bend * q[:, 0] ** 2
        half = np.array(piece.half, np.float32)
        k0, k1 = norm(q / half), norm(q / (half * half))
        return k0 * (k0 - 1.0) / np.maximum(k1, 1e-4)

    def distance(p: Array) -> Array:
        out = np.full(len(p), FAR, np.float32)
        for piece in all_of:
            reach = norm(p - np.array(piece.centre, np.float32)) - max(piece.half)
            close = reach < np.minimum(out, 0.35)
            out = np.minimum(out, np.maximum(reach, 0.3))
            if close.any():
                out[close] = np.minimum(out[close], one(p[close], piece))
        return out * np.float32(0.8)

    return distance


def noise(p: Array, scale: float, seed: int = 0) -> Array:
    """Smooth value noise in 0..1."""
    q = p * scale
    cell = np.floor(q).astype(np.int64)
    f = (q - cell).astype(np.float32)
    f = f * f * (3 - 2 * f)
    total = np.zeros(len(p), np.float32)
    for dx in (0, 1):
        for dy in (0, 1):
            for dz in (0, 1):
                key = (cell[:, 0] + dx) * 73856093 ^ (cell[:, 1] + dy) * 19349663
                key = (key ^ (cell[:, 2] + dz) * 83492791) + seed * 977
                value = ((key * 1103515245 + 12345) >> 8 & 0xFFFF) / 65535.0
                weight = np.where(dx, f[:, 0], 1 - f[:, 0]) * np.where(dy, f[:, 1], 1 - f[:, 1])
                total += (value * weight * np.where(dz, f[:, 2], 1 - f[:, 2])).astype(np.float32)
    return total


def mixed(one: str, other: str, share: Callable[[Array, Array], Array]) -> Paint:
    """Two colours, by a share of the second at each point."""
    first, second = rgb(one), rgb(other)

    def paint(p: Array, n: Array) -> Array:
        part = np.clip(share(p, n), 0, 1)[:, None]
        return first * (1 - part) + second * part

    return paint


def wrapped(picture: Image.Image, base: str, radius: float, low: float, high: float,
            half_angle: float) -> Paint:
    """A label around the front of a tin standing at x = z = 0, between two heights."""
    pixels = (np.asarray(picture.convert("RGBA"), np.float32) / 255.0) ** np.array(
        [2.2, 2.2, 2.2, 1], np.float32)
    height, width = pixels.shape[:2]
    ground = rgb(base)

    def paint(p: Array, n: Array) -> Array:
        angle = np.arctan2(p[:, 0], p[:, 2])
        u = (angle / half_angle + 1) / 2
        v = (high - p[:, 1]) / (high - low)
        on = (u >= 0) & (u < 1) & (v >= 0) & (v < 1) & (np.hypot(p[:, 0], p[:, 2]) > radius - 0.05)
        colour = np.tile(ground, (len(p), 1))
        texel = pixels[(v[on] * height).astype(int), (u[on] * width).astype(int)]
        colour[on] = colour[on] * (1 - texel[:, 3:]) + texel[:, :3] * texel[:, 3:]
        return colour

    return paint


def label(name: str, latin: str, paper: str, ink: str, seal: str, size: tuple[int, int],
          motif: str) -> Image.Image:
    """A paper label: the name upright in Chinese, a red seal, a thin frame, a motif below."""
    width, height = size
    picture = Image.new("RGBA", size, paper)
    draw = ImageDraw.Draw(picture)
    for inset, line in ((22, 5), (36, 2)):
        draw.rectangle((inset, inset, width - inset, height - inset), outline=ink, width=line)
    side = min(int(width * 0.36), int(height * 0.53 / len(name)))
    font = ImageFont.truetype(FONT, side)
    top = int(height * 0.09)
    for number, sign in enumerate(name):
        draw.text((width * 0.5, top + (number + 0.5) * side * 1.05), sign, ink, font, anchor="mm")
    under = top + len(name) * side * 1.05
    mark = int(width * 0.13)
    left, upper = int(width * 0.5 - mark / 2), int(under + height * 0.025)
    draw.rounded_rectangle((left, upper, left + mark, upper + mark), 8, fill=seal)
    draw.text((left + mark / 2, upper + mark / 2), "茶", paper,
              ImageFont.truetype(FONT, int(mark * 0.72)), anchor="mm")
    small = ImageFont.truetype(LATIN, int(width * 0.062))
    draw.text((width / 2, height * 0.885), latin, ink, small, anchor="mm")
    _motif(draw, motif, width, height, ink)
    return picture


def _motif(draw: ImageDraw.ImageDraw, kind: str, width: int, height: int, ink: str) -> None:
    """Hills, waves or blossoms in thin lines at the label's sides."""
    y = height * 0.82
    if kind == "hills":
        for shift, tall in ((0.0, 60), (0.24, 96), (0.52, 70)):
            x = width * (0.14 + shift)
            points = [(x + i, y - tall * math.sin(math.pi * i / (width * 0.3)))
                      for i in range(int(width * 0.3))]
            draw.line(points, fill=ink, width=3)
    elif kind == "waves":
        for row in range(2):
            points = [(x, y - row * 22 + 9 * math.sin(x / 22 + row)) for x in
                      range(int(width * 0.16), int(width * 0.84), 2)]
            draw.line(points, fill=ink, width=3)
    else:
        for x in (width * 0.2, width * 0.8):
            for petal in range(5):
                a = petal * math.tau / 5 - math.pi / 2
                cx, cy = x + 26 * math.cos(a), y - 8 + 26 * math.sin(a)
                draw.ellipse((cx - 17, cy - 17, cx + 17, cy + 17), outline=ink, width=3)


def scene_distance(scene: Scene, p: Array) -> tuple[Array, npt.NDArray[np.int8]]:
    """(distance, which thing; -1 is the table) of each point."""
    best = p[:, 1].copy()
    which = np.full(len(p), -1, np.int8)
    for number, thing in enumerate(scene.things):
        away = norm(p - np.array(thing.centre, np.float32)) - thing.radius
        close = away < np.minimum(best, 0.4)
        rough = ~close & (away < best)
        best[rough] = np.maximum(away[rough], 0.3)
        if close.any():
            found = thing.distance(p[close]).astype(np.float32)
            index = np.flatnonzero(close)
            nearer = found < best[index]
            best[index[nearer]] = found[nearer]
            which[index[nearer]] = number
    return best, which


def march(scene: Scene, start: Array, direction: Array, far: float) -> tuple[Array, Array]:
    """(way along each ray to what it meets, or `far`; thing met, -2 for none)."""
    way = np.full(len(start), 0.02, np.float32)
    met = np.full(len(start), -2, np.float32)
    active = np.arange(len(start))
    for _ in range(STEPS_MAX):
        p = start[active] + way[active, None] * direction[active]
        distance, which = scene_distance(scene, p)
        hit = distance < NEAR_HIT
        met[active[hit]] = which[hit]
        way[active] += np.where(hit, 0, distance).astype(np.float32)
        active = active[~hit & (way[active] < far)]
        if not len(active):
            break
    return way, met


def normals(scene: Scene, p: Array) -> Array:
    """Surface directions by central differences."""
    out = np.zeros_like(p)
    for axis in range(3):
        step = np.zeros(3, np.float32)
        step[axis] = 0.0015
        out[:, axis] = scene_distance(scene, p + step)[0] - scene_distance(scene, p - step)[0]
    return unit(out)


def shadow(scene: Scene, p: Array, to_light: Array, softness: float) -> Array:
    """0 (dark) .. 1: how much of a soft light reaches each point."""
    light = np.ones(len(p), np.float32)
    way = np.full(len(p), 0.03, np.float32)
    active = np.arange(len(p))
    for _ in range(36):
        distance, _ = scene_distance(scene, p[active] + way[active, None] * to_light)
        light[active] = np.minimum(light[active], softness * distance / way[active])
        way[active] += np.clip(distance, 0.03, 0.5)
        active = active[(light[active] > 0.01) & (way[active] < 9)]
        if not len(active):
            break
    light = np.clip(light, 0, 1)
    return light * light * (3 - 2 * light)


def openness(scene: Scene, p: Array, n: Array) -> Array:
    """Ambient light that reaches a point past its surroundings."""
    closed = np.zeros(len(p), np.float32)
    for number, step in enumerate((0.05, 0.14, 0.3, 0.6)):
        distance, _ = scene_distance(scene, p + n * step)
        closed += (step - np.minimum(distance, step)) / step * 0.34 * 0.75**number
    return np.clip(1 - closed, 0.08, 1)


def backdrop(scene: Scene, direction: Array) -> Array:
    """The wall: a soft glow behind the things."""
    low, high = np.array(scene.low, np.float32), np.array(scene.high, np.float32)
    up = np.clip((direction[:, 1] + 0.34) * 2.0, 0, 1)[:, None]
    return low * (1 - up) + high * up


def shade(scene: Scene, p: Array, view: Array, met: Array) -> Array:
    """Light that comes from each point met."""
    n = normals(scene, p)
    key = unit(np.array([[-0.62, 0.9, 0.55]], np.float32))[0]
    rim = unit(np.array([[0.8, 0.45, -0.55]], np.float32))[0]
    base = np.zeros_like(p)
    gloss, sharp, mirror = (np.zeros(len(p), np.float32) for _ in range(3))
    table = met < 0
    base[table] = np.array(scene.low, np.float32) * 0.92
    gloss[table], sharp[table] = 0.05, 12
    for number, thing in enumerate(scene.things):
        mine = met == number
        if mine.any():
            base[mine] = thing.paint(p[mine], n[mine])
            gloss[mine], sharp[mine], mirror[mine] = thing.gloss, thing.sharpness, thing.mirror
    lit = np.clip(n @ key, 0, 1) * shadow(scene, p + n * 0.004, key, 7.0)
    ambient = openness(scene, p, n)
    sky = 0.5 + 0.5 * n[:, 1]
    half = unit(key - view)
    shine = gloss * np.clip((n * half).sum(-1), 0, 1) ** sharp * (0.3 + 0.7 * lit)
    edge = np.clip(1 + (n * view).sum(-1), 0, 1) ** 4
    rimmed = np.clip(n @ rim, 0, 1) * (0.14 + 0.5 * gloss) * ambient
    bounce = np.clip(-n[:, 1] * 0.5 + 0.35, 0, 1) * ambient * 0.22
    warm = np.array([1.0, 0.95, 0.86], np.float32)
    cool = np.array([0.86, 0.93, 1.0], np.float32)
    colour = base * (lit[:, None] * warm * 1.45 + (sky * ambient * 0.62)[:, None] * cool
                     + rimmed[:, None] * warm)
    colour += base * np.array(scene.low, np.float32) * bounce[:, None] * 1.6
    reflected = view - 2 * (n * view).sum(-1, keepdims=True) * n
    softbox = np.exp(-(((reflected - key) ** 2).sum(-1)) * 5.0) * 1.6
    strip = np.exp(-((reflected[:, 0] - 0.75) ** 2) * 26) * np.clip(reflected[:, 1] + 0.4, 0, 1)
    seen = backdrop(scene, reflected) * 0.5 + (softbox + strip * 0.8)[:, None]
    share = np.clip(mirror + (0.04 + 0.5 * edge) * (gloss > 0.1), 0, 0.9) * ambient
    colour = colour * (1 - share[:, None] * 0.6) + seen * share[:, None]
    colour += shine[:, None] * warm * 1.3
    # The table fades into the wall, as a photographer's paper sweep does.
    fade = np.clip((-p[:, 2] - 1.5) / 6.0, 0, 1)[:, None] * table[:, None]
    return colour * (1 - fade) + backdrop(scene, view) * fade


def render(scene: Scene, side: int) -> Image.Image:
    """A square picture, twice-sampled down to OUT_PX."""
    eye = np.array([0.0, 2.75, 8.2], np.float32)
    at = np.array([0.0, 1.16, 0.0], np.float32)
    forward = unit((at - eye)[None])[0]
    right = unit(np.cross(forward, np.array([0, 1, 0], np.float32))[None])[0]
    up = np.cross(right, forward)
    span = np.linspace(-1, 1, side, dtype=np.float32) * math.tan(math.radians(16.0))
    picture = np.zeros((side, side, 3), np.float32)
    rows = max(1, 160_000 // side)
    for top in range(0, side, rows):
        xs, ys = np.meshgrid(span, -span[top : top + rows])
        rays = forward + xs[..., None] * right + ys[..., None] * up
        view = unit(rays.reshape(-1, 3).astype(np.float32))
        start = np.tile(eye, (len(view), 1))
        way, met = march(scene, start, view, FAR)
        colour = backdrop(scene, view)
        solid = met > -2
        points = start[solid] + way[solid, None] * view[solid]
        colour[solid] = shade(scene, points, view[solid], met[solid])
        picture[top : top + rows] = colour.reshape(-1, side, 3)
    mapped = picture * (1 + picture / 6.0) / (1 + picture * 0.72) * 1.22
    x = np.linspace(-1, 1, side, dtype=np.float32)
    vignette = 1 - 0.13 * np.clip(x[None] ** 2 + x[:, None] ** 2 - 0.5, 0, 2)
    out = np.clip(mapped * vignette[..., None], 0, 1) ** (1 / 2.2)
    image = Image.fromarray((out * 255 + 0.5).astype(np.uint8))
    return image.resize((OUT_PX, OUT_PX), Image.Resampling.LANCZOS)


def tin(body: Paint, lid: str, trim: str, radius: float = 1.0, high: float = 2.35) -> list[Thing]:
    """A round tin at the middle: body, lid and the thin gold line between them."""
    seam = high - 0.55
    around = {"centre": (0.0, high / 2, 0.0), "radius": high * 0.75}
    return [
        Thing(cylinder(0, seam / 2, 0, radius, seam / 2, 0.05), body, 0.5, 60, 0.05, **around),
        Thing(cylinder(0, (high + seam) / 2, 0, radius + 0.03, (high - seam) / 2, 0.09),
              flat(lid), 0.75, 90, 0.10, **around),
        Thing(cylinder(0, seam, 0, radius + 0.035, 0.028, 0.02), flat(trim), 1.0, 60, 0.35,
              **around),
    ]  # fmt: skip


def cup_of(x: float, z: float, tea: str, porcelain: str = "#f4f1ea") -> list[Thing]:
    """A porcelain cup of tea."""
    radius, y = 0.56, 0.58
    around = {"centre": (x, y, z), "radius": 0.85}
    inside = drink(x, y, z, radius - 0.03, 0.06)
    return [
        Thing(bowl(x, y, z, radius, 0.028, 0.2), flat(porcelain), 0.7, 90, 0.06, **around),
        Thing(inside, flat(tea), 0.9, 120, 0.10, **around),
    ]


def longjing() -> Scene:
    """A green tin, flat bright leaves, a cup of pale green tea."""
    rng = np.random.default_rng(7)
    leaves = []
    for number in range(46):
        r, a = 0.30 + 1.0 * rng.random() ** 0.7, rng.random() * math.tau
        x, z = -1.12 + 0.75 * r * math.cos(a), 1.55 + 0.55 * r * math.sin(a)
        y = 0.03 + 0.11 * max(0.0, 1 - r) + 0.0012 * number
        leaves.append(Piece((x, y, z), (0.25 + 0.08 * rng.random(), 0.014, 0.042),
                            rng.random() * math.tau, rng.normal() * 0.18, rng.normal() * 0.12))
    paper = label("明前龙井", "LONGJING", "#f3ead2", "#20402f", "#a8322a", (620, 880), "hills")
    body = wrapped(paper, "#2f6b48", 1.0, 0.1, 1.7, 0.66)
    green = mixed("#7f9a3a", "#c2c86a", lambda p, n: noise(p, 7.0) * 1.2 - 0.1)
    return Scene(
        [*tin(body, "#2a6242", "#c9a24b"),
         Thing(pieces(leaves), green, 0.12, 14, 0.0, (-1.12, 0.1, 1.55), 1.35),
         *cup_of(1.28, 1.2, "#b9b04a")],
        (0.50, 0.55, 0.40), (0.80, 0.84, 0.70))  # fmt: skip


def tieguanyin() -> Scene:
    """A teal box, rolled leaves, a cup of golden tea."""
    rng = np.random.default_rng(11)
    balls = []
    for number in range(52):
        r, a = 0.95 * rng.random() ** 0.6, rng.random() * math.tau
        x, z = -1.2 + 0.7 * r * math.cos(a), 1.5 + 0.55 * r * math.sin(a)
        size = 0.075 + 0.03 * rng.random()
        y = size * 0.9 + 0.20 * max(0.0, 0.7 - r) * (number % 2)
        balls.append(Piece((x, y, z), (size * 1.3, size, size * 0.95), rng.random() * 6,
                           rng.normal() * 0.6, rng.normal() * 1.5))
    paper = label("铁观音", "TIEGUANYIN", "#f1e7cf", "#173f46", "#a8322a", (620, 880), "waves")
    front = _on_front(paper, "#1d5560", 0.74, 0.22, 2.13, 1.18)
    around = {"centre": (0.0, 1.2, 0.0), "radius": 1.85}
    dark = mixed("#2c4a2a", "#6f8a46", lambda p, n: noise(p, 13.0, 3) * 1.5 - 0.35)
    turn = 0.30
    return Scene(
        [Thing(box(0, 0.92, 0, (1.0, 0.92, 0.74), 0.05, turn), front, 0.4, 50, 0.04, **around),
         Thing(box(0, 2.1, 0, (1.03, 0.26, 0.77), 0.06, turn), flat("#184a54"), 0.6, 70, 0.08,
               **around),
         Thing(box(0, 1.83, 0, (1.035, 0.03, 0.775), 0.02, turn), flat("#c9a24b"), 1.0, 60, 0.3,
               **around),
         Thing(pieces(balls), dark, 0.25, 24, 0.0, (-1.2, 0.15, 1.5), 1.2),
         *cup_of(1.36, 1.25, "#d89a2e")],
        (0.42, 0.53, 0.53), (0.74, 0.83, 0.82))  # fmt: skip


def _on_front(picture: Image.Image, base: str, depth: float, low: float, high: float,
              width: float) -> Paint:
    """A label on the front of the turned box."""
    pixels = (np.asarray(picture.convert("RGB"), np.float32) / 255.0) ** 2.2
    rows, columns = pixels.shape[:2]
    ground = rgb(base)
    high = min(high, 1.74)

    def paint(p: Array, n: Array) -> Array:
        q = turned(p, 0.30)
        u, v = q[:, 0] / width + 0.5, (high - q[:, 1]) / (high - low)
        on = (np.abs(u - 0.5) < 0.5) & (v >= 0) & (v < 1) & (q[:, 2] > depth - 0.02)
        colour = np.tile(ground, (len(p), 1))
        colour[on] = pixels[(v[on] * rows).astype(int), (u[on] * columns).astype(int)]
        return colour

    return paint


def puer() -> Scene:
    """A pressed cake leaning on its wrapper, and a cup of red-brown tea."""
    lean = 0.30

    def upright(p: Array) -> Array:
        q = p - np.array([0.0, 1.22, -0.1], np.float32)
        c, s = math.cos(lean), math.sin(lean)
        return np.stack([q[:, 0], c * q[:, 1] + s * q[:, 2], c * q[:, 2] - s * q[:, 1]], -1)

    def cake(p: Array) -> Array:
        q = upright(p)
        round_ = np.hypot(q[:, 0], q[:, 1])
        thick = 0.30 * np.sqrt(np.clip(1.06 - (round_ / 1.22) ** 4, 0.02, 1))
        outside = np.hypot(np.maximum(round_ - 1.1, 0), np.maximum(np.abs(q[:, 2]) - thick, 0))
        rough = noise(p, 9.0, 5) * 0.035 + noise(p, 21.0, 6) * 0.016
        rough *= np.clip((round_ - 0.44) / 0.08, 0.06, 1)
        return (outside - 0.06 - rough) * 0.75

    def paper_disc(p: Array) -> Array:
        q = upright(p)
        round_ = np.hypot(q[:, 0] - 0.12, q[:, 1] - 0.02)
        crease = 0.02 * np.sin(np.arctan2(q[:, 1], q[:, 0]) * 15) * np.clip(round_ - 0.8, 0, 1)
        side = round_ - 1.46 - 0.03 * np.sin(np.arctan2(q[:, 1], q[:, 0]) * 9)
        back = np.abs(q[:, 2] + 0.44 + crease) - 0.008
        return np.hypot(np.maximum(side, 0), np.maximum(back, 0)) * 0.8 - 0.006

    leaf = mixed("#2a1710", "#6e4526", lambda p, n: (
        noise(p * np.array([1, 3.2, 1], np.float32), 8.0, 1) * 1.4 - 0.35
        + (noise(p * np.array([3.0, 1, 1], np.float32), 13.0, 2) > 0.72) * 0.5))
    rng = np.random.default_rng(5)
    crumbs = [Piece((-1.15 + 0.45 * rng.normal(), 0.05 + 0.03 * rng.random(),
                     1.5 + 0.35 * rng.normal()),
                    (0.16 + 0.07 * rng.random(), 0.035, 0.05), rng.random() * 6, 0.2 * rng.normal(),
                    rng.normal()) for _ in range(24)]  # fmt: skip
    ticket = _ticket()
    around = {"centre": (0.0, 1.2, -0.1), "radius": 1.75}

    def painted(p: Array, n: Array) -> Array:
        colour = np.array(leaf(p, n))
        q = upright(p)
        u, v = q[:, 0] / 0.92 + 0.5, 0.5 - q[:, 1] / 0.92
        on = (np.abs(u - 0.5) < 0.5) & (np.abs(v - 0.5) < 0.5) & (q[:, 2] > 0)
        texel = ticket[(v[on] * 599).astype(int), (u[on] * 599).astype(int)]
        colour[on] = colour[on] * (1 - texel[:, 3:]) + texel[:, :3] * texel[:, 3:]
        return colour

    return Scene(
        [Thing(cake, painted, 0.16, 18, 0.0, **around),
         Thing(paper_disc, mixed("#e9dcc0", "#d8c49a", lambda p, n: noise(p, 5.0, 8)), 0.05, 10,
               0.0, **around),
         Thing(pieces(crumbs), leaf, 0.15, 18, 0.0, (-1.15, 0.1, 1.5), 1.9),
         *cup_of(1.3, 1.3, "#8a2c12")],
        (0.60, 0.44, 0.33), (0.90, 0.80, 0.69))  # fmt: skip


def _ticket() -> Array:
    """The round inner ticket of the cake, as linear RGBA."""
    picture = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((40, 40, 560, 560), fill="#f2e6ca")
    draw.ellipse((62, 62, 538, 538), outline="#9c2f22", width=9)
    draw.ellipse((84, 84, 516, 516), outline="#9c2f22", width=3)
    font = ImageFont.truetype(FONT, 150)
    draw.text((300, 225), "普", "#9c2f22", font, anchor="mm")
    draw.text((300, 385), "洱", "#9c2f22", font, anchor="mm")
    pixels = np.asarray(picture, np.float32) / 255.0
    return np.asarray(pixels ** np.array([2.2, 2.2, 2.2, 1], np.float32), np.float32)


def jasmine() -> Scene:
    """An ivory tin, rolled pearls, white blossoms, a cup of pale gold tea."""
    rng = np.random.default_rng(3)
    pearls = []
    for ring, (count, y) in enumerate(((34, 0.11), (16, 0.28), (5, 0.44))):
        spread = (1.0, 0.6, 0.25)[ring]
        for number in range(count):
            a = number * 2.399963
            r = spread * math.sqrt((number + 0.5) / count)
            x, z = -1.15 + 0.72 * r * math.cos(a), 1.5 + 0.55 * r * math.sin(a)
            size = 0.115 + 0.012 * rng.random()
            pearls.append(Piece((x, y, z), (size, size * 0.94, size), rng.random() * 6, 0, 0))
    petals, hearts = [], []
    for x, z, y, turn in ((-0.25, 2.0, 0.06, 0.2), (0.52, 1.72, 0.06, 0.6)):
        for number in range(6):
            a = turn + number * math.tau / 6
            cx, cz = x + 0.19 * math.cos(a), z + 0.19 * math.sin(a)
            petals.append(Piece((cx, y + 0.05, cz), (0.19, 0.022, 0.095), a, 0.0, -1.1))
        hearts.append(Piece((x, y + 0.05, z), (0.05, 0.04, 0.05)))
    size = (620, 880)
    paper = label("茉莉龙珠", "JASMINE PEARLS", "#fbf6e6", "#3b5a45", "#a8322a", size, "bloom")
    body = wrapped(paper, "#d8cba4", 1.0, 0.1, 1.7, 0.66)

    def spiral(p: Array, n: Array) -> Array:
        return 0.5 + 0.5 * np.sin(p[:, 1] * 46 + np.arctan2(n[:, 2], n[:, 0]) * 2) - 0.2

    return Scene(
        [*tin(body, "#efe6cb", "#c9a24b"),
         Thing(pieces(pearls), mixed("#5f6b3c", "#c9c79a", spiral), 0.2, 20, 0.0,
               (-1.15, 0.25, 1.5), 1.25),
         Thing(pieces(petals), mixed("#ffffff", "#eef0da", lambda p, n: noise(p, 9.0)), 0.1, 12,
               0.0, (0.1, 0.1, 1.85), 1.2),
         Thing(pieces(hearts), flat("#e2c85a"), 0.1, 12, 0.0, (0.1, 0.1, 1.85), 1.2),
         *cup_of(1.32, 1.15, "#dcc35a")],
        (0.66, 0.57, 0.44), (0.93, 0.89, 0.80))  # fmt: skip


SCENES: dict[str, Callable[[], Scene]] = {
    "longjing": longjing,
    "tieguanyin": tieguanyin,
    "puer": puer,
    "jasmine": jasmine,
}


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=tuple(SCENES))
    parser.add_argument("--side", type=int, default=1200, help="pixels rendered before shrinking")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "tea-shop" / "assets")
    parser.add_argument("--png", action="store_true", help="write PNG, to look at")
    args = parser.parse_args()
    for name, scene in SCENES.items():
        if args.only in (None, name):
            picture = render(scene(), args.side)
            args.out.mkdir(parents=True, exist_ok=True)
            path = args.out / f"{name}.{'png' if args.png else 'webp'}"
            picture.save(path, **({} if args.png else {"quality": 86, "method": 6}))
            print(path)


if __name__ == "__main__":
    main()
