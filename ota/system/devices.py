"""Reading what a system's partition really holds."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

BLOCK_BYTES = 4 << 20


def sha256_of(device: Path, length_bytes: int) -> str:
    """Hex SHA-256 of the first `length_bytes` of a device, from the disk and not from the cache;
    "" when it is shorter or cannot be read."""
    digest, left = hashlib.sha256(), length_bytes
    try:
        with device.open("rb", buffering=0) as source:
            with suppress(OSError):
                os.posix_fadvise(source.fileno(), 0, length_bytes, os.POSIX_FADV_DONTNEED)
            while left > 0 and (block := source.read(min(left, BLOCK_BYTES))):
                digest.update(block)
                left -= len(block)
    except OSError:
        return ""
    return digest.hexdigest() if left == 0 else ""
