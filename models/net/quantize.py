"""Static INT8 quantisation of a renderer (QDQ, per channel), calibrated on its own codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# Not Gemm: the few numbers of the code in 256 steps cost more than they save.
QUANTISED = ["Conv", "Relu", "Add", "Concat", "Resize", "MaxPool"]
CALIBRATION = 96


def quantize(fp32: Path, int8: Path, codes: Floats, seed: int = 0) -> None:
    """Write `int8` from a renderer `fp32`, calibrated on codes (n, K) that the avatar uses."""
    rng = np.random.default_rng(seed)
    chosen = codes[rng.permutation(len(codes))[:CALIBRATION]]
    feeds = [{"code": c[None].astype(np.float32)} for c in chosen]
    quantize_graph(fp32, int8, feeds, blending)
    halve_gemms(int8)


def blending(names: list[str]) -> list[str]:
    """Of a renderer's nodes in their order, those behind the three heads: gates and colours are
    mixed in FP32, where INT8 would band."""
    heads = [i for i, name in enumerate(names)
             if any(head in name for head in ("/paint/", "/leave/", "/matte/"))]
    return [name for i, name in enumerate(names) if i > heads[0] and i not in heads]


def halve_gemms(path: Path) -> None:
    """Keep the weights of the Gemms, most of the file, in half precision on disk. They are cast
    back when the network is loaded (a constant), so that a frame costs the same."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(path))
    graph = model.graph
    weights = {node.input[1] for node in graph.node if node.op_type == "Gemm"}
    for tensor in [t for t in graph.initializer if t.name in weights]:
        half = numpy_helper.to_array(tensor).astype(np.float16)
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(half, f"{tensor.name}_half"))
        graph.node.insert(0, helper.make_node("Cast", [f"{tensor.name}_half"], [tensor.name],
                                              name=f"{tensor.name}_full", to=TensorProto.FLOAT))
    onnx.save(model, str(path))


def quantize_graph(
    fp32: Path, int8: Path, feeds: Iterable[dict[str, Any]],
    kept: Callable[[list[str]], list[str]],
) -> None:
    """Write `int8` from any convolutional `fp32`, calibrated on `feeds` (arrays by input name).

    `kept` chooses of the nodes' names, in order, those that stay in FP32.
    """
    import onnx
    from onnxruntime.quantization import (  # type: ignore[attr-defined,unused-ignore]
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    from models.net.doubling import expand_resizes

    prepared = int8.with_suffix(".prepared.onnx")
    try:
        quant_pre_process(str(fp32), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared), str(int8), _Reader(feeds), quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED, nodes_to_exclude=kept(_names(prepared)),
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax)
        onnx.save(expand_resizes(onnx.load(str(int8))), str(int8))
    finally:
        prepared.unlink(missing_ok=True)


def _names(model: Path) -> list[str]:
    import onnx

    return [node.name for node in onnx.load(str(model)).graph.node]


class _Reader:
    """Feeds calibration samples one by one (onnxruntime's CalibrationDataReader protocol)."""

    def __init__(self, feeds: Iterable[dict[str, Any]]) -> None:
        self._feeds: Iterator[dict[str, Any]] = iter(feeds)

    def get_next(self) -> dict[str, Any] | None:
        """The next feed, None at the end."""
        return next(self._feeds, None)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._feeds)
