"""Level 0: every death of a flow, and some deaths of what follows each."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.power.camera import Camera, Photo, Told, develop
from tests.power.flow import Flow, survive
from tests.power.flows import FLOWS


@dataclass
class Rehearsed:
    """How many cuts were tried, and what was found after them."""

    calls: int = 0
    cuts: int = 0
    pairs: int = 0
    found: Counter[str] = field(default_factory=Counter)


@contextmanager
def stage(name: str) -> Iterator[tuple[Flow, Path]]:
    """A prepared flow and its root, in memory: the death of a process needs no slow disk."""
    memory = Path("/dev/shm")
    work = Path(tempfile.mkdtemp(
        prefix="vitrine-power-", dir=memory if os.access(memory, os.W_OK) else None))  # fmt: skip
    try:
        flow, root = FLOWS[name](work / "home"), work / "root"
        root.mkdir()
        flow.prepare(root)
        yield flow, root
    finally:
        shutil.rmtree(work, ignore_errors=True)


def rehearse(flow: Flow, root: Path, pairs: int, first_cuts: int, seed: int) -> Rehearsed:
    """Cut at every storage call, torn writes included; then cut again in what follows.

    Raises AssertionError (an invariant does not hold) with the number of the cut.
    """
    done, chance = Rehearsed(), random.Random(seed)
    camera = Camera(root)
    with camera.watching():
        flow.run(root, camera.tell)
    done.calls, done.cuts = camera.calls, len(camera.taken)
    for number, (photo, told) in enumerate(camera.taken):
        done.found[_tried(flow, root, photo, told, f"cut {number}")] += 1
    firsts = chance.sample(camera.taken, min(first_cuts, len(camera.taken)))
    for first, (photo, told) in enumerate(firsts):
        for again in _seconds(flow, root, photo, chance, max(1, pairs // len(firsts))):
            _tried(flow, root, again, told, f"the second cut after {first} of {len(firsts)}")
            done.pairs += 1
    return done


def _seconds(
    flow: Flow, root: Path, photo: Photo, chance: random.Random, amount: int
) -> list[Photo]:
    develop(photo, root)
    camera = Camera(root)
    with camera.watching():
        flow.again(root)
    chosen = chance.sample(camera.taken, min(amount, len(camera.taken)))
    return [photo for photo, _ in chosen]


def _tried(flow: Flow, root: Path, photo: Photo, told: Told, where: str) -> str:
    develop(photo, root)
    try:
        return survive(flow, root, told)
    except Exception as error:
        raise AssertionError(f"{flow.name}, {where}, after {sorted(told)}: {error!r}") from error
