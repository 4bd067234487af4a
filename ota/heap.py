"""The memory of a process that lives for a year: few arenas, and what is free is given back.

Sprites, clips, frames and blocks of all sizes come and go in several threads; glibc keeps an arena
for each thread and never returns a hole in its middle, so that resident memory creeps up although
nothing leaks (some MB for a thousand sentences). Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes
import resource
from pathlib import Path

_LIBC = "libc.so.6"
_M_ARENA_MAX = -8  # malloc.h
ARENAS = 2
_STATM = Path("/proc/self/statm")


def use_few_arenas() -> None:
    """Call before threads are started."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_LIBC).mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Return free pages to the system; some ms, so at a moment of silence."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(_LIBC).malloc_trim(0)


def resident_bytes() -> int | None:
    """Resident memory of this process (proc(5), statm); None where the system does not tell."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * resource.getpagesize()
