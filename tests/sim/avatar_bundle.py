"""A tiny synthetic avatar bundle: a drawn face, and real ONNX networks of the bundle's shapes.

The renderer opens a dark ellipse by `code[open_index]`; voice-to-code maps loudness to it.
Nothing is trained, but every input, output and file is what a shipped bundle has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from device.render.video import write_base
from ota.trust import dsse
from ota.trust.keys import SigningKey

PATCH = 256
CODES = 4
OPEN_INDEX = 0
GESTURE_FRAMES = 10
NOD_PX = 36  # at a width of 1080


def make_bundle(
    folder: Path, size: tuple[int, int] = (1080, 1920), frames: int = 50, bundle_id: str = "sim",
    gestures: Sequence[str] = (),
) -> Path:
    """Write a whole bundle into `folder` (made when missing) and return it.

    Each gesture is a nod of GESTURE_FRAMES frames, the first a small one and the next larger.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matrices = np.stack([_matrix(size, n, frames) for n in range(frames)])
    write_base(folder / "base.mp4", [_face(size, m) for m in matrices], 25)
    mask = np.zeros((PATCH, PATCH), np.uint8)
    cv2.ellipse(mask, (128, 128), (104, 84), 0, 0, 360, 255, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 10)
    rest = _rest_patch()
    np.savez_compressed(
        folder / "track.npz", matrix=matrices.astype(np.float32), mask=mask, rest_patch=rest,
        head_box=np.tile(np.array([[0, 0, *size]], np.int32), (frames, 1)),
        **_gestures(folder, size, gestures))
    onnx.save(_renderer(), str(folder / "renderer.onnx"))
    onnx.save(_voice_to_code(), str(folder / "voice2code.onnx"))
    key = SigningKey.generate()
    (folder.parent / "likeness-root.pub").write_text(key.public.to_pem())
    (folder / "consent.dsse.json").write_bytes(_consent(folder, bundle_id, key, gestures))
    manifest = _manifest(folder, size, frames, bundle_id)
    if gestures:
        manifest["gestures"] = {
            name: {"file": f"{name}.mp4", "sha256": _sha256(folder / f"{name}.mp4"),
                   "frames": GESTURE_FRAMES} for name in gestures}
        manifest["joins"] = joins(frames)
    (folder / "avatar.json").write_text(json.dumps(manifest))
    return folder


