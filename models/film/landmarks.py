"""The face tracker: boxes and MediaPipe face mesh points; the only importer of LiteRT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.film import detection
from models.film.detection import Found, Square
from ota.errors import Refused

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

MODEL = "face-mesh"  # its name in models/registry.json
DETECTOR_FILE = "face-mesh/face_detection_short_range.tflite"
MESH_FILE = "face-mesh/face_landmark_with_attention.tflite"
MESH_PX, POINTS = 192, 468
SCORE_MIN = 0.5

# MediaPipe's numbering. "Right" and "left" are the person's own; rings begin at the right corner.
LIPS_OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
LIPS_OUTER_UPPER = (185, 40, 39, 37, 0, 267, 269, 270, 409)
LIPS_INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIPS_INNER_UPPER = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LIPS_OUTER = LIPS_OUTER_LOWER + LIPS_OUTER_UPPER[::-1]
LIPS_INNER = LIPS_INNER_LOWER + LIPS_INNER_UPPER[::-1]
MOUTH_RIGHT, MOUTH_LEFT = 61, 291
LIP_UPPER_EDGE, LIP_LOWER_EDGE = (81, 13, 311), (178, 14, 402)  # opposite pairs of the inner ring
CHIN = (152, 148, 176, 149, 150, 377, 400, 378, 379, 175, 199, 200)
CHIN_TIP, NOSE_TIP = 152, 1
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
EYE_CORNERS = (33, 133, 362, 263)
NOSE_BRIDGE = (168, 6, 197, 195, 5)
# Points that speaking does not move: they carry the head.
STABLE = (*EYE_CORNERS, *NOSE_BRIDGE, 8, 9, 122, 351, 193, 417)
OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)

# What the mesh network looks at again, at its finer features: (start, end of its first line, the
# refined points in the network's order, the points whose box is cropped).
_LIPS = (*LIPS_OUTER_LOWER, *LIPS_OUTER_UPPER, *LIPS_INNER_LOWER, *LIPS_INNER_UPPER,
         76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408,
         62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407)
_SECOND_LOOK = ("conv_lips", "conv_left_eye", "conv_right_eye")
_CROPS = ("transform_tensor_bilinear_v2", "transform_tensor_bilinear_v2_1",
          "transform_tensor_bilinear_v2_2")
_REFINED = (_LIPS, RIGHT_EYE, LEFT_EYE)
_CROP_PX, _FEATURES_PX = 16, 48


@dataclass(frozen=True)
class Face:
    """A face: box (x, y, w, h) and points (468, 2) in pixels of the picture; score 0..1."""

    box: tuple[float, float, float, float]
    points: Floats
    score: float


class FaceTracker:
    """Finds faces and their 468 points. `assets` is the folder that `models fetch face-mesh` fills.

    Raises Refused when the networks or the runtime (LiteRT) are not there. One thread at a time.
    """

    def __init__(self, assets: Path) -> None:
        detector, mesh = assets / DETECTOR_FILE, assets / MESH_FILE
        if not (detector.is_file() and mesh.is_file()):
            raise Refused(f"The face tracker's networks are not in {assets}; bring them with "
                          f"`./vitrine models fetch {MODEL}`.")
        self._detector = _Network(detector.read_bytes(), ("regressors", "classificators"))
        first, second, self._parts = _split(mesh.read_bytes())
        self._mesh = _Network(first, ("output_mesh", "conv_faceflag", "p_re_lu_3"))
        self._second = _Network(second, _SECOND_LOOK)

    def faces(self, rgb: Picture) -> list[Face]:
        """Every face in the picture (h, w, 3), the largest first."""
        found = [self._mesh_at(rgb, detection.around_eyes(f)) for f in self._detect(rgb)]
        # A second look from where the points are: the detector's square is rough.
        sure = [self.follow(rgb, f) for f in found if f.score >= SCORE_MIN]
        kept: list[Face] = []
        for face in sorted((f for f in sure if f is not None), key=lambda f: -f.box[2] * f.box[3]):
            if not any(detection.same_face(_corners(face), _corners(k)) for k in kept):
                kept.append(face)
        return kept

    def follow(self, rgb: Picture, before: Face) -> Face | None:
        """The face that was at `before` one frame ago; None when it is no longer there."""
        where = detection.around_points(before.points, RIGHT_EYE[0], LEFT_EYE[0])
        face = self._mesh_at(rgb, where)
        return face if face.score >= SCORE_MIN else None

    def _detect(self, rgb: Picture) -> list[Found]:
        height, width = rgb.shape[:2]
        found = []
        for x, y, side in detection.windows(width, height):
            square = Square(x + side / 2, y + side / 2, side, 0.0)
            out = self._detector.run({"input": _crop(rgb, square, detection.INPUT_PX) * 2 - 1})
            for face in detection.decode(out["regressors"][0], out["classificators"][0, :, 0]):
                box = face.box * side + np.array([x, y, x, y], np.float32)
                found.append(Found(box, face.eyes * side + np.array([x, y], np.float32),
                                   face.score))
        return detection.averaged(found)

    def _mesh_at(self, rgb: Picture, where: Square) -> Face:
        out = self._mesh.run({"input_1": _crop(rgb, where, MESH_PX)})
        points = out["output_mesh"].reshape(POINTS, 3)[:, :2].astype(np.float32)
        self._look_again(out["p_re_lu_3"][0], points)
        to_picture = where.to_picture(MESH_PX)
        placed = (points @ to_picture[:, :2].T + to_picture[:, 2]).astype(np.float32)
        low, high = placed.min(0), placed.max(0)
        flag = float(np.clip(out["conv_faceflag"].item(), -50, 50))
        box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
        return Face(box, placed, float(1 / (1 + np.exp(-flag))))

    def _look_again(self, features: Floats, points: Floats) -> None:
        """Replace the points of lips and eyes by finer ones."""
        scale = MESH_PX / _FEATURES_PX
        matrices = [detection.part_matrix(points / scale, *part, _CROP_PX) for part in self._parts]
        out = self._second.run({name: detection.sample(features, m, _CROP_PX)[None]
                                for name, m in zip(_CROPS, matrices, strict=True)})
        for name, matrix, members in zip(_SECOND_LOOK, matrices, _REFINED, strict=True):
            # The network says shares of the crop in pixels of its input, not of its features.
            local = out[name].reshape(-1, 2)[: len(members)]
            points[list(members)] = local @ matrix[:, :2].T + matrix[:, 2] * scale


class _Network:
    """A LiteRT graph with inputs and outputs by name."""

    def __init__(self, graph: bytes, outputs: Sequence[str]) -> None:
        self._interpreter = _litert().Interpreter(model_content=graph, num_threads=1)
        self._interpreter.allocate_tensors()
        self._inputs = {d["name"]: d["index"] for d in self._interpreter.get_input_details()}
        found = {d["name"]: d["index"] for d in self._interpreter.get_output_details()}
        self._outputs = {name: found[name] for name in outputs}

    def run(self, feeds: dict[str, Floats]) -> dict[str, Floats]:
        for name, value in feeds.items():
            shaped = value if value.ndim == 4 else value[None]
            self._interpreter.set_tensor(self._inputs[name], shaped.astype(np.float32))
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(i) for name, i in self._outputs.items()}


def _litert() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise Refused("The face tracker needs the package ai-edge-litert; run "
                      "`pip install -r requirements/film.txt` in this environment.") from error
    return interpreter


_Part = tuple[int, int, list[int]]


def _split(graph: bytes) -> tuple[bytes, bytes, list[_Part]]:
    """The mesh network as two graphs of ordinary operators, and what is cropped between them.

    It has three operators of its own (crop matrices, crops, back again) that the runtime does
    not know; they are computed in numpy between the halves.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(graph, 0)
    whole = model.subgraphs[0]
    own = {i for i, code in enumerate(model.operatorCodes) if code.customCode}
    parts = [_options(bytes(op.customOptions)) for op in whole.operators
             if model.operatorCodes[op.opcodeIndex].customCode == b"Landmarks2TransformMatrix"]
    number = {tensor.name.decode(): i for i, tensor in enumerate(whole.tensors)}
    plain = [op for op in whole.operators if op.opcodeIndex not in own]
    halves = []
    for inputs, outputs in ((["input_1"], ["output_mesh", "conv_faceflag", "p_re_lu_3"]),
                            (list(_CROPS), list(_SECOND_LOOK))):
        whole.inputs, whole.outputs = [number[n] for n in inputs], [number[n] for n in outputs]
        whole.operators = _needed(plain, set(whole.inputs), whole.outputs)
        model.signatureDefs = None
        halves.append(_packed(schema, model))
    return halves[0], halves[1], parts


