"""`python -m tests.power.plug --flow install --cuts 20`: level 3, whole machines are cut.

A guest runs a flow on an ext4 disk and is killed at a random moment: its page cache is gone. The
disk had a cache, too: it keeps what was flushed, and of later writes a random part, torn between
sectors (`states.py`). Then the machine is switched on again, judges what lies there and goes on; so
up to `IN_A_ROW` times before it is let through to the end. There it is cut once more, and what it
had told somebody must be true after the next start. The first `--cold` chains of cuts start their
machines cold, the others where `Board.remember` left them. Prints one line of JSON. Needs root.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ota.clock import monotonic_s
from tests.power import machines, mounts
from tests.power.amounts import FILE_SYSTEMS, SEED
from tests.power.disks import DISK_BYTES, LoggedFile, make_disk, plain
from tests.power.guest import UPDATES
from tests.power.guest_root import make_root, needed_by
from tests.power.initramfs import BUSYBOX
from tests.power.machines import Board, Machine, python_words
from tests.power.sabotage import SABOTAGES
from tests.power.states import Pages, disk_of, left_by, pages_of, steps_of

IN_A_ROW = 3
# One cut in so many comes while the machine starts, not while the flow runs.
STARTING_EACH = 6
# What a guest will open: prepared, run and judged once here.
REHEARSAL = """
import os, shutil
from pathlib import Path
from tests.power import guest
home, root = Path({home!r}), Path({home!r}).with_name("rehearsed")
root.mkdir()
flow = guest.UPDATES[{name!r}](home)
flow.prepare(root)
guest.keep(flow, home)
shutil.copytree(root, root.with_name("prepared"), symlinks=True)
guest.say = print
for life in ("run", "again"):
    guest.live(dict(flow={name!r}, home=str(home), life=life, told=[], sabotage=""), root)
"""


@dataclass
class Report:
    """What was tried and found. `start_s`: from power on to the flow's beginning, `whole_s`:
    through the flow, when nobody pulls the plug."""

    flow: str
    sabotage: str
    start_s: float = 0.0
    whole_s: float = 0.0
    cuts: int = 0
    starting: int = 0
    lives: int = 0
    cold: int = 0
    seconds: float = 0.0
    found: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)


@dataclass
class Box:
    """A machine's disk, what it has told somebody, and how its life ends."""

    pages: Pages
    options: str
    told: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Its last life came to the flow's end."""
        return "END" in self.lines

    @property
    def bad(self) -> str | None:
        """What its last life found wrong."""
        return next((line[4:] for line in self.lines if line.startswith("BAD")), None)


