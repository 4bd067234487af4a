"""The only importer of bpy (Blender as a module): meshes, strands, materials, lights, renders."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]


def to_blender(points: Floats) -> Floats:
    """ICT axes (y up, z to the viewer) to Blender's (z up, viewer at -y)."""
    return np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1).astype(np.float32)


class Material:
    """A Principled material with a few short ways to wire nodes."""

    def __init__(self, bpy: Any, name: str, quick: bool, **inputs: Any) -> None:
        self.data = bpy.data.materials.new(name)
        self.data.use_nodes = True
        self.tree = self.data.node_tree
        self.surface = self.tree.nodes["Principled BSDF"]
        self.output = self.tree.nodes["Material Output"]
        self._bpy, self._quick = bpy, quick
        for key, value in inputs.items():
            self.surface.inputs[key.replace("_", " ")].default_value = value

    def node(self, kind: str, **settings: Any) -> Any:
        """A new shader node of `kind` (without the ShaderNode prefix)."""
        node = self.tree.nodes.new("ShaderNode" + kind)
        for key, value in settings.items():
            setattr(node, key, value)
        return node

    def link(self, source: Any, target: Any) -> None:
        self.tree.links.new(source, target)

    def to(self, source: Any, name: str) -> None:
        """Wire a socket into the Principled input `name`."""
        self.tree.links.new(source, self.surface.inputs[name])

    def image(self, path: Path, colour: bool = False) -> Any:
        """Output socket of an image texture on the mesh's UV map."""
        node = self.node("TexImage")
        node.image = self._bpy.data.images.load(str(path))
        node.image.colorspace_settings.name = "sRGB" if colour else "Non-Color"
        return node.outputs[0]

    def math(self, operation: str, a: Any, b: Any) -> Any:
        """A math node; a and b are sockets or numbers."""
        node = self.node("Math", operation=operation)
        for slot, value in enumerate((a, b)):
            if isinstance(value, (int, float)):
                node.inputs[slot].default_value = value
            else:
                self.link(value, node.inputs[slot])
        return node.outputs[0]

    def mix(self, factor: Any, a: Any, b: Any, blend: str = "MIX") -> Any:
        """A colour mix; a and b are sockets or (r, g, b)."""
        node = self.node("MixRGB", blend_type=blend)
        for slot, value in enumerate((factor, a, b)):
            if isinstance(value, (int, float)):
                node.inputs[slot].default_value = value
            elif isinstance(value, tuple):
                node.inputs[slot].default_value = (*value, 1)
            else:
                self.link(value, node.inputs[slot])
        return node.outputs[0]

    def ramp(self, factor: Any, stops: list[tuple[float, Colour]]) -> Any:
        """A colour ramp over `factor`."""
        node = self.node("ValToRGB")
        elements = node.color_ramp.elements
        while len(elements) < len(stops):
            elements.new(0.5)
        for element, (position, colour) in zip(elements, stops, strict=True):
            element.position, element.color = position, (*colour, 1)
        self.link(factor, node.inputs[0])
        return node.outputs[0]

    def bump(self, height: Any, strength: float, distance_cm: float) -> None:
        node = self.node("Bump")
        node.inputs["Strength"].default_value = strength
        node.inputs["Distance"].default_value = distance_cm
        self.link(height, node.inputs["Height"])
        self.to(node.outputs[0], "Normal")

    def subsurface(self, weight: float, radius: Colour, scale_cm: float) -> None:
        # Random walk costs three times as much; without it thin lids glow at their rims.
        self.surface.subsurface_method = "BURLEY" if self._quick else "RANDOM_WALK"
        self.surface.inputs["Subsurface Weight"].default_value = weight
        self.surface.inputs["Subsurface Radius"].default_value = radius
        self.surface.inputs["Subsurface Scale"].default_value = scale_cm


