"""The face mesh: reads ICT-FaceKit Light, shapes one person from it, poses it from codes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.person.assets import open_face_assets
from models.person.character import Face

Floats = NDArray[np.float32]

# The 68 iBUG landmarks as vertex numbers of the ICT topology (order: jaw, brows, nose, eyes, lips).
LANDMARKS = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088,
    3443, 268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140,
    2075, 1147, 4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216,
    6207, 6470, 5517, 5966,
)

# The mouth code: what the voice network predicts and the renderer draws. Each number moves these
# ICT shapes by the given weight at 1.0; 0 everywhere is the person's closed, relaxed mouth.
CODE_SHAPES: dict[str, dict[str, float]] = {
    "jaw_open": {"jawOpen": 0.62},
    "lips_together": {"mouthClose": 0.62},
    "funnel": {"mouthFunnel": 0.9},
    "pucker": {"mouthPucker": 0.9},
    "smile": {"mouthSmile": 0.7, "cheekSquint": 0.25},
    "stretch": {"mouthStretch": 0.8},
    "upper_up": {"mouthUpperUp": 0.7},
    "lower_down": {"mouthLowerDown": 0.8},
    "press": {"mouthPress": 0.6, "mouthRollUpper": 0.35, "mouthRollLower": 0.35},
    "roll_lower": {"mouthRollLower": 0.8, "mouthShrugUpper": 0.15},
    "tongue_up": {"tongueUp": 1.0},
}
CODE_NAMES = tuple(CODE_SHAPES)


@dataclass(frozen=True)
class Head:
    """Vertices in cm, x to her left, y up, z to the viewer; shapes are deltas of the same shape."""

    vertices: Floats
    uv: Floats
    faces: list[NDArray[np.int64]]
    face_uvs: list[NDArray[np.int64]]
    face_material: NDArray[np.int64]
    materials: list[str]
    shapes: dict[str, Floats]

    def material_vertices(self, *names: str) -> NDArray[np.int64]:
        """Numbers of the vertices that belong to faces of these materials."""
        wanted = {self.materials.index(name) for name in names}
        pairs = zip(self.faces, self.face_material, strict=True)
        picked = [f for f, m in pairs if int(m) in wanted]
        return np.unique(np.concatenate(picked))

    @cached_property
    def landmark_uv(self) -> Floats:
        """(68, 2) texture coordinates of the landmarks on the face's skin."""
        skin = self.materials.index("M_Face")
        uv: dict[int, Any] = {}
        rows = zip(self.faces, self.face_uvs, self.face_material, strict=True)
        for face, corners, material in rows:
            if int(material) == skin:
                for vertex, corner in zip(face, corners, strict=True):
                    uv.setdefault(int(vertex), self.uv[corner])
        return np.array([uv[i] for i in LANDMARKS], np.float32)

    def posed(self, code: Floats | None = None, more: dict[str, float] | None = None) -> Floats:
        """Vertices (n, 3) for a mouth code of len(CODE_NAMES) numbers and further shape weights."""
        weights: dict[str, float] = dict(more or {})
        values = np.zeros(len(CODE_SHAPES)) if code is None else code
        for value, shapes in zip(values, CODE_SHAPES.values(), strict=True):
            for name, weight in shapes.items():
                weights[name] = weights.get(name, 0.0) + float(value) * weight
        vertices = self.vertices.copy()
        for name, weight in weights.items():
            vertices += np.float32(weight) * self.shapes[name]
        return vertices


