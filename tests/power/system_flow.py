"""The operating system's update on a box whose firmware and disk are files, too."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path

from ota.box.confirm import Health
from ota.box.daemon import Gate
from ota.box.install import Settings
from ota.box.store import Store
from ota.box.window import Shop
from ota.clock import utc_now
from ota.files import write_durable
from ota.publish.repository import ROLES, Repository
from ota.system import update
from ota.system.beside import Beside, waits_for
from ota.system.boot import SYSTEMS, other
from ota.system.told import Bundle, System
from ota.system.update import Phase
from ota.trust.keys import SigningKey
from tests.ota.rig import Kiosk
from tests.ota.system_rig import BOARD, make_bundle, publish_bundle, read_bundle, stick_source
from tests.power.flow import Tell

OLD, NEW, HALF = "36.4.0", "36.5.1", "half"
FILES_MAX = 90


class Machine:
    """Firmware (`ota.system.boot.BootControl`) and RAUC over two partitions: all of it files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def told(self) -> dict[str, str]:
        """What the firmware keeps: who runs, who is next, who may."""
        found: dict[str, str] = json.loads((self._folder / "firmware").read_bytes())
        return found

    def set(self, **changes: str) -> None:
        """A variable of the firmware; one write that no cut tears."""
        write_durable(self._folder / "firmware", json.dumps({**self.told(), **changes}).encode())

    def flash(self) -> None:
        """At the factory."""
        self._folder.mkdir(parents=True)
        (self._folder / "firmware").write_text('{"runs": "A", "next": "A", "bad": ""}')
        for name in SYSTEMS:
            (self._folder / name).write_text(OLD)

    def start(self) -> None:
        """The button: the next one, or the other where that is not allowed."""
        told = self.told()
        runs = other(told["next"]) if told["bad"] == told["next"] else told["next"]
        assert self.content(runs) != HALF, "a half system was started"
        self.set(runs=runs, next=runs)

    def content(self, name: str) -> str:
        """The version in a partition; HALF while it is written."""
        return (self._folder / name).read_text()

    def booted(self) -> str:
        return self.told()["runs"]

    def primary(self) -> str:
        return self.told()["next"]

    def set_primary(self, system: str) -> None:
        self.set(next=system)

    def is_good(self, system: str) -> bool:
        return self.told()["bad"] != system

    def set_good(self, system: str, good: bool) -> None:
        self.set(bad="" if good and self.told()["bad"] == system else
                 self.told()["bad"] if good else system)

    def confirm(self) -> None:
        pass

    def version(self) -> tuple[int, ...]:
        return (1, 15, 2)

    def compatible(self) -> str:
        return BOARD

    def inspect(self, bundle: Path) -> Bundle:
        said = read_bundle(bundle)
        return Bundle(said.board, said.version)

    def install(self, bundle: Path, progress: Callable[[int, int], None]) -> None:
        idle = other(self.booted())
        self.set_good(idle, False)
        write_durable(self._folder / idle, HALF.encode())
        write_durable(self._folder / idle, read_bundle(bundle).version.encode())

    def mark_active(self, name: str) -> None:
        self.set_good(name, True)
        self.set_primary(name)

    def systems(self) -> dict[str, System]:
        runs = self.booted()
        return {name: System(name, "", name == runs, self.content(name), "", 0)
                for name in SYSTEMS}


class NewSystem:
    """A stick offers NEW; it is brought, written, started and confirmed."""

    name = "system"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._repository = Repository.create(
            home / "tuf", {role: [SigningKey.generate()] for role in ROLES})
        self._root_bytes = self._repository.root_bytes()

    def beside(self, root: Path) -> Beside:
        """The updater's half for the system, as after a start."""
        kiosk = Kiosk(root / "box", "stick:", self._root_bytes)
        application, machine = kiosk.parts(), Machine(root / "machine")
        gate = Gate(Shop, utc_now)
        parts = update.Parts(
            update.StateFile(root / "system"), machine, machine, application.note, machine.start,
            waits=waits_for(gate, application), health=lambda: Health("", True, True),
            boot=lambda: machine.booted(), settings=Settings(show_s=0.0, hold_s=0.0, look_s=0.0))
        return Beside(
            parts, application, Store(root / "bundles", 1 << 20),
            lambda stick: stick_source(root / "box", self._home / "tuf", self._root_bytes),
            gate, root / "steer")

    def prepare(self, root: Path) -> None:
        """As flashed; the stick is made, and was looked at (the other flows cut that)."""
        Machine(root / "machine").flash()
        bundle = make_bundle(self._home / "new.raucb", NEW, size=5_000)
        publish_bundle(self._repository, bundle, newest=False)
        assert self.beside(root).turn() == ("", "")
        publish_bundle(self._repository, bundle)

    def run(self, root: Path, tell: Tell) -> None:
        """From the first look to the confirmation, the restart included."""
        said, failed = self.beside(root).turn()
        assert not failed, failed
        tell("written")
        failed = self.beside(root).begin()
        assert not failed and "restarts" in said, failed
        tell("confirmed")

    def judge(self, root: Path, told: Collection[str]) -> str:
        """What would start is whole, the old or the new one; no promise is lost."""
        machine, state = Machine(root / "machine"), self.beside(root).parts.state.load()
        told_by = machine.told()
        first = other(told_by["next"]) if told_by["bad"] == told_by["next"] else told_by["next"]
        assert machine.content(first) in (OLD, NEW), "the next start is of a half system"
        assert state.floor in ("0", NEW) and not state.refused, state
        if "written" in told:
            assert machine.content("B") == NEW
        if "confirmed" in told:
            assert (state.floor, first) == (NEW, "B")
        return f"{machine.content(first)}, {state.phase.value}"

    def again(self, root: Path) -> None:
        """The starts after the cut, each with the early unit, then the updater's turns."""
        machine = Machine(root / "machine")
        for _ in range(4):
            machine.start()
            beside = self.beside(root)
            update.after_start(beside.parts, watches=False)
            beside.begin()
            if beside.parts.state.load().floor == NEW:
                return
            failed = beside.turn()[1]
            assert not failed, failed

    def finished(self, root: Path) -> None:
        """NEW runs and is confirmed, and nothing lies about."""
        beside, machine = self.beside(root), Machine(root / "machine")
        state = beside.parts.state.load()
        assert (state.phase, state.floor, state.refused) == (Phase.IDLE, NEW, ())
        assert (machine.booted(), machine.content("B")) == ("B", NEW)
        assert beside.store.used_bytes() == 0, "the bundle was left on the disk"
        assert beside.application.history.broken_at() is None
        assert sum(1 for _ in root.rglob("*")) < FILES_MAX, "the disk fills"
