"""The shop behind the avatar: shelves of tea tins and hanging lamps, out of focus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve

from models.person.blender import Colour, Material, Stage

Floats = NDArray[np.float32]
WALL_Y_CM = 210.0
TIN_COLOURS: tuple[Colour, ...] = (
    (0.16, 0.30, 0.18), (0.52, 0.12, 0.08), (0.62, 0.42, 0.14), (0.74, 0.66, 0.50),
    (0.10, 0.16, 0.13), (0.44, 0.26, 0.14), (0.80, 0.74, 0.62), (0.24, 0.38, 0.34),
)


def build(stage: Stage, seed: int = 5) -> None:
    """Shelves with tins, a counter edge, three warm lamps; Blender axes, cm."""
    rng = np.random.default_rng(seed)
    wood = stage.material("wood", Base_Color=(0.26, 0.135, 0.065, 1), Roughness=0.5)
    wall = stage.material("wall", Base_Color=(0.46, 0.36, 0.25, 1), Roughness=0.9)
    tins = [stage.material(f"tin {i}", Base_Color=(*c, 1), Roughness=0.35, Metallic=0.25)
            for i, c in enumerate(TIN_COLOURS)]
    _box(stage, (0, WALL_Y_CM + 30, 0), (340, 2, 320), wall)
    for x in (-112, -38, 38, 112):
        _box(stage, (x, WALL_Y_CM + 8, 0), (4, 34, 300), wood)
    for level in range(-4, 4):
        z = level * 34.0
        _box(stage, (0, WALL_Y_CM + 8, z), (300, 34, 2.4), wood)
        _tin_row(stage, rng, z + 1.2, tins)
        lit = _glow(stage, (1.0, 0.66, 0.34), 1.6)
        _box(stage, (0, WALL_Y_CM - 6, z - 1.9), (300, 1.0, 0.7), lit)
    for x, y, z in ((-47, 150, 47), (44, 175, 52), (57, 130, 36)):
        _lantern(stage, (x, y, z), 7.5, _glow(stage, (1.0, 0.62, 0.30), 2.6))
        _box(stage, (x, y, z + 40), (0.8, 0.8, 70), wood)
    stage.world_light((0.9, 0.75, 0.58), 0.16)
    stage.area_light((0, 40, 140), (0, WALL_Y_CM, 0), 160, 230_000, (1.0, 0.83, 0.62))


def _tin_row(stage: Stage, rng: np.random.Generator, z: float, tins: list[Material]) -> None:
    x = -140.0
    while x < 140:
        wide, tall = rng.uniform(7, 13), rng.uniform(12, 25)
        colour = tins[int(rng.integers(len(tins)))]
        if rng.random() < 0.85:
            repeat = int(rng.integers(1, 4))
            for _ in range(repeat):
                _box(stage, (x + wide / 2, WALL_Y_CM + rng.uniform(0, 8), z + tall / 2),
                     (wide * 0.94, wide, tall), colour)
                x += wide + 0.6
        x += rng.uniform(1, 9)


def _glow(stage: Stage, colour: Colour, strength: float) -> Material:
    return stage.material("glow", Emission_Color=(*colour, 1), Emission_Strength=strength)


def _lantern(stage: Stage, at: Colour, radius: float, material: Material) -> None:
    u, v = np.linspace(0.25, np.pi - 0.25, 12)[:, None], np.linspace(0, 2 * np.pi, 25)[None]
    points = np.stack([np.sin(u) * np.cos(v), np.sin(u) * np.sin(v), 0.85 * np.cos(u) + 0 * v], -1)
    faces = [(r * 25 + c, r * 25 + c + 1, r * 25 + c + 26, r * 25 + c + 25)
             for r in range(11) for c in range(24)]
    grid = (points * radius + np.array(at)).reshape(-1, 3).astype(np.float32)
    stage.mesh("lantern", grid, list(faces), [material])


def _box(stage: Stage, at: Colour, size: Colour, material: Material) -> None:
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32)
    points = corners * np.array(size, np.float32) / 2 + np.array(at, np.float32)
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    item = stage.mesh("box", points.astype(np.float32), list(faces), [material])
    item.data.polygons.foreach_set("use_smooth", np.zeros(6, bool))


def out_of_focus(rgb: Floats, radius_px: float) -> Floats:
    """A lens's blur on display RGB: averaged as light, so that lamps become discs that glow."""
    glow = 1 + 4 * np.clip(rgb.max(-1, keepdims=True) - 0.85, 0, 1)
    light = rgb.astype(np.float32) ** 2.2 * glow
    reach = int(radius_px)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius_px - np.hypot(x, y) + 0.5, 0, 1).astype(np.float32)
    disc /= disc.sum()
    padded = np.pad(light, ((reach,) * 2, (reach,) * 2, (0, 0)), mode="edge")
    blurred = np.stack([fftconvolve(padded[..., c], disc, "valid") for c in range(3)], -1)
    soft = gaussian_filter(blurred, (1.2, 1.2, 0))
    result: Floats = (np.clip(soft, 0, 1) ** (1 / 2.2)).astype(np.float32)
    return result
