"""A machine that a test writes: its sensors are set, its screen and its reboots are counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from device.hal.base import Readings


@dataclass
class SimBox:
    """A Hal whose state is plain attributes."""

    now: Readings = field(default_factory=Readings)
    screen_on: bool = True
    connected: tuple[str, ...] = ("SIM-1",)
    reboots: int = 0
    name: str = "sim"

    def readings(self, disk: Path) -> Readings:
        """What the test last put in `now`."""
        return self.now

    def hottest_c(self) -> float | None:
        """Of `now`."""
        return self.now.hottest_c

    def screen_power(self, on: bool) -> bool:
        """Note the wish."""
        self.screen_on = on
        return True

    def screens(self) -> tuple[str, ...]:
        """What the test plugged in."""
        return self.connected

    def reboot(self) -> None:
        """Count it."""
        self.reboots += 1
