"""A quantised ONNX as a GPU wants it: TensorRT takes only symmetric INT8 around its products.

The CPU's file is quantised for the CPU: UINT8 activations with zero points (what VNNI likes) and
INT32 biases. TensorRT's parser refuses both ("Non-zero zero point is not supported", "only
activation datatypes allowed"). So, with the same calibration: biases become FP32, activations
INT8 around zero, and pairs that no product reads go, for they only cost precision and a kernel.
A UINT8 pair with zero point 0 also was the ReLU before it (the quantiser leaves that one out, the
clamp does its work): it is put back, and so is the Resize that bytes were copied for.
"""

from __future__ import annotations

import numpy as np

from device.infer import resizes
from device.infer.onnx_graph import Graph, Node, take_apart
from ota.errors import Refused

REVISION = "symmetric-3"  # part of an engine's identity: change it with the rules below
QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# The few small Gemm stay FP32: with the codes themselves in 127 steps Lin lost 1 dB more.
PRODUCTS = {"Conv", "ConvTranspose"}
# A product behind one of these still gets its INT8 input: the pair commutes with moving values.
MOVERS = {"Reshape", "Resize", "Concat", "MaxPool", "Transpose", "Slice", "Flatten", QUANTIZE,
          DEQUANTIZE}
LEVELS = 127


def symmetric(model: bytes) -> bytes:
    """`model` (ONNX) with symmetric INT8 pairs and FP32 biases; one without pairs comes back as
    it is. Raises Refused when it is no ONNX or quantised in a way that has no symmetric form."""
    graph = take_apart(model)
    pairs = [node for node in graph.nodes if node.op in (QUANTIZE, DEQUANTIZE)]
    if not pairs:
        return model
    if any(len(node.inputs) < 3 for node in pairs):
        raise Refused("The model's quantisation has no zero points; quantise it with "
                      "`vitrine models quantize`.")
    resizes.put_back(graph)
    _fold_biases(graph)
    _put_back_relus(graph)
    _drop_idle_pairs(graph)
    _centre(graph)
    return graph.encoded()


def input_shapes(model: bytes) -> dict[str, tuple[int, ...]]:
    """The shape of every input by name; -1 where a size is free. Raises Refused."""
    return take_apart(model).inputs


def _fold_biases(graph: Graph) -> None:
    """INT32 constants and their DequantizeLinear become FP32 constants."""
    kept = []
    for node in graph.nodes:
        if node.op == DEQUANTIZE and node.inputs[0] in graph.constants:
            stored = graph.array(node.inputs[0])
            if stored.dtype == np.int32:
                scale = graph.array(node.inputs[1]).astype(np.float64)
                value = stored.astype(np.float64)
                if scale.size > 1:
                    scale = scale.reshape(_along(node.axis(), value.ndim))
                graph.put(node.outputs[0], (value * scale).astype(np.float32))
                continue
        kept.append(node)
    graph.nodes = kept


def _along(axis: int, dims: int) -> tuple[int, ...]:
    return tuple(-1 if each == axis % dims else 1 for each in range(dims))


def _put_back_relus(graph: Graph) -> None:
    """A ReLU before every pair that cuts negative values off, where they can occur."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    with_relus = []
    for node in graph.nodes:
        if node.op == QUANTIZE and _cuts(graph, node) and not _positive(
                graph, makers, node.inputs[0]):
            relu = Node("Relu", [node.inputs[0]], [f"{node.outputs[0]}|relu"], [])
            node.inputs = [relu.outputs[0], *node.inputs[1:]]
            with_relus.append(relu)
        with_relus.append(node)
    graph.nodes = with_relus


def _cuts(graph: Graph, pair: Node) -> bool:
    """Does this half of a pair hold nothing below 0?"""
    zero = graph.array(pair.inputs[2])
    return bool((zero == np.iinfo(zero.dtype).min).all())


def _positive(graph: Graph, makers: dict[str, Node], tensor: str) -> bool:
    """Can this tensor hold no negative value?"""
    maker = makers.get(tensor)
    if maker is None:
        return False
    if maker.op == DEQUANTIZE:
        return maker.inputs[0] not in graph.constants and _cuts(graph, maker)
    if maker.op in ("Relu", "Sigmoid"):
        return True
    if maker.op not in MOVERS:
        return False
    data = maker.inputs if maker.op == "Concat" else maker.inputs[:1]
    return all(_positive(graph, makers, name) for name in data)


def _drop_idle_pairs(graph: Graph) -> None:
    """Take out the pairs behind which only FP32 arithmetic or the output stands."""
    readers = graph.consumers()
    quantizers = {node.outputs[0]: node for node in graph.nodes if node.op == QUANTIZE}
    gone: set[int] = set()
    renamed: dict[str, str] = {}
    for node in graph.nodes:
        if node.op != DEQUANTIZE or node.inputs[0] not in quantizers:
            continue
        if _reaches_product(node.outputs[0], readers):
            continue
        first = quantizers[node.inputs[0]]
        gone |= {id(node), id(first)}
        if node.outputs[0] in graph.outputs:
            renamed[first.inputs[0]] = node.outputs[0]
        else:
            renamed[node.outputs[0]] = first.inputs[0]
    graph.nodes = [node for node in graph.nodes if id(node) not in gone]
    for node in graph.nodes:
        node.inputs = [_final(name, renamed) for name in node.inputs]
        node.outputs = [_final(name, renamed) for name in node.outputs]


def _final(name: str, renamed: dict[str, str]) -> str:
    while name in renamed:
        name = renamed[name]
    return name


def _reaches_product(tensor: str, readers: dict[str, list[Node]]) -> bool:
    seen, waiting = {tensor}, [tensor]
    while waiting:
        for node in readers.get(waiting.pop(), []):
            if node.op in PRODUCTS:
                return True
            if node.op in MOVERS:
                new = [name for name in node.outputs if name not in seen]
                seen.update(new)
                waiting += new
    return False


def _centre(graph: Graph) -> None:
    """Every pair becomes INT8 with zero point 0; the scale grows to hold the same range."""
    for node in graph.nodes:
        if node.op not in (QUANTIZE, DEQUANTIZE):
            continue
        data, scale_name, zero_name = node.inputs
        zero, scale = graph.array(zero_name), graph.array(scale_name)
        if zero.dtype == np.int8 and not zero.any():
            continue
        limits = np.iinfo(np.int8 if zero.dtype == np.int8 else np.uint8)
        centre = zero.astype(np.float64)
        reach = np.maximum(centre - limits.min, limits.max - centre)
        wider = (scale.astype(np.float64) * reach / LEVELS).astype(np.float32)
        name = f"{scale_name}|{zero_name}|symmetric"
        graph.put(name, wider)
        graph.put(f"{name}|0", np.zeros(zero.shape, np.int8))
        if data in graph.constants:
            shape = _along(node.axis(), graph.array(data).ndim) if scale.size > 1 else ()
            value = (graph.array(data).astype(np.float64) - centre.reshape(shape)) \
                * scale.reshape(shape).astype(np.float64)
            levels = np.rint(value / wider.reshape(shape)).clip(-LEVELS - 1, LEVELS)
            data = f"{data}|symmetric"
            graph.put(data, levels.astype(np.int8))
        node.inputs = [data, name, f"{name}|0"]
