"""What every machine can be asked. A reading that cannot be had is None, never 0."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ota.errors import Retry

REBOOT_COMMAND = ("systemctl", "reboot")
COMMAND_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Readings:
    """One look at the machine's sensors."""

    cpu_c: float | None = None
    gpu_c: float | None = None
    hottest_c: float | None = None
    cpu_percent: float | None = None
    gpu_percent: float | None = None
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None
    disk_free_bytes: float | None = None
    disk_total_bytes: float | None = None
    power_w: float | None = None
    fan_percent: float | None = None
    uptime_s: float | None = None


class Hal(Protocol):
    """One machine. `name` is jetson, pc or sim."""

    name: str

    def readings(self, disk: Path) -> Readings:
        """Look at all sensors; `disk` is any path on the disk to be measured."""
        ...

    def hottest_c(self) -> float | None:
        """The hottest sensor alone: cheap enough for each second."""
        ...

    def screen_power(self, on: bool) -> bool:
        """Switch the screen's light; False where this machine cannot."""
        ...

    def screens(self) -> tuple[str, ...]:
        """Names of the connected screens as the kernel sees them; empty when there is none."""
        ...

    def reboot(self) -> None:
        """Restart the machine. Raises Retry when it may not."""
        ...


def hottest(values: Sequence[float | None]) -> float | None:
    """The highest of the readable temperatures, or None."""
    return max((value for value in values if value is not None), default=None)


def read_number(path: Path, scale: float = 1.0) -> float | None:
    """One number from a sysfs file times `scale`; None when it cannot be read."""
    try:
        return float(path.read_text().strip()) * scale
    except (OSError, ValueError):
        return None


def connected_screens(drm: Path) -> tuple[str, ...]:
    """Connectors under /sys/class/drm whose status file says `connected`."""
    found = []
    try:
        for status in sorted(drm.glob("card*-*/status")):
            if status.read_text().strip() == "connected":
                found.append(status.parent.name.split("-", 1)[1])
    except OSError:
        return tuple(found)
    return tuple(found)


def switch_backlights(backlights: Path, on: bool) -> bool:
    """Write bl_power (0 on, 4 off: linux/fb.h) of each backlight; False when none took it."""
    taken = False
    for power in sorted(backlights.glob("*/bl_power")):
        try:
            power.write_text("0" if on else "4")
            taken = True
        except OSError:
            continue
    return taken


def run_reboot(command: Sequence[str] = REBOOT_COMMAND) -> None:
    """Ask the service manager for a restart. Raises Retry with the reason when it refuses."""
    try:
        done = subprocess.run(
            list(command), capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Retry("This machine cannot be restarted from here; use its power switch.") from error
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise Retry(f"The restart was refused ({reason[0]}); use the power switch.")