def load_head(assets: Path, person: Face) -> Head:
    """The person's head from the ICT assets; raises Refused when they are unusable."""
    raw = open_face_assets(assets)
    cuts = np.cumsum(raw["face_sizes"])[:-1]
    names = [str(n) for n in raw["shape_names"]]
    deltas = raw["shape_deltas"].astype(np.float32)
    identity = deltas[[i for i, n in enumerate(names) if n.startswith("identity")]]
    shapes = _both_sides({n: deltas[i] for i, n in enumerate(names)})
    faces = [f.astype(np.int64) for f in np.split(raw["face_vertices"], cuts)]
    materials = [str(m) for m in raw["materials"]]
    material = raw["face_material"].astype(np.int64)
    vertices = _with_identity(raw["vertices"].astype(np.float32), identity, person)
    head = Head(vertices, raw["uv"].astype(np.float32), faces,
                [f.astype(np.int64) for f in np.split(raw["face_uvs"], cuts)],
                material, materials, shapes)
    shapes["tongueUp"] = _tongue_up(head)
    shapes["eyeBack"] = _eyes_back(head)
    head.vertices[:] = head.posed(more=person.rest_shapes)
    return head


def _both_sides(shapes: dict[str, Floats]) -> dict[str, Floats]:
    """Add `name` = left + right for every pair name_L, name_R."""
    pairs = [n[:-2] for n in shapes if n.endswith("_L")]
    return {**shapes, **{n: shapes[n + "_L"] + shapes[n + "_R"] for n in pairs}}


def _with_identity(vertices: Floats, modes: Floats, person: Face) -> Floats:
    """Neutral plus the identity modes that come nearest to the wanted landmarks (ridge), then a
    smooth sculpt for what is left. Modes are in units of the population's sigma, kept small."""
    marks = np.array(LANDMARKS)
    want = np.zeros((len(marks), 3), np.float32)
    for index, move in person.landmark_moves_cm.items():
        want[index] = move
    # Mirrored modes only: an asymmetric face looks wrong when it never moves in depth.
    design = modes[:, marks].reshape(len(modes), -1).T
    ridge = design.T @ design + 0.35 * np.eye(len(modes), dtype=np.float32)
    weights = np.clip(np.linalg.solve(ridge, design.T @ want.ravel()), -1.6, 1.6)
    shaped = vertices + np.tensordot(weights.astype(np.float32), modes, 1)
    left = want - (shaped - vertices)[marks]
    return shaped + _smooth_moves(shaped, shaped[marks], 0.75 * left, radius_cm=2.6)


def _smooth_moves(points: Floats, anchors: Floats, moves: Floats, radius_cm: float) -> Floats:
    """Gaussian radial basis interpolation of `moves` at `anchors`, evaluated at `points`."""
    def kernel(a: Floats, b: Floats) -> Floats:
        square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
        result: Floats = np.exp(-np.maximum(square, 0) / (2 * radius_cm**2))
        return result
    gram = kernel(anchors, anchors) + 0.15 * np.eye(len(anchors), dtype=np.float32)
    weights = np.linalg.solve(gram, moves).astype(np.float32)
    return (kernel(points, anchors) @ weights).astype(np.float32)


def _eyes_back(head: Head) -> Floats:
    """Both eyeballs 1.5 mm deeper: under closed lids they must not show through the seam."""
    moves = np.zeros_like(head.vertices)
    balls = [m for m in head.materials if m.startswith(("M_Sclera", "M_Iris", "M_Lac"))]
    moves[head.material_vertices(*balls)] = (0, 0, -0.15)
    return moves


def _tongue_up(head: Head) -> Floats:
    """ICT has no tongue shape: lift and advance the front of the tongue, which is what lies inside
    the lower teeth's arch and moves with the jaw."""
    def rise(value: Floats, start: float, end: float) -> Floats:
        t = np.clip((value - start) / (end - start), 0, 1)
        result: Floats = t * t * (3 - 2 * t)
        return result
    picked = head.material_vertices("M_GumsTongue")
    with_jaw = np.clip(-head.shapes["jawOpen"][picked, 1] / 1.2, 0, 1)
    x, _, z = head.vertices[picked].T
    weight = rise(-np.abs(x), -2.3, -1.3) * rise(z, 4.5, 8.6) * rise(-z, -10.0, -9.5) * with_jaw
    moves = np.zeros_like(head.vertices)
    moves[picked] = weight[:, None] * np.array([0, 0.95, 0.45], np.float32)
    return moves
