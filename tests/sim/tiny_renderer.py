"""A renderer of a few hundred numbers, quantised the way ONNX Runtime quantises the real ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIDE, CODES, WIDE = 8, 4, 6


def tiny_renderer(quantised: bool) -> bytes:
    """base (1, 3, 8, 8), code (1, 4) -> patch (1, 4, 8, 8) as ONNX.

    Quantised: UINT8 activations whose clamp is the ReLU, one pair with a zero point, INT8 weights
    per channel, INT32 biases, and pairs before arithmetic and output that no product reads.
    """
    rng = np.random.default_rng(5)
    parts = _Parts(quantised)
    weights = [rng.normal(0, 0.5, shape).astype(np.float32)
               for shape in ((WIDE, 3, 3, 3), (4, WIDE, 3, 3))]
    base = parts.pair("base", 1 / 255, 0)
    parts.conv(base, weights[0], rng.normal(0, 0.2, WIDE), 1 / 255, "first")
    hidden = parts.relu_pair("first", 4 / 255)
    parts.node("Gemm", [parts.pair("code", 1 / 255, 0), parts.weight(
        rng.normal(0, 1, (CODES, WIDE)).astype(np.float32), "mix", 1)], "mixed")
    parts.constant("shape", np.array([1, WIDE, 1, 1], np.int64))
    parts.node("Reshape", ["mixed", "shape"], "spread")
    parts.node("Add", [hidden, "spread"], "sum")
    second = parts.pair("sum", 10 / 255, 128)
    parts.conv(second, weights[1], rng.normal(0, 0.2, 4), 10 / 255, "second")
    parts.node("Sigmoid", [parts.pair("second", 30 / 255, 131)], "open")
    if quantised:
        parts.pair("open", 1 / 255, 0, "patch")
    else:
        parts.node("Identity", ["open"], "patch")
    return parts.model()


class _Parts:
    def __init__(self, quantised: bool) -> None:
        self._quantised = quantised
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def pair(self, name: str, scale: float, zero: int, out: str = "") -> str:
        if not self._quantised:
            return name
        scales = [self.constant(f"{name}_scale", np.array(scale, np.float32)),
                  self.constant(f"{name}_zero", np.array(zero, np.uint8))]
        self.node("QuantizeLinear", [name, *scales], f"{name}_q")
        self.node("DequantizeLinear", [f"{name}_q", *scales], out or f"{name}_dq")
        return out or f"{name}_dq"

    def relu_pair(self, name: str, scale: float) -> str:
        """The quantiser leaves out a ReLU that its clamp does as well."""
        if self._quantised:
            return self.pair(name, scale, 0)
        self.node("Relu", [name], f"{name}_relu")
        return f"{name}_relu"

    def weight(self, value: NDArray[np.float32], name: str, axis: int) -> str:
        if not self._quantised:
            return self.constant(f"{name}_w", value)
        others = tuple(a for a in range(value.ndim) if a != axis)
        scale = (np.abs(value).max(axis=others) / 127).astype(np.float32)
        along = [-1 if a == axis else 1 for a in range(value.ndim)]
        levels = np.rint(value / scale.reshape(along)).astype(np.int8)
        names = [self.constant(f"{name}_w8", levels), self.constant(f"{name}_w_scale", scale),
                 self.constant(f"{name}_w_zero", np.zeros(len(scale), np.int8))]
        self.node("DequantizeLinear", names, f"{name}_w", axis=axis)
        return f"{name}_w"

    def conv(self, data: str, value: NDArray[np.float32], bias: NDArray[Any], scale: float,
             name: str) -> None:
        weight = self.weight(value, name, 0)
        bias_name = f"{name}_bias"
        if self._quantised:
            steps = (np.abs(value).max(axis=(1, 2, 3)) / 127 * scale).astype(np.float32)
            names = [
                self.constant(f"{bias_name}_32", np.rint(bias / steps).astype(np.int32)),
                self.constant(f"{bias_name}_scale", steps),
                self.constant(f"{bias_name}_zero", np.zeros(len(steps), np.int32))]
            self.node("DequantizeLinear", names, bias_name, axis=0)
        else:
            self.constant(bias_name, bias.astype(np.float32))
        self.node("Conv", [data, weight, bias_name], name, pads=[1, 1, 1, 1])

    def model(self) -> bytes:
        shapes = {"base": (1, 3, SIDE, SIDE), "code": (1, CODES)}
        graph = helper.make_graph(
            self._nodes, "tiny",
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()],
            [helper.make_tensor_value_info("patch", TensorProto.FLOAT, (1, 4, SIDE, SIDE))],
            self._constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(made)
        return bytes(made.SerializeToString())
