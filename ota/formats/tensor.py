"""Differences of tuned networks: each number of the old tensor plus a small one. Pure, bit-exact.

Numbers are taken as unsigned integers of their width and added modulo 2^(8 width), floats by
their bits: nothing is rounded. Differences travel zigzag (0, -1, 1, -2, ... as 0, 1, 2, 3, ...)
and in planes (all low bytes, then all next ones), so that of slightly tuned numbers the high
planes are nearly all zero. The sums of many numbers are one
sum of a long integer whose carries are kept apart, so a box needs no numpy for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ota import zstd
from ota.errors import Refused

WIDTHS = (1, 2, 4, 8)
SPANS_MAX = 20_000
BLOCK_BYTES = 1 << 16
DAMAGED = "A delta of a network does not fit the file it is for; publish the release again."


class Span(msgspec.Struct, frozen=True, array_like=True):
    """One tensor in the old file and in the new one: offsets, bytes, bytes of one number."""

    old: int
    new: int
    length_bytes: int
    width: int


def difference(new: bytes, old: bytes, spans: Sequence[Span]) -> tuple[bytes, bytes]:
    """What must travel: the rest of the file, and the differences, both packed."""
    rest, moved = bytearray(), bytearray()
    at = 0
    for span in spans:
        rest += new[at : span.new]
        at = span.new + span.length_bytes
        before = old[span.old : span.old + span.length_bytes]
        changed = _lanes(_minus, new[span.new : at], before, span.width)
        for plane in range(span.width):
            moved += changed[plane :: span.width]
    rest += new[at:]
    return zstd.patched(bytes(rest), old), zstd.packed(bytes(moved))


def tuned(
    old: bytes, length_bytes: int, spans: Sequence[Span], rest: bytes, moved: bytes
) -> bytes:
    """The new file of `length_bytes`. Raises Refused: spans out of order or range, other lengths
    than they say."""
    inside = _checked(spans, len(old), length_bytes)
    others = zstd.unpacked(rest, length_bytes - inside, old) if length_bytes > inside else b""
    changes = zstd.unpacked(moved, inside)
    new = bytearray()
    done = 0
    for span in spans:
        gap = span.new - len(new)
        new += others[len(new) - done : len(new) - done + gap]
        planes = changes[done : done + span.length_bytes]
        one = span.length_bytes // span.width
        woven = bytearray(span.length_bytes)
        for plane in range(span.width):
            woven[plane :: span.width] = planes[plane * one : (plane + 1) * one]
        before = old[span.old : span.old + span.length_bytes]
        new += _lanes(_plus, before, bytes(woven), span.width)
        done += span.length_bytes
    return bytes(new + others[len(new) - done :])


def _checked(spans: Sequence[Span], old_bytes: int, new_bytes: int) -> int:
    """Bytes in all spans. Raises Refused."""
    at = inside = 0
    for span in spans:
        fits = (span.width in WIDTHS and span.length_bytes > 0
                and span.length_bytes % span.width == 0
                and 0 <= span.old <= old_bytes - span.length_bytes
                and at <= span.new <= new_bytes - span.length_bytes)
        if not fits:
            raise Refused(DAMAGED)
        at = span.new + span.length_bytes
        inside += span.length_bytes
    if not 0 < len(spans) <= SPANS_MAX:
        raise Refused(DAMAGED)
    return inside


class _Lanes:
    """Masks for many numbers of `width` bytes that lie side by side in one long integer."""

    def __init__(self, width: int, size: int) -> None:
        self.bits = 8 * width
        self.top = int.from_bytes((b"\0" * (width - 1) + b"\x80") * (size // width), "little")
        self.one = self.top >> (self.bits - 1)
        self.low = ((1 << 8 * size) - 1) ^ self.top

    def filled(self, ones: int) -> int:
        """Numbers of which the lowest bit is set, with all bits set."""
        return (ones << self.bits) - ones


def _minus(lanes: _Lanes, x: int, y: int) -> int:
    """x - y in zigzag. The top bit of each is put in without its borrow."""
    d = ((x | lanes.top) - (y & lanes.low)) ^ ((x ^ y ^ lanes.top) & lanes.top)
    return ((d & lanes.low) << 1) ^ lanes.filled((d & lanes.top) >> (lanes.bits - 1))


def _plus(lanes: _Lanes, x: int, y: int) -> int:
    """x plus a zigzag difference. The top bit of each is put in without its carry."""
    d = ((y >> 1) & lanes.low) ^ lanes.filled(y & lanes.one)
    return ((x & lanes.low) + (d & lanes.low)) ^ ((x ^ d) & lanes.top)


def _lanes(work: Callable[[_Lanes, int, int], int], a: bytes, b: bytes, width: int) -> bytes:
    """`work` on the little-endian numbers of `a` and `b`, block by block."""
    found = bytearray()
    size, lanes = 0, _Lanes(width, 0)
    for at in range(0, len(a), BLOCK_BYTES):
        left, right = a[at : at + BLOCK_BYTES], b[at : at + BLOCK_BYTES]
        if size != len(left):
            size, lanes = len(left), _Lanes(width, len(left))
        x, y = int.from_bytes(left, "little"), int.from_bytes(right, "little")
        found += work(lanes, x, y).to_bytes(size, "little")
    return bytes(found)
