"""Differences of tuned networks: each number of the old tensor plus a small one. Pure, bit-exact.

Numbers are taken as unsigned integers of their width and added modulo 2^(8 width), floats by
their bits: nothing is rounded. Differences travel in planes (all low bytes, then all next ones):
of a slightly tuned float the high planes are nearly all zero. The sums of many numbers are one
sum of a long integer whose carries are kept apart, so a box needs no numpy for it.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        changed = _lanes(new[span.new : at], old[span.old : span.old + span.length_bytes],
                         span.width, minus=True)
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
        new += _lanes(old[span.old : span.old + span.length_bytes], bytes(woven), span.width)
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


def _lanes(a: bytes, b: bytes, width: int, minus: bool = False) -> bytes:
    """Sums (or differences) of little-endian numbers of `width` bytes, each modulo its range."""
    found = bytearray()
    for at in range(0, len(a), BLOCK_BYTES):
        left, right = a[at : at + BLOCK_BYTES], b[at : at + BLOCK_BYTES]
        size = len(left)
        # The top bit of each number is left out of the long sum and put in without its carry.
        top = int.from_bytes((b"\0" * (width - 1) + b"\x80") * (size // width), "little")
        low = ((1 << 8 * size) - 1) ^ top
        x, y = int.from_bytes(left, "little"), int.from_bytes(right, "little")
        if minus:
            total = ((x | top) - (y & low)) ^ ((x ^ y ^ top) & top)
        else:
            total = ((x & low) + (y & low)) ^ ((x ^ y) & top)
        found += total.to_bytes(size, "little")
    return bytes(found)
