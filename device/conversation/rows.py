"""The encoder's embeddings of 250,037 pieces, of which a shop needs some hundred: left in the file.

Packed they are 54 MB. Each sentence reads its own rows, 216 bytes each, which the system keeps at
hand for as long as it has memory to spare.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.conversation.packed import BLOCK, BLOCK_BYTES, halves
from ota.errors import Broken

_ZERO = 8


class Rows:
    """A packed matrix of `width` columns that begins at byte `at` of an open file."""

    def __init__(self, path: Path, at: int, width: int) -> None:
        """Raises OSError."""
        self._path, self._at, self._bytes = path, at, width // BLOCK * BLOCK_BYTES
        self._descriptor = os.open(path, os.O_RDONLY)

    def __getitem__(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """(len(numbers), width). Raises Broken when the file cannot be read any more."""
        size, at = self._bytes, self._at
        try:
            read = b"".join(os.pread(self._descriptor, size, at + n * size) for n in numbers)
            if len(read) != len(numbers) * size:
                raise ValueError("it is cut off")
        except (OSError, ValueError) as error:
            raise Broken(f"{self._path} cannot be read ({error}); starting again.") from error
        scales, packed = halves(read, len(numbers))
        whole = np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.float32) - _ZERO
        return np.asarray((whole * scales[..., None]).reshape(len(numbers), -1))

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "_descriptor"):
            close(self._descriptor)
