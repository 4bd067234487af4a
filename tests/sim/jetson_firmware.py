"""A Jetson's firmware: two root file systems, three tries each, and the trap at the end of them.

Modelled on edk2-nvidia's L4TLauncher: each start takes one try of the active system; `verify`
gives them back; without tries its status becomes unbootable for good and the other one is started.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ota.errors import Broken
from ota.system.boot import SYSTEMS, other
from ota.system.jetson import ATTRIBUTES, GUID, UNBOOTABLE, JetsonBoot, set_immutable

TRIES = 3


class JetsonFirmware:
    """`start()` is the power button; `boot` is what the software sees of it. `broken` systems
    stop before anything of ours runs."""

    def __init__(self, efivars: Path, redundancy: int = 1) -> None:
        self.efivars = efivars
        efivars.mkdir(parents=True)
        self.active, self.running = "A", "A"
        self.tries = dict.fromkeys(SYSTEMS, TRIES)
        self.broken: set[str] = set()
        self._write("RootfsRedundancyLevel", redundancy)
        for system in SYSTEMS:
            self._write(f"RootfsStatusSlot{system}", 0)

    @property
    def boot(self) -> JetsonBoot:
        return JetsonBoot(self.nvbootctrl, self.efivars)

    def start(self) -> str | None:
        """Press the button once; which system came up, None for one that hangs."""
        if self._status(self.active) == UNBOOTABLE:
            self.active = other(self.active)
        if self._status(self.active) == UNBOOTABLE:
            return None  # the recovery partition: a technician with a cable
        self.running = self.active
        self.tries[self.running] -= 1
        if self.tries[self.running] <= 0:
            self._write(f"RootfsStatusSlot{self.running}", UNBOOTABLE)
        return None if self.running in self.broken else self.running

    def start_until_up(self) -> str:
        """The watchdog presses the button for what hangs."""
        for _ in range(2 * TRIES + 2):
            if (up := self.start()) is not None:
                return up
        raise AssertionError("this box is a brick")

    def nvbootctrl(self, arguments: Sequence[str]) -> str:
        match list(arguments):
            case ["get-current-slot"]:
                return f"{SYSTEMS.index(self.running)}\n"
            case ["dump-slots-info"]:
                return (f"Current rootfs slot: {self.running}\nActive rootfs slot: {self.active}\n"
                        "num_slots: 2\nslot: 0,             retry_count: 3,       status: normal\n")
            case ["set-active-boot-slot", number]:
                self.active = SYSTEMS[int(number)]
                self.tries[self.active] = TRIES
                return ""
            case ["verify"]:
                self.tries[self.running] = TRIES
                return ""
        raise Broken(f"nvbootctrl knows no {arguments!r}")

    def close(self) -> None:
        """Let the files be removed."""
        for path in self.efivars.iterdir():
            set_immutable(path, False)

    def _status(self, system: str) -> int:
        return (self.efivars / f"RootfsStatusSlot{system}-{GUID}").read_bytes()[4]

    def _write(self, name: str, value: int) -> None:
        path = self.efivars / f"{name}-{GUID}"
        set_immutable(path, False)  # the firmware writes beneath the file system
        path.write_bytes(ATTRIBUTES + value.to_bytes(4, "little"))