def joins(frames: int) -> list[int]:
    """Where the drawn head stands still in the one pose it comes back to."""
    return [0, frames // 2] if frames % 2 == 0 else [0]


def _gestures(folder: Path, size: tuple[int, int], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Write each gesture's video; its part of the track."""
    track = {}
    for number, name in enumerate(names, start=1):
        nods = np.stack([_matrix(size, 0, 1) for _ in range(GESTURE_FRAMES)])
        way = np.sin(np.pi * np.arange(GESTURE_FRAMES) / (GESTURE_FRAMES - 1)) ** 2
        nods[:, 1, 2] += way * NOD_PX * number * size[0] / 1080
        write_base(folder / f"{name}.mp4", [_face(size, m) for m in nods], 25)
        track[f"matrix_{name}"] = nods.astype(np.float32)
        track[f"head_box_{name}"] = np.tile(np.array([[0, 0, *size]], np.int32),
                                            (GESTURE_FRAMES, 1))
    return track


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _consent(folder: Path, bundle_id: str, key: SigningKey, gestures: Sequence[str]) -> bytes:
    consent = {
        "avatar": bundle_id, "owner": "nobody: a drawing", "chains": ["*"], "regions": ["*"],
        "uses": ["*"], "from": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z",
        "revocation_id": "sim", "synthetic": True,
        "base_sha256": _sha256(folder / "base.mp4"),
        "gestures_sha256": {name: _sha256(folder / f"{name}.mp4") for name in gestures}}
    return dsse.sign(json.dumps(consent).encode(), dsse.CONSENT, [key])


def _manifest(
    folder: Path, size: tuple[int, int], frames: int, bundle_id: str
) -> dict[str, object]:
    def named(name: str) -> dict[str, str]:
        return {"file": name, "sha256": _sha256(folder / name)}

    renderer = {
        "fp32": named("renderer.onnx"), "int8": named("renderer.onnx"),
        "inputs": [
            {"name": "base", "shape": [1, 3, PATCH, PATCH], "type": "float32 0..1 RGB"},
            {"name": "code", "shape": [1, CODES], "type": "float32"}],
        "outputs": [{"name": "patch", "shape": [1, 4, PATCH, PATCH], "meaning": "RGB 0..1, A"}]}
    voice = {
        **named("voice2code.onnx"), "inputs": [{"name": "mel", "shape": [1, "T", 80]}],
        "outputs": [{"name": "code", "shape": [1, "T/4", CODES]}],
        "lookahead_ms": 0, "history_ms": 0}
    return {
        "schema": 1, "id": bundle_id, "version": 1,
        "name": {"zh-CN": "样机", "en-US": "Sim"}, "fps": 25, "size": list(size), "patch": PATCH,
        "base": {**named("base.mp4"), "frames": frames}, "track": named("track.npz"),
        "renderer": renderer, "voice_to_code": voice,
        "code": {"names": ["jaw_open", "wide", "round", "smile"], "rest": [0.0] * CODES,
                 "open_index": OPEN_INDEX},
        "features": {"name": "logmel-80", "sample_rate_hz": 16000, "window_ms": 25, "hop_ms": 10,
                     "mel_low_hz": 20, "mel_high_hz": 7600},
        "quality": {}, "consent": "consent.dsse.json"}


def _matrix(size: tuple[int, int], number: int, frames: int) -> np.ndarray:
    """A head that sways a little and comes back: one similarity a frame.

    It rests for a moment at every join.
    """
    sway = 0.5 - 0.5 * np.cos(2 * np.pi * number * len(joins(frames)) / frames)
    scale = size[0] / 1080 * 1.1
    angle = np.deg2rad(2.0) * sway
    middle = np.array([size[0] / 2 + 14 * scale * sway, size[1] * 0.42])
    rotation = scale * np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.hstack([rotation, (middle - rotation @ [PATCH / 2, PATCH / 2])[:, None]])


def _face(size: tuple[int, int], matrix: np.ndarray) -> np.ndarray:
    """RGB frame: soft ground, shoulders, head, eyes and the closed mouth patch."""
    wide, high = size
    ramp = np.linspace(0, 1, high, dtype=np.float32)[:, None, None]
    image = np.broadcast_to((235 - 70 * ramp, 228 - 60 * ramp, 214 - 50 * ramp), (3, high, 1, 1))
    image = np.repeat(image[..., 0].transpose(1, 2, 0), wide, axis=1).astype(np.uint8).copy()
    k = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    mouth = matrix @ [PATCH / 2, PATCH / 2, 1]

    def at(dx: float, dy: float) -> tuple[int, int]:
        return round(mouth[0] + dx * k), round(mouth[1] + dy * k)

    def oval(
        dx: float, dy: float, wide_px: float, high_px: float, colour: tuple[int, int, int],
        arc: tuple[int, int] = (0, 360), pen_px: float = 0,
    ) -> None:
        cv2.ellipse(image, at(dx, dy), (round(wide_px * k), round(high_px * k)), 0, *arc, colour,
                    round(pen_px * k) or -1, cv2.LINE_AA)

    oval(0, 760, 420, 520, (48, 92, 78))
    oval(0, 170, 90, 160, (214, 170, 146))
    oval(0, -190, 262, 320, (44, 36, 34))
    oval(0, -110, 212, 268, (228, 186, 162))
    for side in (-1, 1):
        oval(side * 82, -158, 32, 15, (250, 248, 246))
        oval(side * 82, -158, 14, 14, (52, 40, 36))
        oval(side * 82, -200, 46, 14, (60, 46, 42), (190, 350), 7)
    rest = cv2.warpAffine(_rest_patch(), matrix, (wide, high), flags=cv2.INTER_LINEAR)
    cover = cv2.warpAffine(np.full((PATCH, PATCH), 255, np.uint8)[10:-10, 10:-10],
                           matrix @ np.vstack([np.hstack([np.eye(2), [[10], [10]]]), [0, 0, 1]]),
                           (wide, high), flags=cv2.INTER_NEAREST)
    image[cover > 0] = rest[cover > 0]
    return image


def _rest_patch() -> np.ndarray:
    patch = np.full((PATCH, PATCH, 3), (228, 186, 162), np.uint8)
    cv2.ellipse(patch, (128, 128), (58, 12), 0, 0, 360, (190, 96, 96), -1, cv2.LINE_AA)
    cv2.line(patch, (72, 128), (184, 128), (130, 58, 60), 3, cv2.LINE_AA)
    return patch


def _renderer() -> onnx.ModelProto:
    """patch = base blended to a dark mouth inside an ellipse that opens with the code."""
    ys, xs = np.mgrid[0:PATCH, 0:PATCH].astype(np.float32)
    across = ((xs - 128) / 58) ** 2
    down = np.abs(ys - 128) / 60
    inits = {
        "pick": np.eye(CODES, dtype=np.float32)[:, OPEN_INDEX : OPEN_INDEX + 1],
        "across": (1 - across)[None, None], "down": down[None, None],
        "gain": np.array(12, np.float32), "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32), "shape": np.array([1, 1, 1, 1], np.int64),
        "dark": np.array([0.28, 0.07, 0.08], np.float32).reshape(1, 3, 1, 1)}
    nodes = [
        helper.make_node("MatMul", ["code", "pick"], ["open1"]),
        helper.make_node("Reshape", ["open1", "shape"], ["open"]),
        helper.make_node("Mul", ["open", "across"], ["reach"]),
        helper.make_node("Sub", ["reach", "down"], ["inside"]),
        helper.make_node("Mul", ["inside", "gain"], ["steep"]),
        helper.make_node("Clip", ["steep", "zero", "one"], ["alpha"]),
        helper.make_node("Sub", ["one", "alpha"], ["rest"]),
        helper.make_node("Mul", ["base", "rest"], ["kept"]),
        helper.make_node("Mul", ["dark", "alpha"], ["drawn"]),
        helper.make_node("Add", ["kept", "drawn"], ["rgb"]),
        helper.make_node("Concat", ["rgb", "alpha"], ["patch"], axis=1)]
    graph = helper.make_graph(
        nodes, "renderer",
        [helper.make_tensor_value_info("base", TensorProto.FLOAT, [1, 3, PATCH, PATCH]),
         helper.make_tensor_value_info("code", TensorProto.FLOAT, [1, CODES])],
        [helper.make_tensor_value_info("patch", TensorProto.FLOAT, [1, 4, PATCH, PATCH])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in inits.items()])
    return _model(graph)


def _voice_to_code() -> onnx.ModelProto:
    """Mean scaled log-mel, averaged over four hops: -0.1 is closed, 1.1 is wide open."""
    spread = np.zeros((1, CODES), np.float32)
    spread[0, OPEN_INDEX] = 1
    inits = {
        "axes": np.array([2], np.int64), "low": np.array(0.1, np.float32),
        "scale": np.array(1 / 1.2, np.float32), "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32), "spread": spread}
    nodes = [
        helper.make_node("ReduceMean", ["mel", "axes"], ["loud"], keepdims=1),
        helper.make_node("Transpose", ["loud"], ["row"], perm=[0, 2, 1]),
        helper.make_node("AveragePool", ["row"], ["slow"], kernel_shape=[4], strides=[4]),
        helper.make_node("Transpose", ["slow"], ["column"], perm=[0, 2, 1]),
        helper.make_node("Add", ["column", "low"], ["raised"]),
        helper.make_node("Mul", ["raised", "scale"], ["share"]),
        helper.make_node("Clip", ["share", "zero", "one"], ["level"]),
        helper.make_node("MatMul", ["level", "spread"], ["code"])]
    graph = helper.make_graph(
        nodes, "voice2code",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, [1, "T", 80])],
        [helper.make_tensor_value_info("code", TensorProto.FLOAT, [1, "F", CODES])],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in inits.items()])
    return _model(graph)


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model
