"""Which way a release's artefact comes: the cheapest in bytes that this box can walk. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ota.formats.manifest import Artefact
from ota.formats.shortcuts import Patch, Ways

# Kept free of what a patch may take: the player must not be swapped out for an update.
RAM_RESERVE_BYTES = 192 << 20


@dataclass(frozen=True)
class Here:
    """What the box has: the artefact its good slot was written from (None: none), what memory
    and disk are free. `at_hand` is what of an earlier try lies on the disk already."""

    artefact: str | None
    ram_free_bytes: int
    disk_free_bytes: int
    at_hand_bytes: int = 0


@dataclass(frozen=True)
class Way:
    """One way. `wire_bytes` is what travels, `disk_bytes` what lies beside the slots at most."""

    name: str
    wire_bytes: int
    disk_bytes: int
    patch: Patch | None = None


def plan(artefact: Artefact, ways: Ways | None, here: Here) -> tuple[tuple[Way, ...], int]:
    """The ways that this box can go, the cheapest first, and the least disk space that any of
    all needs. Each ends in the artefact's sha256; where one fails the next is gone."""
    fit = [way for way in _all(artefact, ways, here)
           if way.disk_bytes <= here.disk_free_bytes + here.at_hand_bytes]
    least = min(way.disk_bytes for way in _all(artefact, ways, here))
    return tuple(sorted(fit, key=lambda way: way.wire_bytes)), least


def _all(artefact: Artefact, ways: Ways | None, here: Here) -> list[Way]:
    found = [Way("whole", artefact.bytes, artefact.bytes)]
    if ways is None:
        return found
    listed = ways.chunked.list_bytes
    missing = ways.missing_bytes.get(here.artefact or "")
    # The list of the old artefact's chunks is about as long as the new one's.
    wire = ways.pack_bytes + listed if missing is None else missing + 2 * listed
    wire = min(wire, ways.pack_bytes + 2 * listed)
    found.append(Way("chunks", wire, artefact.bytes + 2 * listed))
    for patch in ways.patches:
        room = here.ram_free_bytes - RAM_RESERVE_BYTES
        # A kernel that does not say leaves the patch out: chunks need no memory to speak of.
        if patch.old == here.artefact and patch.ram_bytes <= room:
            found.append(Way("patch", patch.bytes, artefact.bytes + patch.bytes, patch))
    return found
