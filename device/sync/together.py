"""Many files at once, in a shop where other boxes want the same ones: each comes in once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from device.sharing.neighbours import Neighbours, Round
from device.sync.bringing import File
from ota.clock import monotonic_s, sleep_s

# Less than this comes faster from the chain's server than after a talk with the neighbours.
SHARED_FROM_BYTES = 256 << 10
# A file of this size is followed while it grows at another box; smaller ones are waited for.
FOLLOWED_FROM_BYTES = 1 << 20
PAUSE_S = 0.25


@dataclass(frozen=True)
class Ways:
    """How a file may come. `far` fetches it from the chain's server; `near` from a box, and tells
    whether it is whole then; `done` is told of every file that is here."""

    far: Callable[[File], None]
    near: Callable[[File, str], bool]
    done: Callable[[File], None]


def bring_together(files: Iterable[File], neighbours: Neighbours, ways: Ways) -> None:
    """Make all files whole. Raises as `ways.far` does.

    This box fetches those from afar for which it is the first in the order, and takes the others
    from its neighbours; when nobody fetches a file, the next in the order does.
    """
    waiting = {file.sha256: file for file in files}
    sleep_s(neighbours.settling_s)
    since_s, got_bytes = monotonic_s(), 0
    try:
        while waiting:
            before = len(waiting)
            have = neighbours.ask(list(waiting))
            _intend(waiting, have, neighbours)
            for sha256 in sorted(waiting, key=lambda name: (neighbours.rank(name), name)):
                file = waiting[sha256]
                if _comes(file, have, neighbours, ways, monotonic_s() - since_s):
                    del waiting[sha256]
                    ways.done(file)
                    since_s = monotonic_s()
            if neighbours.got_bytes != got_bytes:
                since_s, got_bytes = monotonic_s(), neighbours.got_bytes
            elif len(waiting) == before:
                sleep_s(PAUSE_S)
    finally:
        neighbours.shelf.forget()


def _intend(waiting: Iterable[str], have: Round, neighbours: Neighbours) -> None:
    """Tell the others which files are ours to fetch, before the first of them is begun."""
    neighbours.shelf.intend(
        name for name in waiting
        if name not in have.whole and name not in have.growing and neighbours.rank(name) == 0)


def _comes(
    file: File, have: Round, neighbours: Neighbours, ways: Ways, idle_s: float
) -> bool:
    """Do what can be done for this file now; True when it is here."""
    whole, growing = have.whole.get(file.sha256), have.growing.get(file.sha256)
    if whole:
        return ways.near(file, whole[0])
    follow = growing and file.length_bytes >= FOLLOWED_FROM_BYTES
    if growing and follow and ways.near(file, growing[0]):
        return True
    if neighbours.is_due(file.sha256, bool(growing), idle_s):
        ways.far(file)
        return True
    return False
