"""Builds the person's Blender scene: skin, eyes, teeth, hair, clothes, light and camera."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.person import framing
from models.person.blender import Material, Stage, to_blender
from models.person.character import Complexion
from models.person.face import Head

Floats = NDArray[np.float32]
SKIN_RADIUS = (1.0, 0.34, 0.18)
BODY_CUT_CM, SHOULDERS_CUT_CM = -13.4, -9.5


class FaceObject:
    """The head in the scene, posed from codes; `near_mouth` keeps only what a mouth crop sees."""

    def __init__(self, stage: Stage, head: Head, textures: Path, complexion: Complexion,
                 near_mouth: bool = False) -> None:
        self.stage, self.head = stage, head
        keep = np.ones(len(head.faces), bool)
        if near_mouth:
            centres = np.array([head.vertices[f].mean(0) for f in head.faces])
            keep = (centres[:, 1] < 5.0) & (np.abs(centres[:, 0]) < 11.0)
        else:
            lowest = np.array([head.vertices[f, 1].min() for f in head.faces])
            wide = np.array([np.abs(head.vertices[f, 0]).max() for f in head.faces])
            # What the clothes hide; of the shoulders nothing is left.
            keep = (lowest > BODY_CUT_CM) & ((lowest > SHOULDERS_CUT_CM) | (wide < 8.2))
        picked = np.flatnonzero(keep)
        self.used, flat = np.unique(np.concatenate([head.faces[i] for i in picked]),
                                    return_inverse=True)
        faces = np.split(flat, np.cumsum([len(head.faces[i]) for i in picked])[:-1])
        uv = head.uv[np.concatenate([head.face_uvs[i] for i in picked])]
        materials = face_materials(stage, head, textures, complexion)
        self.item = stage.mesh("face", to_blender(head.vertices[self.used]), faces,
                               [materials[m] for m in head.materials],
                               head.face_material[picked], uv, subdivide=1)

    def pose(self, code: Floats | None = None, more: dict[str, float] | None = None) -> None:
        self.stage.move_points(self.item, to_blender(self.head.posed(code, more)[self.used]))


def light_and_camera(stage: Stage, lights: bool = True) -> None:
    """A warm key from the left, a soft fill, two rims; the portrait camera."""
    x, y, z = framing.FACE_CM
    stage.camera(framing.SIZE_PX, framing.PX_PER_CM, framing.CAMERA_CM, (x, -z, y),
                 framing.FACE_PX)
    stage.scene.view_settings.exposure = 0.40
    if not lights:
        return
    stage.world_light((0.80, 0.72, 0.62), 0.30)
    stage.area_light((-48, -78, 48), (0, -5, 0), 50, 66000, (1.0, 0.93, 0.84))
    stage.area_light((66, -66, 14), (0, -5, -2), 70, 24000, (1.0, 0.95, 0.90))
    stage.area_light((34, 50, 44), (0, 0, 6), 30, 19000, (1.0, 0.90, 0.78))
    stage.area_light((-46, 44, 30), (0, 0, 4), 30, 12000, (1.0, 0.92, 0.82))
    stage.area_light((0, -90, -70), (0, 0, -10), 80, 9000, (1.0, 0.90, 0.82))
    stage.area_light((-10, -150, 12), (0, 0, -2), 40, 13000, (1.0, 0.95, 0.90))


def face_materials(stage: Stage, head: Head, textures: Path, complexion: Complexion
                   ) -> dict[str, Material]:
    """One material for each of ICT's material names."""
    skin = _skin(stage, textures)
    result = {"M_Face": skin, "M_BackHead": plain_skin(stage, complexion)}
    result["M_GumsTongue"] = stage.material("gums", Base_Color=(0.46, 0.13, 0.12, 1), Roughness=0.3)
    result["M_GumsTongue"].subsurface(0.6, (0.8, 0.25, 0.2), 0.3)
    result["M_Teeth"] = stage.material("teeth", Base_Color=(1.0, 0.96, 0.885, 1), Roughness=0.18)
    result["M_Teeth"].subsurface(0.35, (0.5, 0.4, 0.3), 0.10)
    for side in ("Left", "Right"):
        points = to_blender(head.vertices[head.material_vertices("M_Sclera" + side)])
        centre = (points.min(0) + points.max(0)) / 2
        result["M_Sclera" + side] = _sclera(stage, centre)
        result["M_Iris" + side] = _iris(stage, centre)
    result["M_LacrimalFluid"] = _film(stage, "tears", 0.12, 0.03)
    result["M_EyeBlend"] = _film(stage, "blend", 0.0, 0.5)
    result["M_EyeOcclusion"] = _film(stage, "occlusion", 0.10, 0.9)
    lashes = stage.material("lashes", Base_Color=(0.010, 0.007, 0.006, 1), Roughness=0.5)
    lashes.to(lashes.image(textures / "lashes.png"), "Alpha")
    result["M_EyeLashes"] = lashes
    return result


