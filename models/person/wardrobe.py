"""Puts hair and clothes into the scene, with their materials; tints the scalp under the hair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.person import arm, clothes, hair
from models.person.blender import Colour, Material, Stage, to_blender
from models.person.character import Character, Dress, Hair
from models.person.face import Head
from models.person.scene import FaceObject, plain_skin

Floats = NDArray[np.float32]
DARK_GREY: Colour = (0.075, 0.070, 0.068)
GREY: Colour = (0.46, 0.47, 0.50)
SCALP: Colour = (0.030, 0.020, 0.016)


def dress(stage: Stage, head: Head, face: FaceObject, who: Character, density: float = 1.0,
          body: Path | None = None) -> Arms:
    """Hair (density 1 = final), scalp tint and clothes; returns the arms, to be posed. `body` are
    the assets with the hands, which only gestures show."""
    _tint_scalp(stage, head, face)
    for name, strands, material in _hair(stage, head, who.hair, density):
        count, steps = strands.points.shape[:2]
        points = to_blender(strands.points.reshape(-1, 3)).reshape(count, steps, 3)
        stage.strands(name, points, strands.radius_cm, material)
    linen, apron, piping = (_cloth(stage, n, c, w) for n, c, w in (
        ("linen", who.dress.blouse, 60.0), ("apron", who.dress.apron, 45.0),
        ("piping", who.dress.piping, 60.0)))
    blouse = clothes.blouse(head, who.dress)
    for part in blouse:
        _add(stage, part, piping if part.name == "piping" else linen)
    for part in clothes.apron(blouse[0], who.dress):
        _add(stage, part, apron)
    brass = stage.material("brass", Base_Color=(0.72, 0.50, 0.22, 1), Metallic=1.0, Roughness=0.3)
    _add(stage, clothes.badge(who.dress), brass)
    seam, knots = clothes.fastening(who.dress)
    for part in seam:
        _add(stage, part, linen)
    for knot in knots:
        for piece in knot_button(knot, who.dress):
            _add(stage, piece, piping)
    return Arms(stage, who, linen, body)


class Arms:
    """Both arms in the scene, hanging until posed."""

    def __init__(self, stage: Stage, who: Character, cloth: Material, body: Path | None) -> None:
        self._stage, self._who = stage, who
        self._hand = arm.load_hand(body, 0.10, who.hands) if body is not None else None
        self._sleeves: dict[int, Any] = {}
        self._hands: dict[int, Any] = {}
        skin = plain_skin(stage, who.complexion)
        for side in (-1, 1):
            part = arm.sleeve(arm.HANGING, side, who.dress.shoulders)
            self._sleeves[side] = _add(stage, part, cloth)
            if self._hand is not None:
                faces = self._hand.faces
                flip = faces if side > 0 else [f[::-1] for f in faces]
                points = to_blender(self._placed(arm.HANGING, side))
                self._hands[side] = stage.mesh("hand", points, flip, [skin], subdivide=1)

    def pose(self, side: int, pose: arm.ArmPose) -> None:
        """Move one arm; side -1 is the right one."""
        part = arm.sleeve(pose, side, self._who.dress.shoulders)
        self._stage.move_points(self._sleeves[side], to_blender(part.grid.reshape(-1, 3)))
        if side in self._hands:
            self._stage.move_points(self._hands[side], to_blender(self._placed(pose, side)))

    def _placed(self, pose: arm.ArmPose, side: int) -> Floats:
        assert self._hand is not None
        return arm.placed_hand(self._hand, pose, side, self._who.dress.shoulders)


def _hair(stage: Stage, head: Head, style: Hair, density: float
          ) -> list[tuple[str, hair.Strands, Material]]:
    """Every bundle of strands with its material; grey hair is mixed in by its share."""
    dark = stage.hair_material("hair", style.melanin, style.redness, rough=0.32)
    grey = stage.hair_material("grey", 0.0, 0.0, rough=0.38, colour=GREY)
    brow = stage.hair_material("brow", style.melanin, style.redness, rough=0.5,
                               colour=DARK_GREY if style.grey > 0.5 else None)
    brows = hair.brows(head, style.brow_hairs, style.brow_thickness)
    if style.style == "short":
        count, white = int(46_000 * density), style.grey
        return [("short", hair.short(head, int(count * (1 - white)), 3), dark),
                ("grey", hair.short(head, int(count * white), 8), grey),
                ("brows", brows, brow)]
    return [("swept", hair.swept_back(head, int(30_000 * density)), dark),
            ("loose", hair.loose_behind(int(11_000 * density)), dark), ("brows", brows, brow)]


def _add(stage: Stage, part: clothes.Part, material: Material) -> Any:
    points = to_blender(part.grid.reshape(-1, 3))
    item = stage.mesh(part.name, points, part.faces(), [material], subdivide=1)
    if part.thick_cm:
        shell = item.modifiers.new("thick", "SOLIDIFY")
        shell.thickness, shell.offset = part.thick_cm, 1.0
    return item


def _cloth(stage: Stage, name: str, colour: Colour, threads: float) -> Material:
    """Woven cloth: two crossed waves as bump, a little sheen and uneven dye."""
    cloth = stage.material(name, Roughness=0.85, Sheen_Weight=0.18, Specular_IOR_Level=0.25)
    place = cloth.node("TexCoord").outputs["Object"]
    waves = []
    for direction in ("X", "Z"):
        wave = cloth.node("TexWave", bands_direction=direction)
        wave.inputs["Scale"].default_value = threads / 20
        wave.inputs["Distortion"].default_value = 1.2
        cloth.link(place, wave.inputs["Vector"])
        waves.append(wave.outputs["Fac"])
    slub = cloth.node("TexNoise")
    slub.inputs["Scale"].default_value, slub.inputs["Detail"].default_value = 0.35, 6
    cloth.link(place, slub.inputs["Vector"])
    darker: Colour = (colour[0] * 0.82, colour[1] * 0.82, colour[2] * 0.80)
    cloth.to(cloth.mix(slub.outputs["Fac"], darker, colour), "Base Color")
    fold = cloth.node("TexNoise")
    for key, value in (("Scale", 0.085), ("Detail", 2.0), ("Distortion", 1.6)):
        fold.inputs[key].default_value = value
    cloth.link(place, fold.inputs["Vector"])
    height = cloth.math("ADD", cloth.math("ADD", waves[0], waves[1]),
                        cloth.math("MULTIPLY", slub.outputs["Fac"], 3.0))
    height = cloth.math("ADD", height, cloth.math("MULTIPLY", fold.outputs["Fac"], 60.0))
    cloth.bump(height, 0.25, 0.05)
    return cloth


def knot_button(height: float, build: Dress) -> list[clothes.Part]:
    """A Chinese knot button: a ball with a cord loop to each side, on the blouse's middle."""
    at = clothes.front(np.zeros(1), np.array([height]), build, 0.28)[0]
    u = np.linspace(0, np.pi, 9)[:, None]
    v = np.linspace(0, 2 * np.pi, 16, endpoint=False)[None]
    ball = np.stack([np.sin(u) * np.cos(v), np.cos(u) + 0 * v, np.sin(u) * np.sin(v)], -1) * 0.36
    parts = [clothes.Part("ball", (ball + at + (0, 0, 0.12)).astype(np.float32), True)]
    for side in (-1, 1):
        for dy in (-0.13, 0.13):
            x = side * np.linspace(0.2, 2.1, 12)
            y = height + dy * (1 - 0.4 * np.linspace(0, 1, 12)) + 0 * x
            centre = clothes.front(x, y, build, 0.28).astype(np.float64)
            ring = np.linspace(0, 2 * np.pi, 8, endpoint=False)
            tube = centre[:, None] + 0.12 * np.stack(
                [0 * ring, np.cos(ring), np.sin(ring)], -1)[None]
            parts.append(clothes.Part("cord", tube.astype(np.float32), True))
    return parts


def _tint_scalp(stage: Stage, head: Head, face: FaceObject) -> None:
    """Skin under hair is dark, so that no light shines through between strands."""
    height = hair.hairline_height(head.vertices[face.used])
    stage.attribute(face.item, "scalp", np.clip((height - 0.1) / 1.1, 0, 1) * 0.95)
    for slot in face.item.material_slots[:2]:
        tree = slot.material.node_tree
        surface = tree.nodes["Principled BSDF"]
        reader = tree.nodes.new("ShaderNodeAttribute")
        reader.attribute_name = "scalp"
        mix = tree.nodes.new("ShaderNodeMixRGB")
        mix.inputs[2].default_value = (*SCALP, 1)
        colour = surface.inputs["Base Color"]
        if colour.links:
            tree.links.new(colour.links[0].from_socket, mix.inputs[1])
        else:
            mix.inputs[1].default_value = tuple(colour.default_value)
        tree.links.new(reader.outputs["Fac"], mix.inputs[0])
        tree.links.new(mix.outputs[0], colour)
