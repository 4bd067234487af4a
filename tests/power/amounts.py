"""How much is tried on a push, and how much at night: all figures of the power rig in one place."""

from __future__ import annotations

# Level 0: pairs of cuts of one flow (one in it, one in what follows it), after so many first cuts.
PAIRS, FIRST_CUTS = 30, 3
# A start of a whole machine costs more.
PAIRS_OF = {"system": 3}
PAIRS_NIGHTLY, FIRST_CUTS_NIGHTLY = 2_000, 60
# Level 0: evenings on each of which a box is switched off before it is done.
EVENINGS = 40
# Level 1: kills of each real command; at night every one is tried.
KILLS = 5
# Level 2: disks as after a power cut, over all flows and file systems.
STATES = 2_100
STATES_NIGHTLY = 21_000
# Which part of the states each flow has.
BLOCK_SHARE = {
    "install": 0.19,
    "take back": 0.10,
    "confirm": 0.05,
    "go back": 0.05,
    "system": 0.03,
    "content": 0.15,
    "content without links": 0.07,
    "eviction": 0.05,
    "desired": 0.05,
    "outbox": 0.05,
    "enrol": 0.03,
    "enrol anew": 0.05,
    "follow new keys": 0.05,
    "publish and rotate": 0.05,
    "prune": 0.03,
}
FILE_SYSTEMS = ("", "noauto_da_alloc", "data=writeback,noauto_da_alloc")
# One state in so many is also gone on from on the very file system that was found.
IN_PLACE_EACH = 25
# States in which each sabotaged writer must be found out.
SABOTAGE_STATES = 60
# Level 3, at night: cuts of whole machines for each flow, and of one whose writer is wrong.
MACHINE_CUTS = {"install": 100, "take back": 50, "confirm": 25, "go back": 25}
MACHINE_CUTS_SABOTAGED = 20
SEED = 7


def states_of(flow: str, whole: int) -> int:
    """How many states of this flow are tried on each file system, of `whole` in all."""
    return round(whole * BLOCK_SHARE[flow] / len(FILE_SYSTEMS))
