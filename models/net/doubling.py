"""Nearest upsampling of an INT8 network, written so that a CPU is quick at it.

ONNX Runtime keeps INT8 pictures channels last and has no kernel for Resize there: it looks every
byte up by itself, a sixth of a frame. Repeated rows of channels are one Expand, which copies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CHANNELS_LAST, CHANNELS_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def expand_resizes(model: Any) -> Any:
    """`model` (ONNX, static shapes) with every nearest Resize by whole factors that stands between
    DequantizeLinear and QuantizeLinear of one scale done on the bytes; the numbers are the same.

    `device.infer.qdq` turns them back for TensorRT, which has a kernel for Resize.
    """
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
              for v in graph.value_info}
    nodes = model.graph.node
    for resize in [node for node in nodes if _is_nearest(node)]:
        pair, small = _pair_around(model.graph, resize), shapes.get(resize.input[0], [])
        large = shapes.get(resize.output[0], [])
        times = large[2] // small[2] if len(small) == 4 and all(small) and small[0] == 1 else 0
        if pair is None or not times or large != [*small[:2], small[2] * times, small[3] * times]:
            continue
        (before, after), (_, channels, high, wide) = pair, small
        at = list(nodes).index(resize)
        for node in reversed(_expanded(model.graph, resize.name, before.input[0], after.output[0],
                                       (channels, high, wide), times)):
            nodes.insert(at, node)
        for node in (before, resize, after):
            nodes.remove(node)
    return model


def _is_nearest(node: Any) -> bool:
    how = {a.name: a.s for a in node.attribute}
    return (node.op_type == "Resize" and how.get("mode") == b"nearest"
            and how.get("coordinate_transformation_mode") == b"asymmetric"
            and how.get("nearest_mode") == b"floor")


def _pair_around(graph: Any, resize: Any) -> tuple[Any, Any] | None:
    """The DequantizeLinear before and the QuantizeLinear behind, when nothing else reads them and
    the bytes mean the same on both sides."""
    makers = {name: node for node in graph.node for name in node.output}
    before = makers.get(resize.input[0])
    readers = [node for node in graph.node if resize.output[0] in node.input]
    if before is None or before.op_type != "DequantizeLinear" or len(readers) != 1:
        return None
    alone = sum(before.output[0] in node.input for node in graph.node) == 1
    same = _meaning(graph, before) == _meaning(graph, readers[0])
    if readers[0].op_type != "QuantizeLinear" or not alone or not same:
        return None
    return before, readers[0]


def _meaning(graph: Any, half: Any) -> list[bytes]:
    """Scale and zero point of half a pair."""
    from onnx import numpy_helper

    stored = {tensor.name: tensor for tensor in graph.initializer}
    return [numpy_helper.to_array(stored[name]).tobytes()
            for name in half.input[1:] if name in stored]


def _expanded(graph: Any, name: str, source: str, target: str, size: tuple[int, int, int],
              times: int) -> list[Any]:
    from onnx import helper, numpy_helper

    channels, high, wide = size

    def shape(part: str, *sides: int) -> str:
        graph.initializer.append(
            numpy_helper.from_array(np.array(sides, np.int64), f"{name}/{part}"))
        return f"{name}/{part}"

    def node(kind: str, inputs: list[str], output: str, **how: Any) -> Any:
        return helper.make_node(kind, inputs, [output], f"{output}/{kind}", **how)

    last, apart, copied, joined = (
        f"{name}/{part}" for part in ("last", "apart", "copied", "whole"))
    return [
        node("Transpose", [source], last, perm=CHANNELS_LAST),
        node("Reshape", [last, shape("pixels", 1, high, 1, wide, 1, channels)], apart),
        node("Expand", [apart, shape("times", 1, high, times, wide, times, channels)], copied),
        node("Reshape", [copied, shape("larger", 1, high * times, wide * times, channels)], joined),
        node("Transpose", [joined], target, perm=CHANNELS_FIRST),
    ]
