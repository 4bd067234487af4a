"""Arms that can gesture: a sleeve along shoulder, elbow and wrist, and a hand; pure numpy.

The hand is MakeHuman's base mesh (CC0), as carried by MPFB2.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from models.person.clothes import Part
from ota.errors import Refused

Floats = NDArray[np.float32]
Grid = NDArray[np.float64]
# How far the forearm reaches into the sleeve.
CUFF_CM = 1.2
BODY = "makehuman"
# Finger joints of the left hand: each bone of these turns about the knuckles' axis.
FINGERS = tuple(f"finger{n}-{k}.L" for n in (2, 3, 4, 5) for k in (1, 2, 3))


@dataclass(frozen=True)
class ArmPose:
    """A left arm in ICT axes (cm): where elbow and wrist are, where the hand and its palm look.
    A right arm is its mirror."""

    elbow: tuple[float, float, float]
    wrist: tuple[float, float, float]
    hand: tuple[float, float, float]
    palm: tuple[float, float, float]


@dataclass(frozen=True)
class Hand:
    """points (n, 3) in cm with the wrist at 0, fingers along +y, palm towards +z; quads."""

    points: Floats
    faces: list[list[int]]


HANGING = ArmPose((17.1, -43.5, -1.0), (17.2, -65.0, 4.0), (0.0, -1.0, 0.15),
                  (-1.0, 0.0, 0.1))


def sleeve(pose: ArmPose, side: int, shoulders: float) -> Part:
    """The sleeve; side -1 is the right arm."""
    top = np.array([(10.8, -18.0, -3.3), (13.4, -19.2, -3.2), (15.2, -23.0, -3.0)])
    top[:, 0] *= 1 + (shoulders - 1) * np.array([0.6, 0.9, 1.0])
    shift = np.array([(shoulders - 1) * 15.2, 0, 0])
    elbow, wrist = np.array(pose.elbow) + shift, np.array(pose.wrist) + shift
    fore = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    key = np.vstack([top, (top[2] + elbow) / 2 + (0.3, 0, -0.3),
                     elbow - 2.2 * _unit(elbow - top[2]), elbow + 2.2 * fore,
                     elbow + 0.55 * (wrist - elbow), wrist - 0.1 * fore])
    radius = np.array([2.4, 3.6, 4.0, 3.9, 3.75, 3.7, 3.35, 2.95]) * (0.55 + 0.45 * shoulders)
    return tube(np.c_[key, radius], side, bend=float(_unit(elbow - top[2]) @ fore))


def _unit(v: Grid) -> Grid:
    return np.asarray(v / np.linalg.norm(v))


def tube(key: Grid, side: int, bend: float, rows: int = 84, columns: int = 48) -> Part:
    """Cloth around a line: key (k, 4) x, y, z, radius. Creases gather where the elbow bends;
    `bend` is the cosine between upper and lower arm."""
    at = np.r_[0, np.cumsum(np.linalg.norm(np.diff(key[:, :3], axis=0), axis=1))]
    s = np.linspace(0, 1, rows)
    line = PchipInterpolator(at / at[-1], key)(s)
    way = np.gradient(line[:, :3], axis=0)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    across = np.empty_like(way)
    across[0] = _unit(np.cross(way[0], (0, 0, 1.0)))
    for i in range(1, rows):  # parallel transport: no twist where the arm turns
        across[i] = _unit(across[i - 1] - way[i] * (across[i - 1] @ way[i]))
    outward = np.cross(across, way)
    angle = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    folded = 0.5 * (1 - bend)
    elbow = np.exp(-(((s[:, None] - 0.57) / (0.10 + 0.06 * folded)) ** 2))
    wave = np.sin(s[:, None] * 46 + 2.0 * np.sin(angle + side) + 0.7 * np.cos(2 * angle))
    long = np.sin(s[:, None] * 17 + 3 * np.cos(angle - 0.6 * side))
    crease = wave * (0.07 + (0.14 + 0.22 * folded) * elbow) + 0.10 * long
    radius = line[:, 3:] + crease * np.clip(s[:, None] * 9, 0, 1)
    grid = (line[:, None, :3] + across[:, None] * (np.cos(angle) * radius)[..., None]
            + outward[:, None] * (np.sin(angle) * radius)[..., None])
    grid[..., 0] *= side
    return Part("sleeve", (grid[:, ::-1] if side < 0 else grid).astype(np.float32), True, 0.10)


def load_hand(assets: Path, curl: float, sex: str) -> Hand:
    """The left hand with its fingers bent by `curl` radians a joint. Raises Refused when the
    body mesh is not there."""
    folder = assets / BODY
    if not (folder / "base.obj").is_file():
        raise Refused(f"There is no hand in {folder}; run `./vitrine models fetch {BODY}` first.")
    points, faces = _read_body(folder / "base.obj")
    for name, share in ((f"asian-{sex}-young", 1.0), ("l-hand-fingers-distance-decr", 0.8),
                        (f"universal-{sex}-young-averagemuscle-averageweight", 1.0)):
        with gzip.open(folder / f"{name}.target.gz", "rt") as lines:
            for line in lines:
                if line[:1].isdigit():
                    index, *move = line.split()
                    points[int(index)] += share * np.array(move, float)
    rig = json.loads((folder / "rig.default.json").read_text(encoding="utf-8"))
    weights = json.loads((folder / "weights.default.json").read_text(encoding="utf-8"))["weights"]
    joints = _joints(folder / "base.obj", points, rig)
    along, palm = _axes(joints)
    points = _curled(points, rig, weights, joints, np.cross(along, palm), curl)
    keep = np.zeros(len(points), bool)
    for bone, pairs in weights.items():
        if bone.endswith(".L") and bone.startswith(("wrist", "finger", "metacarpal", "lowerarm02")):
            keep[[int(i) for i, w in pairs if w > 0.01]] = True
    chosen = [f for f in faces if all(keep[i] for i in f)]
    used = sorted({i for f in chosen for i in f})
    number = {old: new for new, old in enumerate(used)}
    frame = np.stack([np.cross(along, palm), along, palm])
    local = (points[used] - joints["wrist.L"]) @ frame.T * 10.0  # decimetres to cm
    # What lies inside the cuff must not show through the cloth.
    local[:, ::2] *= np.interp(local[:, 1], (-2.0, 0.0, 1.5), (0.74, 0.88, 1.0))[:, None]
    shown = [[number[i] for i in f] for f in chosen]
    shown = [f for f in shown if local[f, 1].max() > -CUFF_CM]
    return Hand(local.astype(np.float32), shown)


def _read_body(path: Path) -> tuple[Grid, list[list[int]]]:
    points, faces, body = [], [], False
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("v "):
                points.append([float(x) for x in line.split()[1:4]])
            elif line.startswith("g "):
                body = line.split()[1] == "body"
            elif line.startswith("f ") and body:
                faces.append([int(c.split("/")[0]) - 1 for c in line.split()[1:]])
    return np.array(points), faces


def _joints(path: Path, points: Grid, rig: dict[str, dict[str, dict[str, object]]]
            ) -> dict[str, Grid]:
    """Where each bone of the left hand begins: the middle of its little cube in the mesh."""
    cubes: dict[str, set[int]] = {}
    group = ""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("g "):
                group = line.split()[1]
            elif line.startswith("f ") and group.startswith("joint-l-"):
                cubes.setdefault(group, set()).update(
                    int(c.split("/")[0]) - 1 for c in line.split()[1:])
    return {name: points[sorted(cubes[str(bone["head"]["cube_name"])])].mean(0)
            for name, bone in rig.items()
            if name.endswith(".L") and str(bone["head"].get("cube_name", "")) in cubes}


def _axes(joints: dict[str, Grid]) -> tuple[Grid, Grid]:
    """Unit vectors: wrist to the middle finger, and out of the palm."""
    along = _unit(joints["finger3-1.L"] - joints["wrist.L"])
    across = joints["finger2-1.L"] - joints["finger5-1.L"]
    return along, _unit(np.cross(along, across))


def _curled(points: Grid, rig: dict[str, dict[str, object]], weights: dict[str, list[list[float]]],
            joints: dict[str, Grid], axis: Grid, curl: float) -> Grid:
    """Linear blend skinning of the finger joints, each turned by `curl` about the knuckles."""
    moves: dict[str, tuple[Grid, Grid]] = {}
    c, s = np.cos(curl), np.sin(curl)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + s * k + (1 - c) * (k @ k)
    for name in FINGERS:
        before = moves.get(str(rig[name]["parent"]), (np.eye(3), np.zeros(3)))
        pivot = joints[name]
        moves[name] = before[0] @ turn, before[0] @ (pivot - turn @ pivot) + before[1]
    result = points.copy()
    for name, (matrix, shift) in moves.items():
        index = np.array([int(i) for i, _ in weights[name]])
        share = np.array([w for _, w in weights[name]])[:, None]
        result[index] += share * (points[index] @ matrix.T + shift - points[index])
    return result


def placed_hand(hand: Hand, pose: ArmPose, side: int, shoulders: float) -> Floats:
    """(n, 3) points of the hand at the pose's wrist; side -1 mirrors it."""
    along = _unit(np.array(pose.hand))
    palm = np.array(pose.palm) - along * (np.array(pose.palm) @ along)
    palm = _unit(palm)
    frame = np.stack([np.cross(along, palm), along, palm])
    wrist = np.array(pose.wrist) + np.array([(shoulders - 1) * 15.2, 0, 0])
    points: Grid = hand.points.astype(np.float64) @ frame + wrist
    points[:, 0] *= side
    return points.astype(np.float32)
