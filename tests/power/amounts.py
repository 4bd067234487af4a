"""How much is tried on a push, and how much at night: all figures of the power rig in one place."""

from __future__ import annotations

# Level 0: pairs of cuts of one flow (one in it, one in what follows); fewer are all tried.
PAIRS = 40
PAIRS_NIGHTLY = 2_000
# Level 1: kills of real commands, of each command; at night every one is tried.
KILLS = 8
# Level 2: disks as after a power cut, of one flow on one file system, see `BLOCK_SHARE`.
STATES_PUSH = 2_000
STATES_NIGHTLY = 20_000
# Which part of the states each flow has; the rest of 1 is nobody's.
BLOCK_SHARE = {
    "install": 0.30,
    "take back": 0.10,
    "go back": 0.05,
    "content": 0.15,
    "content without links": 0.05,
    "eviction": 0.05,
    "desired": 0.05,
    "outbox": 0.10,
    "enrol anew": 0.05,
    "follow new keys": 0.05,
    "publish and rotate": 0.05,
}
FILE_SYSTEMS = ("", "noauto_da_alloc", "data=writeback,noauto_da_alloc")
# One state in so many is also gone on from on the very file system that was found.
IN_PLACE_EACH = 25
SEED = 7


def states_of(flow: str, whole: int) -> int:
    """How many states of this flow are tried on each file system, of `whole` in all."""
    return round(whole * BLOCK_SHARE[flow] / len(FILE_SYSTEMS))
