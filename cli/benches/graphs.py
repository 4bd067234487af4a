"""Builds ONNX graphs layer by layer with random settled weights, counting parameters and MACs.

No training library is needed and nobody's weights are used. Weights are He-normal from a fixed
seed; a batch norm is taken as folded into the convolution, as every exporter does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]
OPSET, IR_VERSION = 17, 8


@dataclass(frozen=True)
class Wire:
    """A value between two layers: its name and its shape."""

    name: str
    shape: tuple[int, ...]


@dataclass
class Graph:
    """A network in the making; every method adds a layer and returns what comes out of it."""

    name: str
    seed: int = 0
    parameters: int = 0
    macs: int = 0
    inputs: list[Wire] = field(default_factory=list)
    _nodes: list[Any] = field(default_factory=list)
    _constants: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def input(self, name: str, *shape: int) -> Wire:
        """A float32 input of the network."""
        self.inputs.append(Wire(name, shape))
        return self.inputs[-1]

    def constant(self, values: NDArray[Any]) -> str:
        """A stored array; weights are counted where they are made."""
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(values, name))
        return name

    def layer(
        self, kind: str, sources: Sequence[str], shape: Sequence[int], name: str = "", **how: Any
    ) -> Wire:
        """Any ONNX operator with one output of `shape`."""
        name = name or f"{kind.lower()}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(sources), [f"{name}.out"], name, **how))
        return Wire(f"{name}.out", tuple(shape))

    def conv(
        self, x: Wire, channels: int, size: int = 3, stride: int | tuple[int, int] = 1,
        pad: int | None = None, groups: int = 1, relu: bool = True, gain: float = 1.0,
        name: str = "",
    ) -> Wire:
        """Convolution with bias (batch norm folded), then ReLU; `pad` keeps the size by default."""
        _, inputs, high, wide = x.shape
        down, right = (stride, stride) if isinstance(stride, int) else stride
        edge = size // 2 if pad is None else pad
        out = (1, channels, (high + 2 * edge - size) // down + 1,
               (wide + 2 * edge - size) // right + 1)
        fan_in = inputs // groups * size * size
        weight = self._weight((channels, inputs // groups, size, size), fan_in, gain, channels)
        self.macs += out[1] * out[2] * out[3] * fan_in
        made = self.layer(
            "Conv", [x.name, *weight], out, name, kernel_shape=[size, size],
            strides=[down, right], pads=[edge] * 4, group=groups)
        return self.relu(made) if relu else made

    def conv_transpose(
        self, x: Wire, channels: int, size: int = 3, stride: int = 1, pad: int = 0, extra: int = 0
    ) -> Wire:
        """Transposed convolution with bias, then ReLU; `extra` is the output padding."""
        _, inputs, high, wide = x.shape
        out = (1, channels, *((n - 1) * stride - 2 * pad + size + extra for n in (high, wide)))
        fan_in = max(1, inputs * size * size // (stride * stride))
        weight = self._weight((inputs, channels, size, size), fan_in, 1.0, channels)
        self.macs += inputs * high * wide * channels * size * size
        return self.relu(self.layer(
            "ConvTranspose", [x.name, *weight], out, kernel_shape=[size, size],
            strides=[stride, stride], pads=[pad] * 4, output_padding=[extra, extra]))

    def dense(self, x: Wire, outputs: int) -> Wire:
        """Fully connected layer on (1, n), then ReLU."""
        inputs = x.shape[1]
        weight = self._weight((outputs, inputs), inputs, 1.0, outputs)
        self.macs += inputs * outputs
        return self.relu(self.layer("Gemm", [x.name, *weight], (1, outputs), transB=1))

    def relu(self, x: Wire) -> Wire:
        """Rectifier."""
        return self.layer("Relu", [x.name], x.shape)

    def sigmoid(self, x: Wire) -> Wire:
        """Logistic function."""
        return self.layer("Sigmoid", [x.name], x.shape)

    def add(self, a: Wire, b: Wire) -> Wire:
        """Sum of two values of one shape."""
        return self.layer("Add", [a.name, b.name], a.shape)

    def concat(self, *parts: Wire, name: str = "") -> Wire:
        """Channels side by side."""
        first = parts[0].shape
        channels = sum(part.shape[1] for part in parts)
        return self.layer(
            "Concat", [p.name for p in parts], (first[0], channels, *first[2:]), name, axis=1)

    def grow(self, x: Wire, factor: int, mode: str = "nearest") -> Wire:
        """Larger by a whole factor: nearest as our exporter writes it, or bilinear between the
        corners."""
        scales = self.constant(np.array([1, 1, factor, factor], np.float32))
        batch, channels, high, wide = x.shape
        where = (
            {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            if mode == "nearest" else {"coordinate_transformation_mode": "align_corners"}
        )
        return self.layer(
            "Resize", [x.name, "", scales], (batch, channels, high * factor, wide * factor),
            mode=mode, **where)

    def reshape(self, x: Wire, *shape: int) -> Wire:
        """The same numbers in another shape."""
        return self.layer("Reshape", [x.name, self.constant(np.array(shape, np.int64))], shape)

    def save(self, path: Path, output: Wire, as_name: str) -> None:
        """Check the graph and write it with its one output under `as_name`."""
        self._nodes[-1].output[0] = as_name
        made = helper.make_graph(
            self._nodes, self.name,
            [helper.make_tensor_value_info(i.name, TensorProto.FLOAT, i.shape)
             for i in self.inputs],
            [helper.make_tensor_value_info(as_name, TensorProto.FLOAT, output.shape)],
            self._constants)
        model = helper.make_model(
            made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(path))

    def _weight(
        self, shape: tuple[int, ...], fan_in: int, gain: float, outputs: int
    ) -> tuple[str, str]:
        """A He-normal weight and a small bias."""
        spread = gain * np.sqrt(2.0 / fan_in)
        weight = self._rng.standard_normal(shape, np.float32) * np.float32(spread)
        bias = self._rng.standard_normal(outputs, np.float32) * np.float32(0.05)
        self.parameters += weight.size + bias.size
        return self.constant(weight), self.constant(bias)


def input_shapes(model: Path) -> dict[str, tuple[int, ...]]:
    """Input name to shape of a file."""
    return {
        i.name: tuple(d.dim_value for d in i.type.tensor_type.shape.dim)
        for i in onnx.load(str(model), load_external_data=False).graph.input
    }
