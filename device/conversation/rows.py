"""The encoder's table of 128,010 pieces, of which a shop needs some hundred: read from a file.

In the package it is packed (25 MB); unpacked it would be 65 MB of the player's memory. So it is
unpacked once into a file beside the package, and each sentence reads its own rows of that, half a
kilobyte each, which the system keeps at hand for as long as it has memory to spare.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from ota.errors import Broken, VitrineError
from ota.files import write_durable

Bytes = NDArray[np.uint8]
_NAME = "table-*.bin"
_BLOCK_BYTES = 1 << 20


class Rows:
    """A table (n, `width`) of bytes in an open file; `rows[numbers]` as of an array."""

    def __init__(self, path: Path, width: int) -> None:
        self._width, self._path = width, path
        self._descriptor = os.open(path, os.O_RDONLY)

    def __getitem__(self, numbers: NDArray[np.int64]) -> Bytes:
        """(len(numbers), width) bytes. Raises Broken when the file cannot be read any more."""
        width = self._width
        try:
            read = b"".join(os.pread(self._descriptor, width, int(n) * width) for n in numbers)
            return np.frombuffer(read, np.uint8).reshape(len(numbers), width)
        except (OSError, ValueError) as error:
            raise Broken(f"{self._path} cannot be read ({error}); starting again.") from error

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)


def on_disk(package: Path, width: int, unpack: Callable[[], Bytes]) -> tuple[Bytes | Rows, str]:
    """The table of `package` and its check sum: from the file beside it, if that is whole, else
    unpacked into one. Where nothing can be kept it stays in memory.

    Raises OSError and BadZipFile when the package cannot be read.
    """
    folder, mark = package.parent, _mark_of(package)
    for path in folder.glob(_NAME):
        with suppress(OSError, ValueError):
            _, found, told = path.stem.split("-")
            if found == mark and _sum_of(path) == told:
                return Rows(path, width), told
    table = unpack()
    told = f"{zlib.crc32(table.data):08x}"
    with suppress(VitrineError, OSError):
        for old in folder.glob(_NAME):
            old.unlink(missing_ok=True)
        path = folder / _NAME.replace("*", f"{mark}-{told}")
        write_durable(path, table.tobytes(), sole=True)
        return Rows(path, width), told
    return table, told


def _mark_of(package: Path) -> str:
    """What tells these weights from others: the check sums of all members."""
    with ZipFile(package) as members:
        sums = b"".join(each.CRC.to_bytes(4, "big") for each in members.infolist())
    return f"{zlib.crc32(sums):08x}"


def _sum_of(path: Path) -> str:
    total = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            total = zlib.crc32(block, total)
    return f"{total:08x}"
