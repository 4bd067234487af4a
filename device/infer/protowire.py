"""Protocol Buffers on the wire: enough to read and write ONNX without its package.

A message is a list of fields `(number, value)`: an int is a varint, bytes are length-delimited,
`Fixed` keeps 4 or 8 bytes as they are. What is not understood passes through unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

from ota.errors import Refused

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
NOT_PROTOBUF = "The file is no ONNX model, or it is cut off; install it again."
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Fixed:
    """A 4 or 8 byte field, little endian."""

    data: bytes


Value = int | bytes | Fixed
Fields = list[tuple[int, Value]]


def decode(data: bytes) -> Fields:
    """The fields of one message, in order. Raises Refused when `data` is none."""
    fields: Fields = []
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = read_varint(data, at)
            fields.append((number, value))
            continue
        if kind == BYTES:
            size, at = read_varint(data, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise Refused(NOT_PROTOBUF)
        if at + size > len(data):
            raise Refused(NOT_PROTOBUF)
        piece = data[at : at + size]
        fields.append((number, piece if kind == BYTES else Fixed(piece)))
        at += size
    return fields


def encode(fields: Fields) -> bytes:
    """The message of these fields."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3 | VARINT) + varint(value)
        elif isinstance(value, Fixed):
            out += varint(number << 3 | (FIXED32 if len(value.data) == 4 else FIXED64))
            out += value.data
        else:
            out += varint(number << 3 | BYTES) + varint(len(value)) + value
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at byte `at`, and where it ends. Raises Refused."""
    number = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & _MASK, at
        shift += 7
    raise Refused(NOT_PROTOBUF)


def varint(number: int) -> bytes:
    """`number` (negative ones as 64 bit two's complement) as a varint."""
    number &= _MASK
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def signed(number: int) -> int:
    """A varint read as int64."""
    return number - (1 << 64) if number >> 63 else number


def numbers(fields: Fields, field: int) -> list[int]:
    """A repeated integer field, packed or not, as signed values."""
    found: list[int] = []
    for number, value in fields:
        if number != field:
            continue
        if isinstance(value, int):
            found.append(signed(value))
        elif isinstance(value, bytes):
            at = 0
            while at < len(value):
                one, at = read_varint(value, at)
                found.append(signed(one))
    return found


def texts(fields: Fields, field: int) -> list[str]:
    """A repeated string field."""
    return [value.decode(errors="replace") for number, value in fields
            if number == field and isinstance(value, bytes)]


def pieces(fields: Fields, field: int) -> list[bytes]:
    """A repeated bytes or message field, undecoded."""
    return [value for number, value in fields if number == field and isinstance(value, bytes)]


def number(fields: Fields, field: int, default: int = 0) -> int:
    """A single integer field."""
    return next((v for n, v in fields if n == field and isinstance(v, int)), default)
