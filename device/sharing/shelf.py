"""What this box can give to others now: whole files of the store, and good parts of growing ones.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterable
from pathlib import Path

from ota.box.assemble import growing_path
from ota.box.store import Store

NOTHING, GROWING, WHOLE = 0, 1, 2


class Shelf:
    """Written by the thread that brings, read by those that give."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._growing: dict[str, int] = {}
        self._lock = threading.Lock()

    def intend(self, sha256s: Iterable[str]) -> None:
        """This box is going to fetch these: the others need not."""
        with self._lock:
            for sha256 in sha256s:
                self._growing.setdefault(sha256, 0)

    def grown(self, sha256: str, length_bytes: int) -> None:
        """So many good bytes are here, under the growing name."""
        with self._lock:
            self._growing[sha256] = length_bytes

    def forget(self) -> None:
        """Nothing is being fetched any more."""
        with self._lock:
            self._growing.clear()

    def state(self, sha256: str) -> int:
        """NOTHING, GROWING or WHOLE."""
        if self._store.has(sha256):
            return WHOLE
        with self._lock:
            return GROWING if sha256 in self._growing else NOTHING

    def place(self, sha256: str) -> tuple[Path, int] | None:
        """Where good bytes of this content lie, and how many; None when there are none."""
        path = self._store.path(sha256)
        with self._lock:
            good_bytes = self._growing.get(sha256, 0)
        try:
            found = path.lstat()
        except OSError:
            return (growing_path(path), good_bytes) if good_bytes else None
        # A link is not content, wherever it leads.
        return (path, found.st_size) if stat.S_ISREG(found.st_mode) else None
