"""How large a picture says it is, by its first bytes alone: asked before anything is unpacked.

A few kilobytes of PNG may unpack to gigabytes. PNG, JPEG and WebP; formats as in their standards
(ISO 15948, ITU-T T.81 annex B, RFC 9649).
"""

from __future__ import annotations

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
# Frame headers of JPEG: C0 to CF without tables (C4, C8, CC).
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
SEGMENTS_MAX = 1 << 16


def size_px(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels; None when it is none of the three kinds, or cut off."""
    if data.startswith(PNG):
        return _png(data)
    if data.startswith(JPEG):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP" and len(data) >= 30:
        return _webp(data)
    return None


def _png(data: bytes) -> tuple[int, int] | None:
    """Every chunk must lie within the file: readers take memory for what a chunk says it has."""
    at, size = len(PNG), None
    for _ in range(SEGMENTS_MAX):
        length, kind = _big(data[at : at + 4]), data[at + 4 : at + 8]
        if len(data) < at + 12 + length:
            return None
        if size is None and (kind != b"IHDR" or length != 13):
            return None
        size = size or (_big(data[at + 8 : at + 12]), _big(data[at + 12 : at + 16]))
        at += 12 + length
        if kind == b"IEND":
            return size
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = len(JPEG)
    for _ in range(SEGMENTS_MAX):
        while data[at : at + 2] == b"\xff\xff":
            at += 1
        if len(data) < at + 9 or data[at] != 0xFF:
            return None
        kind = data[at + 1]
        if kind in FRAMES:
            return _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
        at += 2 if kind in ALONE else 2 + _big(data[at + 2 : at + 4])
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + _little(data[24:27]), 1 + _little(data[27:30])
    if kind == b"VP8L":
        bits = _little(data[21:25])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF
    return None


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
