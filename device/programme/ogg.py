"""Opus clips whose bytes depend on the sound alone.

libsndfile gives each Ogg stream a random serial number; here it is set from the clip's name
and the pages' checksums are made anew (RFC 3533), so that the same sentence is the same file.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

from device.audio.soundfiles import Samples, write_opus

_PAGE_HEADER_BYTES = 27
_SERIAL_AT, _CRC_AT, _SEGMENTS_AT = 14, 22, 26
_CRC_POLYNOMIAL = 0x04C11DB7


def opus_bytes(samples: Samples, rate_hz: int, name: str) -> bytes:
    """Mono float32 samples as Ogg Opus; `name` (hex) gives the stream's number."""
    with tempfile.TemporaryDirectory(prefix="vitrine-") as folder:
        path = Path(folder) / "clip.opus"
        write_opus(path, samples, rate_hz)
        return with_serial(path.read_bytes(), int(name[:8], 16))


def with_serial(data: bytes, serial: int) -> bytes:
    """An Ogg file with another stream number on every page. Raises ValueError when torn."""
    out = bytearray(data)
    at = 0
    while at < len(out):
        if out[at : at + 4] != b"OggS" or at + _PAGE_HEADER_BYTES > len(out):
            raise ValueError("not an Ogg page")
        segments = out[at + _SEGMENTS_AT]
        lengths = out[at + _PAGE_HEADER_BYTES : at + _PAGE_HEADER_BYTES + segments]
        end = at + _PAGE_HEADER_BYTES + segments + sum(lengths)
        struct.pack_into("<I", out, at + _SERIAL_AT, serial)
        struct.pack_into("<I", out, at + _CRC_AT, 0)
        struct.pack_into("<I", out, at + _CRC_AT, _crc(bytes(out[at:end])))
        at = end
    return bytes(out)


def _crc_table() -> tuple[int, ...]:
    table = []
    for number in range(256):
        value = number << 24
        for _ in range(8):
            carry = value & 0x80000000
            value = (value << 1) & 0xFFFFFFFF
            if carry:
                value ^= _CRC_POLYNOMIAL
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _crc(page: bytes) -> int:
    value = 0
    for byte in page:
        value = ((value << 8) & 0xFFFFFFFF) ^ _CRC_TABLE[(value >> 24) ^ byte]
    return value
