"""Tiny ONNX graphs in the exact input layouts of Wav2Lip and Ultralight, and of their encoders.

Each opens a dark red ellipse by the loudness of the frame's own 40 ms, wherever the layout puts
those; a face that is fed in the wrong order or unmasked comes out twice as bright.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
DARK_BGR = (0.06, 0.05, 0.34)
# Where the layouts' crops have the simulated film's mouth: share of the patch.
MOUTH_Y = {"wav2lip": 0.677, "ultralight": 0.465}


def wav2lip(path: Path, side: int = 96, **change: Any) -> Path:
    """mel (N,1,80,16), face (N,6,s,s): lower half black + whole -> (N,3,s,s)."""
    weight = np.zeros((1, 1, 80, 16), np.float32)
    weight[..., 8:60, :4] = 1 / (52 * 4)  # the first four of 16 steps are the frame itself
    lower = np.zeros((side, side), np.float32)
    lower[side // 2 :] = 1
    return _network(path, "wav2lip", side, ("mel", ["N", 1, 80, 16]), ("face", "N"), weight,
                    (3, 0), lower, (0.3, 1.05), **change)


def ultralight(path: Path, audio: tuple[int, int, int] = (16, 32, 32), level: tuple[float, float]
               = (1.0, 0.0), **change: Any) -> Path:
    """input (1,6,160,160): whole + masked; audio (1,c,h,w): the frame's row is in the middle."""
    rows = {16: 8, 32: 16, 128: 8, 256: 16}[audio[0]]
    per = audio[0] // rows
    weight = np.zeros((1, *audio), np.float32)
    weight[:, rows // 2 * per : (rows // 2 + 1) * per] = 1 / (per * audio[1] * audio[2])
    black = np.zeros((160, 160), np.float32)
    black[5:150, 5:155] = 1
    return _network(path, "ultralight", 160, ("audio", [1, *audio]), ("input", 1), weight, (0, 3),
                    black, level, **change)


def hubert(path: Path, width: int = 1024) -> Path:
    """input_values (1,T) -> (1,T',width): the mean size of the samples in each 25 ms."""
    nodes = [
        helper.make_node("Abs", ["input_values"], ["size"]),
        helper.make_node("Unsqueeze", ["size", "one"], ["row"]),
        helper.make_node("AveragePool", ["row"], ["steps"], kernel_shape=[400], strides=[320]),
        helper.make_node("Transpose", ["steps"], ["column"], perm=[0, 2, 1]),
        helper.make_node("Tile", ["column", "times"], ["last_hidden_state"])]
    return _save(path, nodes, [("input_values", [1, "T"])],
                 [("last_hidden_state", [1, "S", width])],
                 {"times": np.array([1, 1, width], np.int64), "one": np.array([1], np.int64)})


def mel_encoder(path: Path) -> Path:
    """mel (N,1,80,16) -> (N,512): the loudness of the window's first four steps."""
    weight = np.zeros((1, 80, 16), np.float32)
    weight[:, 8:60, :4] = 1 / (52 * 4)
    nodes = [helper.make_node("Mul", ["mel", "weight"], ["heard"]),
             helper.make_node("ReduceSum", ["heard", "axes"], ["loud"], keepdims=0),
             helper.make_node("Unsqueeze", ["loud", "one"], ["column"]),
             helper.make_node("Tile", ["column", "times"], ["embedding"])]
    return _save(path, nodes, [("mel", ["N", 1, 80, 16])], [("embedding", ["N", 512])],
                 {"weight": weight, "axes": np.array([1, 2, 3], np.int64),
                  "one": np.array([1], np.int64), "times": np.array([1, 512], np.int64)})


def wenet(path: Path) -> Path:
    """chunk (1,1,67,80) + offset + caches -> (1,16,512): loudness of the steps after 320 ms."""
    weight = np.zeros((1, 1, 67, 80), np.float32)
    weight[..., 32:36, 5:60] = 1 / (4 * 55)
    nodes = [helper.make_node("Mul", ["chunk", "weight"], ["heard"]),
             helper.make_node("ReduceSum", ["heard", "axes"], ["loud"], keepdims=0),
             helper.make_node("Unsqueeze", ["loud", "ends"], ["cell"]),
             helper.make_node("Tile", ["cell", "times"], ["output"])]
    return _save(path, nodes, [("chunk", [1, 1, 67, 80]), ("offset", [1]),
                               ("att_cache", [3, 8, 16, 128]), ("cnn_cache", [3, 1, 512, 14])],
                 [("output", [1, 16, 512])],
                 {"weight": weight, "axes": np.array([1, 2, 3], np.int64),
                  "ends": np.array([1, 2], np.int64),
                  "times": np.array([1, 16, 512], np.int64)})


def _network(
    path: Path, kind: str, side: int, audio: tuple[str, list[Any]], face: tuple[str, Any],
    weight: Array, halves: tuple[int, int], black: Array, level: tuple[float, float],
    gain: float = 1.0, poison: bool = False, half: bool = False, channels: int = 6,
) -> Path:
    """Whole face, plus twice what should be black, with the ellipse over it."""
    ys, xs = np.mgrid[0:side, 0:side].astype(np.float32) / side
    across = 1 - ((xs - 0.5) / 0.2) ** 2
    down = np.abs(ys - MOUTH_Y[kind]) / 0.14
    whole, masked = halves
    scale, shift = level
    consts: dict[str, Array] = {
        "weight": weight, "axes": np.array([1, 2, 3], np.int64),
        "scale": np.array(scale, np.float32), "shift": np.array(shift, np.float32),
        "zero": np.array(0, np.float32), "one": np.array(1, np.float32),
        "across": across[None, None], "down": down[None, None], "steep": np.array(12, np.float32),
        "black": 2 * black[None, None], "dark": np.array(DARK_BGR, np.float32).reshape(1, 3, 1, 1),
        "gain": np.array(np.nan if poison else gain, np.float32),
        "from_whole": np.array([whole], np.int64), "to_whole": np.array([whole + 3], np.int64),
        "from_masked": np.array([masked], np.int64), "to_masked": np.array([masked + 3], np.int64),
        "channel": np.array([1], np.int64), "same": np.eye(3, dtype=np.float32)[..., None, None]}
    sound, picture = audio[0], face[0]
    nodes = [
        helper.make_node("Mul", [sound, "weight"], ["heard"]),
        helper.make_node("ReduceSum", ["heard", "axes"], ["loud"], keepdims=1),
        helper.make_node("Mul", ["loud", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["raised"]),
        helper.make_node("Clip", ["raised", "zero", "one"], ["open"]),
        helper.make_node("Mul", ["open", "across"], ["reach"]),
        helper.make_node("Sub", ["reach", "down"], ["inside"]),
        helper.make_node("Mul", ["inside", "steep"], ["sharp"]),
        helper.make_node("Clip", ["sharp", "zero", "one"], ["alpha"]),
        helper.make_node("Slice", [picture, "from_whole", "to_whole", "channel"], ["whole"]),
        helper.make_node("Slice", [picture, "from_masked", "to_masked", "channel"], ["masked"]),
        helper.make_node("Mul", ["masked", "black"], ["leak"]),
        helper.make_node("Add", ["whole", "leak"], ["base"]),
        helper.make_node("Conv", ["base", "same"], ["passed"], name="conv_in"),
        helper.make_node("Sub", ["one", "alpha"], ["kept"]),
        helper.make_node("Mul", ["passed", "kept"], ["under"]),
        helper.make_node("Mul", ["dark", "alpha"], ["drawn"]),
        helper.make_node("Add", ["under", "drawn"], ["painted"]),
        helper.make_node("Conv", ["painted", "same"], ["final"], name="conv_out"),
        helper.make_node("Mul", ["final", "gain"], ["output"])]
    return _save(path, nodes, [(sound, audio[1]), (picture, [face[1], channels, side, side])],
                 [("output", [face[1], 3, side, side])], consts, half)


def _save(
    path: Path, nodes: list[Any], inputs: Sequence[tuple[str, list[Any]]],
    outputs: Sequence[tuple[str, list[Any]]], consts: dict[str, Array], half: bool = False,
) -> Path:
    def value(name: str, shape: list[Any]) -> Any:
        kind = TensorProto.INT64 if name == "offset" else TensorProto.FLOAT
        return helper.make_tensor_value_info(name, TensorProto.FLOAT16 if half else kind, shape)

    if half:
        consts = {k: v.astype(np.float16) if v.dtype == np.float32 else v
                  for k, v in consts.items()}
    graph = helper.make_graph(
        nodes, path.stem, [value(*each) for each in inputs], [value(*each) for each in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in consts.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path