def _skin(stage: Stage, textures: Path) -> Material:
    skin = stage.material("skin", Specular_IOR_Level=0.42, Coat_Weight=0.06, Coat_Roughness=0.3)
    skin.to(skin.image(textures / "albedo.png", colour=True), "Base Color")
    skin.bump(skin.image(textures / "bump.png"), 0.35, 0.06)
    skin.subsurface(1.0, SKIN_RADIUS, 0.26)
    wet = skin.node("MapRange")
    wet.inputs["To Min"].default_value, wet.inputs["To Max"].default_value = 0.46, 0.29
    skin.link(skin.image(textures / "lips.png"), wet.inputs[0])
    skin.to(wet.outputs[0], "Roughness")
    return skin


def plain_skin(stage: Stage, complexion: Complexion) -> Material:
    """Skin without a texture: behind the ears, neck and hands."""
    skin = stage.material("body skin", Base_Color=(*complexion.body_linear, 1), Roughness=0.47)
    skin.subsurface(1.0, SKIN_RADIUS, 0.26)
    return skin


def _polar(material: Material, centre: Floats) -> tuple[object, object, object]:
    """Sockets: distance from the eye's axis, angle about it, depth (all cm, rad)."""
    position = material.node("NewGeometry").outputs["Position"]
    offset = material.node("VectorMath", operation="SUBTRACT")
    offset.inputs[1].default_value = tuple(float(c) for c in centre)
    material.link(position, offset.inputs[0])
    split = material.node("SeparateXYZ")
    material.link(offset.outputs[0], split.inputs[0])
    x, depth, z = split.outputs
    square = material.math("ADD", material.math("MULTIPLY", x, x), material.math("MULTIPLY", z, z))
    return material.math("SQRT", square, 0), material.math("ARCTAN2", x, z), depth


def _sclera(stage: Stage, centre: Floats) -> Material:
    """White of the eye; clear and glossy over the iris (the cornea)."""
    eye = stage.material("sclera", Base_Color=(0.80, 0.76, 0.73, 1), Roughness=0.08)
    eye.subsurface(0.4, (0.6, 0.3, 0.2), 0.1)
    radius, _, depth = _polar(eye, centre)
    clear = eye.node("BsdfTransparent")
    gloss = eye.node("BsdfGlossy")
    gloss.inputs["Roughness"].default_value = 0.03
    fresnel = eye.node("Fresnel")
    fresnel.inputs[0].default_value = 1.75
    cornea = eye.node("MixShader")
    eye.link(fresnel.outputs[0], cornea.inputs[0])
    eye.link(clear.outputs[0], cornea.inputs[1])
    eye.link(gloss.outputs[0], cornea.inputs[2])
    inside = eye.ramp(radius, [(0.56, (1, 1, 1)), (0.64, (0, 0, 0))])
    front = eye.math("MULTIPLY", eye.math("LESS_THAN", depth, 0.0), inside)
    both = eye.node("MixShader")
    eye.link(front, both.inputs[0])
    eye.link(eye.surface.outputs[0], both.inputs[1])
    eye.link(cornea.outputs[0], both.inputs[2])
    eye.link(both.outputs[0], eye.output.inputs[0])
    return eye


def _iris(stage: Stage, centre: Floats) -> Material:
    iris = stage.material("iris", Roughness=0.4, Specular_IOR_Level=0.1)
    radius, angle, _ = _polar(iris, centre)
    noise = iris.node("TexNoise")
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 6, 6
    where = iris.node("CombineXYZ")
    iris.link(iris.math("MULTIPLY", angle, 3.0), where.inputs[0])
    iris.link(radius, where.inputs[1])
    iris.link(where.outputs[0], noise.inputs["Vector"])
    rings = iris.ramp(radius, [(0.21, (0.002, 0.002, 0.002)), (0.24, (0.13, 0.058, 0.022)),
                               (0.38, (0.085, 0.036, 0.014)), (0.53, (0.04, 0.017, 0.008)),
                               (0.60, (0.008, 0.005, 0.004))])
    iris.to(iris.mix(0.8, rings, noise.outputs[0], "OVERLAY"), "Base Color")
    return iris


def _film(stage: Stage, name: str, amount: float, rough: float) -> Material:
    film = stage.material(name, Base_Color=(0.3, 0.15, 0.12, 1), Roughness=rough)
    clear = film.node("BsdfTransparent")
    mix = film.node("MixShader")
    mix.inputs[0].default_value = amount
    film.link(clear.outputs[0], mix.inputs[1])
    film.link(film.surface.outputs[0], mix.inputs[2])
    film.link(mix.outputs[0], film.output.inputs[0])
    return film
