"""Where the tensors of an ONNX file lie in it, so that a tuned one travels as differences.

Only the wire format of Protocol Buffers is read (onnx.proto: ModelProto.graph 7, GraphProto
.initializer 5, TensorProto .dims 1, .data_type 2, .name 8, .raw_data 9); the numbers stay as they
are in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ota.errors import Refused
from ota.formats.tensor import Span

GRAPH, INITIALIZER = 7, 5
DATA_TYPE, NAME, RAW = 2, 8, 9
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
# TensorProto.DataType: bytes of one number.
WIDTHS = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
# Less than this is not worth a line in the list.
SPAN_BYTES_MIN = 64
NOT_ONNX = "The file is no ONNX model, or it is cut off."


@dataclass(frozen=True)
class Tensor:
    """One initializer's raw numbers."""

    name: bytes
    offset: int
    length_bytes: int
    width: int


def tensors(data: bytes) -> list[Tensor]:
    """The initializers of a model, in the file's order. Raises Refused: no ONNX file."""
    found = []
    for number, start, end in _fields(data, 0, len(data)):
        if number != GRAPH:
            continue
        for inner, begin, stop in _fields(data, start, end):
            if inner == INITIALIZER and (tensor := _tensor(data, begin, stop)) is not None:
                found.append(tensor)
    return found


def spans(old: bytes, new: bytes) -> list[Span]:
    """The tensors that both models have under one name, type and length, in the new one's order.
    Empty when either is no ONNX model."""
    try:
        before = {(t.name, t.width, t.length_bytes): t for t in tensors(old)}
        after = tensors(new)
    except Refused:
        return []
    both = [(before[key], tensor) for tensor in after
            if (key := (tensor.name, tensor.width, tensor.length_bytes)) in before]
    return [Span(o.offset, n.offset, n.length_bytes, n.width) for o, n in both]


def _tensor(data: bytes, start: int, end: int) -> Tensor | None:
    name, kind, raw = b"", 0, (0, 0)
    for number, begin, stop in _fields(data, start, end):
        if number == DATA_TYPE:
            kind = _varint(data, begin)[0]
        elif number == NAME:
            name = data[begin:stop]
        elif number == RAW:
            raw = (begin, stop)
    width, length_bytes = WIDTHS.get(kind, 0), raw[1] - raw[0]
    if not width or length_bytes < SPAN_BYTES_MIN or length_bytes % width:
        return None
    return Tensor(name, raw[0], length_bytes, width)


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field's value."""
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        start = at
        if kind == VARINT:
            _, at = _varint(data, at)
        elif kind == BYTES:
            size, start = _varint(data, at)
            at = start + size
        elif kind in (FIXED32, FIXED64):
            at += 4 if kind == FIXED32 else 8
        else:
            raise Refused(NOT_ONNX)
        if at > end:
            raise Refused(NOT_ONNX)
        yield key >> 3, start, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise Refused(NOT_ONNX)
