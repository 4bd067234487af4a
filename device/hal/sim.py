"""A machine that a test writes: its sensors and its screen are set, its orders are kept."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from device.hal.base import Readings
from device.hal.screen import Output, Seen


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


@dataclass
class SimScreen:
    """A Screen on a desk: pulled, turned and stubborn as the test says. `orders` are kept.

    `obeys` names what it does when ordered: "power", "mode", "rotation".
    """

    seen: Seen = field(default_factory=lambda: Seen(
        True, (Output("HDMI-1", True, "1920x1080@60", 0, ("1920x1080@60", "1280x720@60")),),
        (1920, 1080), True))
    obeys: frozenset[str] = frozenset({"power", "mode", "rotation"})
    orders: list[tuple[object, ...]] = field(default_factory=list)

    def look(self) -> Seen:
        """How the test and the orders left it."""
        return self.seen

    def power(self, on: bool) -> bool:
        """Lit or not, if it obeys."""
        self.orders.append(("power", on))
        if "power" in self.obeys:
            self.seen = replace(self.seen, lit=on)
        return "power" in self.obeys

    def configure(self, output: str, mode: str | None, rotation: int | None) -> bool:
        """In that mode and turn, as far as it obeys."""
        self.orders.append(("configure", output, mode, rotation))
        (found,) = self.seen.outputs
        if "mode" in self.obeys:
            found = replace(found, mode=mode or found.modes[0])
        if "rotation" in self.obeys and rotation is not None:
            found = replace(found, rotation=rotation)
        self.seen = replace(self.seen, outputs=(found,))
        return bool(self.obeys - {"power"})

    def pull(self) -> None:
        """Somebody takes the plug out."""
        (found,) = self.seen.outputs
        self.seen = replace(
            self.seen, plugged=False, outputs=(replace(found, connected=False, modes=()),))

    def plug(self, mode: str | None = None, *modes: str) -> None:
        """And in again: X shows `mode` of the offered `modes`."""
        (found,) = self.seen.outputs
        offered = modes or ("1920x1080@60", "1280x720@60")
        self.seen = replace(self.seen, plugged=True, outputs=(
            replace(found, connected=True, mode=mode, rotation=0, modes=offered),))
