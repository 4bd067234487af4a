"""Which box of a shop fetches which file from the chain's server: pure, and the same on all boxes.

Rendezvous hashing (Thaler and Ravishankar, IEEE/ACM ToN 1998): no election, no state, and a box
that comes or goes moves only its own files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

# A box waits this long for each one before it in the order, and no longer, when nobody begins.
PATIENCE_S = 10.0
# Somebody has begun, but nothing comes any more.
STALL_S = 60.0


def ranked(boxes: Iterable[str], sha256: str) -> list[str]:
    """The boxes in the order in which they are to fetch this file."""
    return sorted(boxes, key=lambda box: hashlib.sha256(f"{sha256}/{box}".encode()).digest())


def is_due(rank: int, begun: bool, idle_s: float) -> bool:
    """May the box at place `rank` go to the chain's server itself?

    `begun`: another box says that it fetches the file. `idle_s`: how long nothing has come.
    """
    return idle_s >= PATIENCE_S * rank + (STALL_S if begun else 0.0)
