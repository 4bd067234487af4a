"""The memory of a process that lives for a year: few arenas, and what is free is given back.

Sprites, clips, frames and blocks of all sizes come and go in several threads; glibc keeps an arena
for each thread and never returns a hole in its middle, so that resident memory creeps up although
nothing leaks (some MB for a thousand sentences). Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes

_LIBC = "libc.so.6"
_M_ARENA_MAX = -8  # malloc.h
ARENAS = 2


def use_few_arenas() -> None:
    """Call before threads are started."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_LIBC).mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return free pages to the system; some ms, so at a moment of silence."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_LIBC).malloc_trim(0)