def _needed(operators: list[Any], known: set[int], wanted: Sequence[int]) -> list[Any]:
    """The operators, in order, that compute `wanted` from `known`."""
    open_ends, chosen = set(wanted), []
    for op in reversed(operators):
        if open_ends & set(op.outputs):
            chosen.append(op)
            open_ends |= {i for i in op.inputs if i not in known}
    return chosen[::-1]


def _packed(schema: Any, model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 22)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _options(blob: bytes) -> _Part:
    """(right, left, members) of a crop, from its operator's options (FlexBuffers)."""
    from flatbuffers import flexbuffers

    values: dict[str, Any] = flexbuffers.Loads(blob)
    return (int(values["left_rotation_idx"]), int(values["right_rotation_idx"]),
            [int(v) for v in values["subset_idxs"]])


def _crop(rgb: Picture, where: Square, out_px: int) -> Floats:
    """(out, out, 3) 0..1; what lies outside the picture is black. Shrunk by areas, so that fine
    texture does not shake the points."""
    import cv2

    shrink = max(1, min(4, int(where.side / out_px)))
    matrix = where.to_picture(out_px * shrink)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # Pixel middles lie at half numbers in Square, at whole ones in OpenCV.
    matrix[:, 2] += matrix[:, :2] @ np.full(2, 0.5, np.float32) - 0.5
    crop = cv2.warpAffine(rgb, matrix, (out_px * shrink,) * 2, flags=flags)
    if shrink > 1:
        crop = cv2.resize(crop, (out_px, out_px), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.float32) / np.float32(255)


def _corners(face: Face) -> Floats:
    x, y, w, h = face.box
    return np.array([x, y, x + w, y + h], np.float32)
