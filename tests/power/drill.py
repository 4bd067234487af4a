"""`python -m tests.power.drill --flow install --options noauto_da_alloc --states 200`: level 2.

Runs a flow once on a real ext4 over a logged disk, makes the disks that a power cut may have left,
mounts each as a box would, and judges what lies there. Equal trees are gone on from once, in
memory; one state in `IN_PLACE_EACH` also on the very file system that was found. Prints one line
of JSON for each file system. Needs root; mounts in a namespace of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ota.clock import monotonic_s
from ota.errors import VitrineError
from tests.power import mounts
from tests.power.amounts import IN_PLACE_EACH, SEED
from tests.power.camera import Photo, develop, name_of, photograph
from tests.power.disks import Logged, Replayed, make_disk, plain
from tests.power.flow import Flow, survive
from tests.power.flows import FLOWS
from tests.power.sabotage import SABOTAGES
from tests.power.states import State, Step, Write, chosen, pages_of, steps_of

ROOT = "box"
SHOWN = 5


@dataclass
class Report:
    """What was tried and found. `bad` maps a reason to how often, `examples` to where first."""

    flow: str
    options: str
    writes: int = 0
    flushes: int = 0
    states: int = 0
    trees: int = 0
    in_place: int = 0
    found: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def note(self, state: State, label: str, reason: str | None) -> None:
        """One more state."""
        self.states += 1
        if reason is None:
            self.found[label] += 1
        else:
            self.bad[reason] += 1
            self.examples.setdefault(reason, f"{state.name} after {sorted(state.told)}")


class Drill:
    """One flow on one file system."""

    def __init__(self, flow: Flow, work: Path, options: str) -> None:
        self._flow, self._work, self._options = flow, work, options
        self._verdicts: dict[object, tuple[str, str | None]] = {}
        self._pool: dict[bytes, bytes] = {}
        self.report = Report(flow.name, options)

    def recorded(self, sabotage: str, settle_s: float) -> tuple[bytes, list[Step]]:
        """The disk before the flow, and all that the flow (and the kernel after it) wrote."""
        base, log, point = self._work / "base.img", self._work / "log", self._work / "plain"
        point.mkdir()
        make_disk(base)
        with plain(base, point):
            (point / ROOT).mkdir()
            self._flow.prepare(point / ROOT)
        # Half of the waits of the kernel: what is not made durable reaches the disk by itself.
        options = ",".join(filter(None, (self._options, "commit=1" if settle_s else "")))
        with Logged(base, log, self._work, options) as disk:
            pid = os.fork()
            if pid == 0:
                self._die_with(disk, sabotage)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the flow failed"
            mounts.pause(settle_s)
        return base.read_bytes(), list(steps_of(log.read_bytes()))

    def _die_with(self, disk: Logged, sabotage: str) -> None:
        code = 1
        try:
            SABOTAGES[sabotage]()
            self._flow.run(disk.point / ROOT, disk.tell)
            code = 0
        finally:
            os._exit(code)

    def judge_all(self, base: bytes, steps: list[Step], amount: int, seed: int) -> None:
        """Mount `amount` states and judge them."""
        report = self.report
        report.writes = sum(isinstance(step, Write) for step in steps)
        report.flushes = sum(type(step).__name__ == "Flush" for step in steps)
        chance = random.Random(seed)
        disk = Replayed(self._work / "state.img", self._work / "replayed", self._options)
        for number, state in enumerate(chosen(pages_of(base), steps, amount, chance)):
            label, reason = self._judged(disk, state)
            if reason is None and number % IN_PLACE_EACH == 0:
                label, reason = self._judged_in_place(disk, state)
            report.note(state, label, reason)
        report.trees = len(self._verdicts)
        disk.close()

    def _judged(self, disk: Replayed, state: State) -> tuple[str, str | None]:
        try:
            with disk.mounted(state.pages) as point:
                photo = photograph(point / ROOT, self._pool)
        except OSError as error:
            return "", f"unmountable or unreadable: {error.strerror}"
        key = name_of(photo), state.told
        if key not in self._verdicts:
            self._verdicts[key] = self._verdict(photo, state)
        return self._verdicts[key]

    def _verdict(self, photo: Photo, state: State) -> tuple[str, str | None]:
        root = self._work / "memory"
        develop(photo, root)
        return _survived(self._flow, root, state)

    def _judged_in_place(self, disk: Replayed, state: State) -> tuple[str, str | None]:
        self.report.in_place += 1
        with disk.mounted(state.pages) as point:
            return _survived(self._flow, point / ROOT, state)


def _survived(flow: Flow, root: Path, state: State) -> tuple[str, str | None]:
    try:
        return survive(flow, root, state.told), None
    except (AssertionError, VitrineError, OSError, ValueError) as error:
        return "", f"{type(error).__name__}: {error}"[:160]


def drilled(
    name: str, options: str, amount: int, seed: int = SEED, sabotage: str = "",
    settle_s: float = 0.0,
) -> Report:
    """Run the whole drill in this process, which must be `mounts.apart`."""
    began_s = monotonic_s()
    memory = Path("/dev/shm")
    work = Path(tempfile.mkdtemp(prefix="vitrine-power-", dir=memory if memory.is_dir() else None))
    try:
        drill = Drill(FLOWS[name](work / "home"), work, options)
        base, steps = drill.recorded(sabotage, settle_s)
        drill.judge_all(base, steps, amount, seed)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    drill.report.seconds = round(monotonic_s() - began_s, 1)
    return drill.report


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="drill", description=__doc__)
    parser.add_argument("--flow", choices=sorted(FLOWS), required=True)
    parser.add_argument(
        "--options", action="append", help="mount options of ext4; may repeat: one report each")
    parser.add_argument("--states", type=int, default=200, help="of each")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES), default="")
    parser.add_argument("--settle-s", type=float, default=0.0, help="wait before the end")
    args = parser.parse_args()
    mounts.apart()
    for options in args.options or [""]:
        report = drilled(
            args.flow, options, args.states, args.seed, args.sabotage, args.settle_s)
        print(json.dumps(vars(report)), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