class Lab:
    """A prepared box on a disk, and the lives of machines that begin with it."""

    def __init__(self, work: Path, name: str, sabotage: str, seed: int) -> None:
        self._work, self._chance = work, random.Random(seed)
        self.report = Report(name, sabotage)
        self._home, disk, point = work / "home", work / "disk.img", work / "plain"
        files = needed_by(REHEARSAL.format(home=str(self._home), name=name))
        make_root(work / "root", files, (BUSYBOX,), (self._home,), {})
        self._board = Board(work, work / "root", python_words("tests.power.guest"))
        point.mkdir()
        make_disk(disk)
        with plain(disk, point):
            shutil.copytree(work / "prepared", point / "box", symlinks=True)
        self._prepared, self._cold = pages_of(disk.read_bytes()), True

    def warm(self) -> None:
        """From now on lives begin where a started guest waits for its disk."""
        machine = self._board.switch_on([self._work / "disk.img"])
        assert machine.heard("READY"), list(machine.console)
        self._board.remember(machine)
        self._cold = False

    def measure(self) -> None:
        """One life that nobody cuts."""
        box, report = Box(self._prepared, ""), self.report

        def whole(machine: Machine) -> None:
            began_s = monotonic_s()
            machine.heard("BEGIN", "BAD")
            report.start_s = round(monotonic_s() - began_s, 2)
            machine.heard("END", "BAD")
            report.whole_s = round(monotonic_s() - began_s - report.start_s, 2)

        self._live(box, "run", whole)
        assert box.ended and box.bad is None, box.lines

    def chain(self) -> None:
        """Cut, go on, cut again ... until the flow has ended; each state is judged."""
        box = Box(self._prepared, self._chance.choice(FILE_SYSTEMS))
        moments = [self._moment() for _ in range(self._chance.randint(1, IN_A_ROW))]
        self._live(box, "run", moments.pop())
        while box.bad is None and not box.ended:
            self.report.cuts += 1
            self._live(box, "again", moments.pop() if moments else _to_its_end)
        if box.bad is None:
            # It told that it has ended: the plug is pulled at that very moment.
            self.report.cuts += 1
            self._live(box, "again", _to_its_end)
        self.report.bad.update(filter(None, [box.bad]))

    def _moment(self) -> Callable[[Machine], None]:
        """When the plug is pulled: wait for it."""
        share, starting = self._chance.random(), self._chance.randrange(STARTING_EACH) == 0
        first, span_s = (
            ("ON", self.report.start_s) if starting else ("BEGIN", self.report.whole_s))

        def wait(machine: Machine) -> None:
            if machine.heard(first, "BAD"):
                machine.heard("END", "BAD", limit_s=share * span_s)

        self.report.starting += starting
        return wait

    def _live(self, box: Box, life: str, until: Callable[[Machine], None]) -> None:
        """Switch it on, and pull the plug when `until` returns."""
        base, log = self._work / "disk.img", self._work / "log"
        base.write_bytes(disk_of(box.pages, DISK_BYTES))
        disk = LoggedFile(base, log, self._work / "fuse")
        machine = self._board.switch_on([disk.path], cold=self._cold)
        try:
            if machine.begin({
                "life": life, "home": str(self._home), "flow": self.report.flow,
                "told": sorted(box.told), "sabotage": self.report.sabotage,
                "options": box.options}):
                until(machine)
        finally:
            machine.kill()
            disk.close()
        steps = list(steps_of(log.read_bytes()))
        box.pages, box.lines = left_by(box.pages, steps, self._chance), machine.lines
        box.told |= {line[5:] for line in box.lines if line.startswith("TOLD ")}
        if box.bad is None and not any(line == "ON" for line in box.lines):
            box.lines.append(f"BAD it does not start: {b''.join(machine.console)[-300:]!r}")
        self.report.lives += 1
        self.report.cold += self._cold
        self.report.found.update(line[6:] for line in box.lines if line.startswith("FOUND "))


def _to_its_end(machine: Machine) -> None:
    if not machine.heard("END", "BAD"):
        machine.lines.append(f"BAD it never ended: {b''.join(machine.console)[-300:]!r}")


def cut(
    name: str, cuts: int, seed: int = SEED, sabotage: str = "", cold_chains: int = 1
) -> Report:
    """So many cuts of a flow, or the first bad state of a sabotaged one. In this process, which
    must be `mounts.apart`."""
    began_s = monotonic_s()
    work = Path(tempfile.mkdtemp(prefix="vitrine-power-", dir="/var/tmp"))
    try:
        lab = Lab(work, name, sabotage, seed)
        if cold_chains:
            lab.measure()
        for _ in range(cold_chains):
            lab.chain()
        lab.warm()
        lab.measure()
        while lab.report.cuts < cuts and not (sabotage and lab.report.bad):
            lab.chain()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    lab.report.seconds = round(monotonic_s() - began_s, 1)
    return lab.report


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="plug", description=__doc__)
    parser.add_argument("--flow", choices=sorted(UPDATES), default="install")
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--cold", type=int, default=1, help="chains of cuts with cold starts")
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES), default="")
    args = parser.parse_args()
    if reason := mounts.missing() or machines.missing():
        parser.error(reason)
    mounts.apart()
    report = cut(args.flow, args.cuts, args.seed, args.sabotage, args.cold)
    print(json.dumps(vars(report)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
