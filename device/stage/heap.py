"""The memory of a process that lives for a year: few arenas, and what is free is given back.

Sprites, clips and frames of all sizes come and go in several threads; glibc keeps an arena for
each thread and never returns a hole in its middle, so that resident memory creeps up although
nothing leaks (some MB for a thousand sentences). Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc

_LIBC = "libc.so.6"
_M_ARENA_MAX = -8  # malloc.h
ARENAS = 2
YOUNG_S, FULL_S = 10.0, 600.0


def use_few_arenas() -> None:
    """Call before threads are started."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_LIBC).mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return free pages to the system; some ms, so at a moment of silence."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_LIBC).malloc_trim(0)


class Collector:
    """Python's collector is off in the player: young objects often, old ones in silence."""

    def __init__(self) -> None:
        self._young_s = self._full_s = 0.0

    def turn(self, now_s: float, quiet: bool) -> None:
        """Collect what is due at `now_s` (monotonic)."""
        if now_s >= self._full_s and quiet:
            self._full_s = now_s + FULL_S
            gc.collect()
            give_back()
        elif now_s >= self._young_s:
            self._young_s = now_s + YOUNG_S
            gc.collect(0)

    def leave_alone(self) -> None:
        """What lives by now stays: it need not be looked at again."""
        gc.freeze()
