"""The part of an ONNX file that a rewrite needs: nodes, constants, inputs and outputs.

Field numbers are those of the public onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.infer import protowire as wire
from ota.errors import Refused

GRAPH = 7
NODE, GRAPH_NAME, INITIALIZER, INPUT, OUTPUT, VALUE_INFO = 1, 2, 5, 11, 12, 13
NODE_INPUT, NODE_OUTPUT, NODE_OP, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
TENSOR_DIMS, TENSOR_TYPE, TENSOR_FLOATS, TENSOR_INTS, TENSOR_NAME, TENSOR_RAW = 1, 2, 4, 5, 8, 9
TENSOR_ELSEWHERE, TENSOR_LOCATION, EXTERNAL = 13, 14, 1
TYPES: dict[int, type[np.generic]] = {
    1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
Array = NDArray[Any]


@dataclass
class Node:
    """One operation; the attributes stay encoded."""

    op: str
    inputs: list[str]
    outputs: list[str]
    rest: wire.Fields

    def encoded(self) -> bytes:
        """The NodeProto."""
        names: wire.Fields = [(NODE_INPUT, name.encode()) for name in self.inputs]
        names += [(NODE_OUTPUT, name.encode()) for name in self.outputs]
        return wire.encode([*names, (NODE_OP, self.op.encode()), *self.rest])

    def axis(self, default: int = 1) -> int:
        """The attribute `axis`."""
        for piece in wire.pieces(self.rest, NODE_ATTRIBUTE):
            attribute = wire.decode(piece)
            if wire.texts(attribute, 1) == ["axis"]:
                return wire.signed(wire.number(attribute, 3))
        return default


@dataclass
class Graph:
    """A model taken apart; `encoded` puts it together again. Constants by name, still encoded."""

    model: wire.Fields
    rest: wire.Fields
    nodes: list[Node]
    constants: dict[str, bytes]
    inputs: dict[str, tuple[int, ...]]
    outputs: list[str]
    arrays: dict[str, Array] = field(default_factory=dict)
    lent: dict[str, Array] = field(default_factory=dict)

    def array(self, name: str) -> Array:
        """The constant `name`. Raises Refused when it is none, or of a type not used here."""
        if name not in self.arrays:
            if name not in self.constants:
                raise Refused(f"The model computes {name} instead of storing it; quantise it anew.")
            self.arrays[name] = _array(self.constants[name])
        return self.arrays[name]

    def put(self, name: str, value: Array) -> None:
        """Add or replace a constant."""
        self.arrays[name] = value
        self.constants[name] = _tensor(name, value)

    def lend(self, name: str, value: Array) -> None:
        """Add a large constant whose numbers are not in the file: `ort.open_with` gets them."""
        self.lent[name] = value
        where = wire.encode([(1, b"location"), (2, b"lent")])
        self.constants[name] = wire.encode([
            *_kind(name, value), (TENSOR_ELSEWHERE, where), (TENSOR_LOCATION, EXTERNAL)])

    def consumers(self) -> dict[str, list[Node]]:
        """Who reads each tensor."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                readers.setdefault(name, []).append(node)
        return readers

    def encoded(self) -> bytes:
        """The ModelProto, without constants that nobody reads."""
        read = {name for node in self.nodes for name in node.inputs} | set(self.outputs)
        body: wire.Fields = [(NODE, node.encoded()) for node in self.nodes]
        body += [(INITIALIZER, data) for name, data in self.constants.items() if name in read]
        graph = wire.encode([*body, *self.rest])
        return wire.encode([*self.model, (GRAPH, graph)])


def take_apart(model: bytes) -> Graph:
    """Read an ONNX file. Raises Refused when it is none or keeps its weights elsewhere."""
    fields = wire.decode(model)
    graphs = wire.pieces(fields, GRAPH)
    if len(graphs) != 1:
        raise Refused(wire.NOT_PROTOBUF)
    body = wire.decode(graphs[0])
    constants = {_name(piece): piece for piece in wire.pieces(body, INITIALIZER)}
    inputs = {name: shape for name, shape in map(_shape, wire.pieces(body, INPUT))
              if name not in constants}
    # value_info holds types that a rewrite makes wrong; readers infer them again.
    taken = (NODE, INITIALIZER, VALUE_INFO)
    return Graph(
        model=[f for f in fields if f[0] != GRAPH], rest=[f for f in body if f[0] not in taken],
        nodes=[_node(piece) for piece in wire.pieces(body, NODE)], constants=constants,
        inputs=inputs, outputs=[_shape(piece)[0] for piece in wire.pieces(body, OUTPUT)])


def _node(piece: bytes) -> Node:
    fields = wire.decode(piece)
    return Node("".join(wire.texts(fields, NODE_OP)), wire.texts(fields, NODE_INPUT),
                wire.texts(fields, NODE_OUTPUT),
                [f for f in fields if f[0] not in (NODE_INPUT, NODE_OUTPUT, NODE_OP)])


def _name(tensor: bytes) -> str:
    return "".join(wire.texts(wire.decode(tensor), TENSOR_NAME))


def _shape(value_info: bytes) -> tuple[str, tuple[int, ...]]:
    """Name and dims of a ValueInfoProto; -1 where the size is free."""
    fields = wire.decode(value_info)
    dims = [wire.decode(dim) for shape in _down(fields, 2, 1, 2) for dim in wire.pieces(shape, 1)]
    return "".join(wire.texts(fields, 1)), tuple(wire.number(dim, 1, -1) for dim in dims)


def _down(fields: wire.Fields, *path: int) -> Iterator[wire.Fields]:
    if not path:
        yield fields
        return
    for piece in wire.pieces(fields, path[0]):
        yield from _down(wire.decode(piece), *path[1:])


def _array(tensor: bytes) -> Array:
    fields = wire.decode(tensor)
    kind = TYPES.get(wire.number(fields, TENSOR_TYPE))
    shape = wire.numbers(fields, TENSOR_DIMS)
    if kind is None:
        raise Refused(f"The model's constant {_name(tensor)} has an unexpected type; quantise it "
                      "with `vitrine models quantize`.")
    raw, floats = wire.pieces(fields, TENSOR_RAW), wire.pieces(fields, TENSOR_FLOATS)
    values: Array
    if raw or floats:
        values = np.frombuffer(b"".join(raw or floats), kind)
    else:
        values = np.array(wire.numbers(fields, TENSOR_INTS)).astype(kind)
        if kind is np.float32:
            values = np.array([np.frombuffer(v.data, "<f4")[0] for n, v in fields
                               if n == TENSOR_FLOATS and isinstance(v, wire.Fixed)], np.float32)
    if values.size != int(np.prod(shape)):
        raise Refused(f"The model's constant {_name(tensor)} is incomplete; install it again.")
    return values.reshape(shape)


def _tensor(name: str, value: Array) -> bytes:
    raw = np.ascontiguousarray(value).tobytes()
    return wire.encode([*_kind(name, value), (TENSOR_RAW, raw)])


def _kind(name: str, value: Array) -> wire.Fields:
    kind = next(number for number, known in TYPES.items() if value.dtype == known)
    dims: wire.Fields = [(TENSOR_DIMS, int(size)) for size in value.shape]
    return [*dims, (TENSOR_TYPE, kind), (TENSOR_NAME, name.encode())]