class Stage:
    """One Blender scene. Lengths in cm; a new Stage empties what was there. `quick` takes what a
    crop of a lit face does not need: further bounces, the slow denoiser."""

    def __init__(self, threads: int, samples: int, quick: bool = False) -> None:
        import bpy

        self.bpy, self._quick = bpy, quick
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        self._render_settings(threads, samples, quick)

    def _render_settings(self, threads: int, samples: int, quick: bool) -> None:
        render = self.scene.render
        render.engine = "CYCLES"
        cycles = self.scene.cycles
        render.threads_mode, render.threads = "FIXED", threads
        render.use_persistent_data, render.film_transparent = True, True
        render.image_settings.file_format = "PNG"
        render.image_settings.color_mode = "RGBA"
        render.image_settings.color_depth = "16"
        cycles.device, cycles.samples, cycles.seed = "CPU", samples, 1
        cycles.use_adaptive_sampling, cycles.adaptive_threshold = True, 0.02
        cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
        if quick:
            cycles.denoising_quality, cycles.denoising_prefilter = "FAST", "FAST"
            cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 4, 1, 1
        else:
            cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 6, 2, 3
        cycles.transparent_max_bounces = 6 if quick else 12
        cycles.caustics_reflective = cycles.caustics_refractive = False
        view = self.scene.view_settings
        view.view_transform, view.look = "AgX", "AgX - Punchy"

    def material(self, name: str, **inputs: Any) -> Material:
        return Material(self.bpy, name, self._quick, **inputs)

    def mesh(self, name: str, points: Floats, faces: list[Any], materials: list[Material],
             face_material: Any = None, uv: Floats | None = None, subdivide: int = 0) -> Any:
        """Add a smooth mesh (Blender axes); uv is per corner. Returns the object."""
        data = self.bpy.data.meshes.new(name)
        data.from_pydata(points.tolist(), [], [list(map(int, f)) for f in faces])
        if uv is not None:
            data.uv_layers.new(name="UVMap").data.foreach_set("uv", uv.astype(np.float32).ravel())
        for material in materials:
            data.materials.append(material.data)
        if face_material is not None:
            data.polygons.foreach_set("material_index", np.asarray(face_material, np.int32))
        data.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
        data.update()
        item = self._show(name, data)
        if subdivide:
            level = item.modifiers.new("smooth", "SUBSURF")
            level.levels = level.render_levels = subdivide
        return item

    def move_points(self, item: Any, points: Floats) -> None:
        """Replace the vertex positions of a mesh made by mesh()."""
        item.data.vertices.foreach_set("co", np.ascontiguousarray(points, np.float32).ravel())
        item.data.update()
        item.update_tag()

    def attribute(self, item: Any, name: str, values: Floats) -> None:
        """A number per vertex that materials read with an Attribute node."""
        data = item.data.attributes.new(name, "FLOAT", "POINT")
        data.data.foreach_set("value", values.astype(np.float32))

    def strands(self, name: str, points: Floats, radius_cm: Floats, material: Material) -> Any:
        """Hair curves: points (strands, k, 3), radius (k,) or (strands, k) in cm."""
        count, steps = points.shape[:2]
        data = self.bpy.data.hair_curves.new(name)
        data.add_curves([steps] * count)
        data.points.foreach_set("position", points.astype(np.float32).ravel())
        radius = data.attributes.get("radius") or data.attributes.new("radius", "FLOAT", "POINT")
        spread = np.broadcast_to(radius_cm, (count, steps)).astype(np.float32)
        radius.data.foreach_set("value", np.ascontiguousarray(spread).ravel())
        data.materials.append(material.data)
        return self._show(name, data)

    def hair_material(self, name: str, melanin: float, redness: float, rough: float,
                      colour: Colour | None = None) -> Material:
        """Hair by its melanin, or, where that has no grey to give, by its colour."""
        material = self.material(name)
        hair = material.node("BsdfHairPrincipled", parametrization="COLOR" if colour else "MELANIN")
        if colour is not None:
            hair.inputs["Color"].default_value = (*colour, 1)
        for key, value in (("Melanin", melanin), ("Melanin Redness", redness), ("Roughness", rough),
                           ("Radial Roughness", 0.4), ("Random Roughness", 0.15),
                           ("Random Color", 0.2), ("Coat", 0.0)):
            if key in hair.inputs:
                hair.inputs[key].default_value = value
        material.link(hair.outputs[0], material.output.inputs[0])
        return material

    def _show(self, name: str, data: Any) -> Any:
        item = self.bpy.data.objects.new(name, data)
        self.scene.collection.objects.link(item)
        return item

    def area_light(self, at: Colour, towards: Colour, size_cm: float, watts: float,
                   colour: Colour) -> None:
        import mathutils

        light = self.bpy.data.lights.new("area", "AREA")
        light.size, light.energy, light.color = size_cm, watts, colour
        item = self._show("area", light)
        item.location = at
        way = mathutils.Vector(np.subtract(towards, at).tolist())
        item.rotation_euler = way.to_track_quat("-Z", "Y").to_euler()

    def world_light(self, colour: Colour, strength: float) -> None:
        world = self.bpy.data.worlds.new("world")
        self.scene.world = world
        world.use_nodes = True
        background = world.node_tree.nodes["Background"]
        background.inputs[0].default_value = (*colour, 1)
        background.inputs[1].default_value = strength

    def camera(self, size_px: tuple[int, int], px_per_cm: float, distance_cm: float,
               subject: Colour, subject_px: tuple[float, float]) -> None:
        """A camera facing +y whose picture shows `subject` at subject_px with px_per_cm there;
        the lens is shifted, not tilted, so that verticals stay parallel."""
        width, height = size_px
        data = self.bpy.data.cameras.new("camera")
        data.sensor_fit, data.clip_end = "VERTICAL", 2000
        data.angle = 2 * math.atan(height / px_per_cm / 2 / distance_cm)
        data.shift_x = (width / 2 - subject_px[0]) / height
        data.shift_y = (subject_px[1] - height / 2) / height
        item = self._show("camera", data)
        item.location = (subject[0], subject[1] - distance_cm, subject[2])
        item.rotation_euler = (math.pi / 2, 0, 0)
        self.scene.camera = item
        render = self.scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100

    def render(self, path: Path, box: tuple[int, int, int, int] | None = None,
               percent: int = 100) -> None:
        """Render to a 16-bit RGBA PNG; box = (x, y, w, h) in full-size pixels from the top left."""
        render = self.scene.render
        render.use_border = render.use_crop_to_border = box is not None
        render.resolution_percentage = percent
        if box is not None:
            x, y, w, h = box
            width, height = render.resolution_x, render.resolution_y
            render.border_min_x, render.border_max_x = x / width, (x + w) / width
            render.border_min_y, render.border_max_y = 1 - (y + h) / height, 1 - y / height
        partial = path.with_suffix(".part.png")
        render.filepath = str(partial)
        self.bpy.ops.render.render(write_still=True)
        partial.replace(path)
