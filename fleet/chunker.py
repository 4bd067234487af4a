"""Where to cut a file so that a change inside it moves few cuts: content-defined chunking.

The Gear hash of FastCDC (Xia et al., USENIX ATC 2016) with a window of 32 bytes, computed for all
places at once by doubling: `h2[i] = h1[i] + 2 h1[i-1]`, `h4[i] = h2[i] + 4 h2[i-2]`, ...
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ota.formats.chunks import CHUNK_BYTES_MAX

CHUNK_BYTES_MIN = 16 << 10
# The upper 16 bits are zero at one place in 65,536; the lower ones know too few bytes.
MASK = np.uint32(0xFFFF0000)
WINDOW_BYTES = 32
BLOCK_BYTES = 1 << 20  # hashing it takes twenty times as much memory


def _gear() -> NDArray[np.uint32]:
    """256 fixed random numbers; other ones would cut every file anew."""
    drawn = [hashlib.sha256(b"vitrine gear %d" % byte).digest()[:4] for byte in range(256)]
    return np.frombuffer(b"".join(drawn), dtype=">u4").astype(np.uint32)


GEAR = _gear()


def places(data: bytes) -> NDArray[np.int64]:
    """Ends of possible chunks: each place after which the hash of the last 32 bytes is right."""
    found = GEAR[np.frombuffer(data, dtype=np.uint8)]
    step = 1
    while step < WINDOW_BYTES:
        later = found.copy()
        later[step:] += found[:-step] << np.uint32(step)
        found, step = later, step * 2
    return np.flatnonzero((found & MASK) == 0) + 1


def chunks_of(path: Path) -> Iterator[bytes]:
    """The file in pieces of 16 to 256 KiB (80 on average); the last one may be shorter."""
    rest = b""
    with path.open("rb") as source:
        while block := source.read(BLOCK_BYTES):
            rest += block
            begin = 0
            for end in cuts(rest):
                yield rest[begin:end]
                begin = end
            rest = rest[begin:]
    # Fewer than CHUNK_BYTES_MAX are left; a cut among them would have needed what follows.
    begin = 0
    for end in (*cuts(rest, at_end=True), len(rest)):
        if end > begin:
            yield rest[begin:end]
        begin = end


def cuts(data: bytes, at_end: bool = False) -> Iterator[int]:
    """Ends of the chunks in `data`, as long as they do not depend on what may follow."""
    if len(data) < CHUNK_BYTES_MAX and not at_end:
        return
    found = places(data)
    begin = 0
    while len(data) - begin >= (CHUNK_BYTES_MIN if at_end else CHUNK_BYTES_MAX):
        first = np.searchsorted(found, begin + CHUNK_BYTES_MIN)
        end = int(found[first]) if first < len(found) else len(data)
        end = min(end, begin + CHUNK_BYTES_MAX, len(data))
        yield end
        begin = end
