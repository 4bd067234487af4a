"""A box with two systems: a simulated Jetson, RAUC without its service, and bundles to sign."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ota.box.confirm import Health, Verdict
from ota.box.daemon import Gate
from ota.box.install import Settings, Source
from ota.box.stick import StickFetcher
from ota.box.store import Store
from ota.box.window import Shop
from ota.clock import utc_now
from ota.errors import Refused
from ota.floor import FloorClock
from ota.formats.rollout import Plan
from ota.publish.repository import Repository
from ota.publish.systems import describe, publish_system, read_bundle
from ota.system import keeper, update
from ota.system.backend import answer
from ota.system.beside import Beside, waits_for
from ota.system.boot import SYSTEMS, other
from ota.system.told import Bundle, System
from ota.trust.client import TrustClient
from tests.ota.rig import Kiosk
from tests.sim.jetson_firmware import JetsonFirmware

BOARD = "vitrine-orin"


@dataclass
class Disk:
    """RAUC without its service: what it wrote where, by the firmware's words as RAUC does."""

    firmware: JetsonFirmware
    versions: dict[str, str] = field(default_factory=lambda: {"A": "36.4.0", "B": "36.4.0"})
    offered: str = "36.5.0"
    cut: bool = False
    refusing: bool = False

    def version(self) -> tuple[int, ...]:
        return (1, 15, 2)

    def inspect(self, bundle: Path) -> Bundle:
        return Bundle("vitrine-orin", self.offered)

    def compatible(self) -> str:
        return "vitrine-orin"

    def install(self, bundle: Path, progress: Callable[[int, int], None]) -> None:
        idle = other(self.firmware.running)
        answer(self.firmware.boot, ["set-state", idle, "bad"])
        self.versions[idle] = "half"
        if self.cut:
            raise KeyboardInterrupt
        if self.refusing:
            raise Refused("RAUC did not install it: no loop device is free")
        self.versions[idle] = self.offered
        progress(100, 100)

    def mark_active(self, name: str) -> None:
        answer(self.firmware.boot, ["set-primary", SYSTEMS[int(name[-1])]])

    def systems(self) -> dict[str, System]:
        return {name: System(f"rootfs.{i}", f"/dev/{name}", name == self.firmware.running,
                             self.versions[name], "00", 1) for i, name in enumerate(SYSTEMS)}


@dataclass
class Box:
    """One box in a shop: firmware, disk, and the updater's parts over them."""

    folder: Path
    good: bool = True
    notes: list[str] = field(default_factory=list)
    restarts: int = 0

    def __post_init__(self) -> None:
        self.firmware = JetsonFirmware(self.folder / "efivars")
        self.disk = Disk(self.firmware)
        self.tally = keeper.Tally(self.folder / "starts")
        self.parts = update.Parts(
            update.StateFile(self.folder / "system"), self.firmware.boot, self.disk,
            lambda what, **detail: self.notes.append(what), self._restart,
            health=lambda: Health("", self.good, self.good),
            settings=Settings(show_s=0.02, hold_s=0.01, look_s=0.001))

    def _restart(self) -> None:
        self.restarts += 1

    def starts(self) -> Verdict:
        """The button, then the keeper, then the updater."""
        self.firmware.start_until_up()
        state = self.parts.state.load()
        seen = keeper.look(
            self.firmware.boot, state, lambda system: self.disk.versions[system] != "half")
        keeper.keep(self.firmware.boot, seen, self.parts.note)
        return update.after_start(self.parts)


def make_bundle(
    path: Path, version: str, board: str = BOARD, size: int = 300_000, form: str = "verity"
) -> Path:
    """What a `verity` bundle looks like to everybody but RAUC: squashfs, CMS, its length."""
    lines = f"[update]\ncompatible={board}\nversion={version}\n\n[bundle]\nformat={form}\n"
    manifest = lines.encode()
    head = b"\x30\x82\x04\x1a" + b"\x04\x82" + len(manifest).to_bytes(2, "big")
    signature = head + manifest + b"\xa0\x82\x01\x71 and the certificates"
    body = hashlib.shake_256(version.encode() + board.encode()).digest(size)
    path.write_bytes(b"hsqs" + body + signature + len(signature).to_bytes(8, "big"))
    return path


def publish_bundle(
    repository: Repository, bundle: Path, needs: Sequence[dict[str, Any]] = (),
    newest: bool = True, plan: Plan | None = None,
) -> str:
    """Sign it as the command does; returns the bundle's sha256."""
    release = describe(bundle, read_bundle(bundle), needs)
    publish_system(repository, bundle, release, newest, plan)
    return release.bundle.sha256


class Reader(Disk):
    """RAUC that reads what it is given, and refuses what is no bundle."""

    def inspect(self, bundle: Path) -> Bundle:
        said = read_bundle(bundle)
        self.offered = said.version
        return Bundle(said.board, said.version)

    def compatible(self) -> str:
        return BOARD


class SystemBox(Box):
    """The same box, with an application, and a fleet that offers systems to it."""

    def __init__(self, folder: Path, kiosk: Kiosk) -> None:
        super().__init__(folder)
        self.kiosk = kiosk
        self.disk = Reader(self.firmware)
        self.shop = Shop()
        self.wanted = False
        self.boot = "first"
        self.open()

    def open(self) -> Beside:
        """As the updater finds it after a start: nothing is left in memory."""
        application = self.kiosk.parts()
        gate = Gate(lambda: self.shop, utc_now)
        self.parts = update.Parts(
            update.StateFile(self.folder / "system"), self.firmware.boot, self.disk,
            lambda what, **detail: self.notes.append(what), self._restart,
            waits=waits_for(gate, application),
            health=lambda: Health("", self.good, self.good), tell=application.tell,
            boot=lambda: self.boot, settings=Settings(show_s=0.02, hold_s=0.01, look_s=0.001))
        self.beside = Beside(
            self.parts, application, Store(self.folder / "bundles", 64 << 20), self._source, gate,
            self.folder / "steer", lambda: "shop-1", lambda: self.wanted)
        return self.beside

    def restarted(self) -> Verdict:
        """The machine starts, its early unit runs, then the updater."""
        self.firmware.start_until_up()
        self.boot = f"after restart {self.restarts} in {self.firmware.running}"
        self.open()
        seen = keeper.look(
            self.firmware.boot, self.state, lambda system: self.disk.versions[system] != "half")
        keeper.keep(self.firmware.boot, seen, self.parts.note)
        before = self.restarts
        verdict = update.after_start(self.parts, watches=False)
        if self.restarts > before:
            return verdict  # it goes down again before the updater comes
        if self.state.phase is update.Phase.TRIAL:
            fault = self.beside.begin()
            assert not fault, fault
        return verdict

    @property
    def state(self) -> update.State:
        return self.parts.state.load()

    def _source(self, stick: str | None) -> Source:
        return self.kiosk.source() if stick is None else stick_source(
            self.kiosk.root, Path(stick), self.kiosk.tuf_root)


def stick_source(root: Path, stick: Path, tuf_root: bytes) -> Source:
    """The signed repository on a stick, by the same trust."""
    fetcher, clock = StickFetcher(stick), FloorClock(root / "var" / "clock")
    trust = TrustClient(root / "var" / "ota" / "trust", "stick:/metadata", fetcher, clock)
    trust.bootstrap(tuf_root)
    return Source(trust, fetcher, "stick:/targets")
