"""Opens the face assets a user has downloaded (ICT-FaceKit Light): our .npz or their OBJ folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ota.errors import Refused

KEYS = ("vertices", "uv", "face_sizes", "face_vertices", "face_uvs", "face_material", "materials",
        "shape_names", "shape_deltas")


def open_face_assets(path: Path) -> dict[str, Any]:
    """The arrays named in KEYS; raises Refused with what to download when they are not there."""
    if path.is_dir() and (path / "ict_facekit_light.npz").is_file():
        path = path / "ict_facekit_light.npz"
    if path.is_file() and path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as archive:
            missing = [k for k in KEYS if k not in archive]
            if missing:
                raise Refused(f"{path} is no face asset file: it has no {missing[0]}; "
                              "see docs/avatar.md for how to make it.")
            return {k: archive[k] for k in KEYS}
    if path.is_dir():
        folder = next((p.parent for p in sorted(path.rglob("generic_neutral_mesh.obj"))), None)
        if folder is not None:
            return read_obj_folder(folder)
    raise Refused(f"No face assets in {path}: download ICT-FaceKit (folder FaceXModel) as "
                  "docs/avatar.md says and give its path with --assets.")


def read_obj_folder(folder: Path) -> dict[str, Any]:
    """ICT-FaceKit's FaceXModel folder (neutral, expressions, identity modes as .obj) as arrays."""
    neutral = _read_obj(folder / "generic_neutral_mesh.obj", everything=True)
    names, deltas = [], []
    for file in sorted(folder.glob("*.obj")):
        if file.name != "generic_neutral_mesh.obj":
            names.append(file.stem)
            moved = _read_obj(file, everything=False)["vertices"]
            deltas.append((moved - neutral["vertices"]).astype(np.float16))
    neutral.update(shape_names=np.array(names), shape_deltas=np.array(deltas))
    return neutral


def _read_obj(file: Path, everything: bool) -> dict[str, Any]:
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    corners: list[list[list[int]]] = []
    materials: list[str] = []
    face_material: list[int] = []
    with file.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "v":
                vertices.append([float(x) for x in rest.split()[:3]])
            elif everything and kind == "vt":
                uv.append([float(x) for x in rest.split()[:2]])
            elif everything and kind == "usemtl":
                if rest.strip() not in materials:
                    materials.append(rest.strip())
                current = materials.index(rest.strip())
            elif everything and kind == "f":
                corners.append([[int(n) - 1 for n in c.split("/")[:2]] for c in rest.split()])
                face_material.append(current)
    result: dict[str, Any] = {"vertices": np.array(vertices, np.float32)}
    if everything:
        flat = np.array([c for face in corners for c in face], np.int32)
        result.update(uv=np.array(uv, np.float32), materials=np.array(materials),
                      face_sizes=np.array([len(f) for f in corners], np.int8),
                      face_vertices=flat[:, 0], face_uvs=flat[:, 1],
                      face_material=np.array(face_material, np.int8))
    return result
