"""The sentence encoder's network as ONNX, made from its packed file each time it is loaded.

BERT (Devlin et al. 2019): twelve layers of attention and a perceptron, each added to what came in
and normalised. Products of 4-bit weights, attention and the added norms are ONNX Runtime's own
operations (com.microsoft): nine a layer, and no weight is ever unpacked.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.conversation.packed import BLOCK, HEADS, INNER, LAYERS, WIDTH, Packed
from device.infer import protowire as wire
from device.infer.onnx_graph import (
    GRAPH_NAME,
    INPUT,
    NODE_ATTRIBUTE,
    NODE_DOMAIN,
    OUTPUT,
    Graph,
    Node,
)

INPUT_NAME, OUTPUT_NAME = "pieces", "read"
_EPSILON = 1e-12
_OURS = "com.microsoft"
_IR_VERSION, _OPSET = 8, 17
_INT8_PRODUCTS = 4  # what comes in is rounded to 8 bits a block of 32, as the weights' maker did


def network(packed: Packed) -> tuple[bytes, dict[str, NDArray[Any]]]:
    """(1, n, 384) embeddings of n pieces to the same after the last layer: an ONNX file, and the
    weights that are none of it. Raises one of `packed.DAMAGED`.
    """
    graph = Graph(
        model=[(1, _IR_VERSION), (8, wire.encode([(2, _OPSET)])),
               (8, wire.encode([(1, _OURS.encode()), (2, 1)]))],
        rest=[(GRAPH_NAME, b"sentence encoder"), (INPUT, _value(INPUT_NAME)),
              (OUTPUT, _value(OUTPUT_NAME))],
        nodes=[], constants={}, inputs={}, outputs=[OUTPUT_NAME],
    )  # fmt: skip
    for name in ("emb.ln.w", "emb.ln.b"):
        graph.put(name, packed.floats(name, WIDTH))
    _add(graph, "LayerNormalization", [INPUT_NAME, "emb.ln.w", "emb.ln.b"], ["x0"],
         "", epsilon=_EPSILON)
    graph.put("thirds", np.array([WIDTH] * 3, np.int64))
    for layer in range(LAYERS):
        _layer(graph, packed, layer)
    return graph.encoded(), graph.lent


def _layer(graph: Graph, packed: Packed, layer: int) -> None:
    own, came = f"l{layer}.", f"x{layer}"
    goes = f"x{layer + 1}" if layer + 1 < LAYERS else OUTPUT_NAME
    for name in ("ao.b", "aln.w", "aln.b", "fi.b", "fo.b", "oln.w", "oln.b"):
        count = INNER if name == "fi.b" else WIDTH
        graph.put(own + name, packed.floats(own + name, count))
    asked = [f"{own}{each}" for each in "qkv"]
    biases = [packed.floats(f"{each}.b", WIDTH) for each in asked]
    graph.put(own + "qkv.b", np.concatenate(biases))
    _product(graph, packed, [f"{each}.w" for each in asked], came, own + "qkv", (WIDTH, WIDTH))
    _add(graph, "Split", [own + "qkv", "thirds"], asked, "", axis=-1)
    _add(graph, "MultiHeadAttention", [*asked, own + "qkv.b"], [own + "seen"], num_heads=HEADS)
    _product(graph, packed, [own + "ao.w"], own + "seen", own + "ao", (WIDTH, WIDTH))
    _added(graph, own, "aln", came, "ao", own + "y")
    _product(graph, packed, [own + "fi.w"], own + "y", own + "fi", (INNER, WIDTH))
    _add(graph, "BiasGelu", [own + "fi", own + "fi.b"], [own + "g"])
    _product(graph, packed, [own + "fo.w"], own + "g", own + "fo", (WIDTH, INNER))
    _added(graph, own, "oln", own + "y", "fo", goes)


def _added(graph: Graph, own: str, norm: str, came: str, part: str, goes: str) -> None:
    """`goes` = the norm of `came` + `part` and its bias."""
    _add(graph, "SkipLayerNormalization",
         [came, own + part, f"{own}{norm}.w", f"{own}{norm}.b", f"{own}{part}.b"], [goes],
         epsilon=_EPSILON)


def _product(
    graph: Graph, packed: Packed, names: list[str], came: str, goes: str, shape: tuple[int, int]
) -> None:
    """`goes` = `came` times the matrices of these names, one under the other, transposed."""
    rows, columns = shape
    blocks = [packed.blocks(name, rows, columns) for name in names]
    scales = np.concatenate([each for each, _ in blocks])
    halves = np.concatenate([each for _, each in blocks])
    graph.lend(f"{goes}.w", side_by_side(halves))
    graph.lend(f"{goes}.s", scales.reshape(-1))
    _add(graph, "MatMulNBits", [came, f"{goes}.w", f"{goes}.s"], [goes], K=columns,
         N=rows * len(names), bits=4, block_size=BLOCK, accuracy_level=_INT8_PRODUCTS)


def side_by_side(halves: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Blocks with numbers j and j + 16 in byte j, to blocks with numbers 2j and 2j + 1 in it."""
    every = np.concatenate([halves & 15, halves >> 4], axis=-1)
    return np.asarray(every[..., ::2] | every[..., 1::2] << 4, np.uint8)


def _add(
    graph: Graph, op: str, inputs: list[str], outputs: list[str], domain: str = _OURS,
    **attributes: float,
) -> None:
    rest: wire.Fields = [(NODE_ATTRIBUTE, _attribute(*each)) for each in attributes.items()]
    graph.nodes.append(
        Node(op, inputs, outputs, [*rest, (NODE_DOMAIN, domain.encode())]))


def _attribute(name: str, value: float) -> bytes:
    """AttributeProto of a whole number or a float."""
    if isinstance(value, int):
        return wire.encode([(1, name.encode()), (3, value), (20, 2)])
    return wire.encode([(1, name.encode()), (2, wire.Fixed(struct.pack("<f", value))), (20, 1)])


def _value(name: str) -> bytes:
    """ValueInfoProto of float32 (1, n, 384)."""
    dims = [(1, wire.encode([(1, 1)])), (1, wire.encode([(2, b"n")])),
            (1, wire.encode([(1, WIDTH)]))]
    tensor = wire.encode([(1, 1), (2, wire.encode([*dims]))])
    return wire.encode([(1, name.encode()), (2, wire.encode([(1, tensor)]))])
