"""An NVIDIA Jetson: sysfs, and the text of tegrastats.

Line format: docs.nvidia.com/jetson, "Tegrastats Utility" (R36.5). Read there and parsed here;
not yet run on a board.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from device.hal.base import (
    Readings,
    connected_screens,
    hottest,
    read_number,
    run_reboot,
    switch_backlights,
)

_TEGRASTATS = ("tegrastats", "--interval", "500")
_LINE_TIMEOUT_S = 3.0
_LINE_BYTES_MAX = 4096
_OFFLINE_C = -200.0  # L4T prints -256C for a sensor that is switched off
_MEBI = 1 << 20
_RAM = re.compile(r"\bRAM (\d+)/(\d+)MB")
_TEMPERATURE = re.compile(r"\b([A-Za-z0-9_]+)@(-?\d+(?:\.\d+)?)C")
_GPU = re.compile(r"\bGR3D_FREQ (\d+)%")
_CORES = re.compile(r"\bCPU \[([^\]]*)\]")
_CORE = re.compile(r"(\d+)%@")
_POWER = re.compile(r"\b(VDD_IN|POM_5V_IN|VDD_TOTAL) (\d+)(?:mW)?/\d+")


@dataclass(frozen=True)
class Tegrastats:
    """One line of tegrastats; what it does not hold is None."""

    cpu_c: float | None = None
    gpu_c: float | None = None
    hottest_c: float | None = None
    cpu_percent: float | None = None
    gpu_percent: float | None = None
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None
    power_w: float | None = None


def parse_tegrastats(line: str) -> Tegrastats:
    """Read one line, of any L4T release; never raises."""
    line = line[:_LINE_BYTES_MAX]
    celsius = {
        name.lower(): float(value)
        for name, value in _TEMPERATURE.findall(line)
        if float(value) > _OFFLINE_C
    }
    ram, gpu, cores, power = (
        _RAM.search(line), _GPU.search(line), _CORES.search(line), _POWER.search(line)
    )
    loads = [float(load) for load in _CORE.findall(cores.group(1))] if cores else []
    return Tegrastats(
        cpu_c=celsius.get("cpu"),
        gpu_c=celsius.get("gpu"),
        hottest_c=hottest([celsius.get("tj"), *celsius.values()]),
        cpu_percent=sum(loads) / len(loads) if loads else None,
        gpu_percent=float(gpu.group(1)) if gpu else None,
        memory_used_bytes=float(ram.group(1)) * _MEBI if ram else None,
        memory_total_bytes=float(ram.group(2)) * _MEBI if ram else None,
        power_w=float(power.group(2)) / 1000 if power else None,
    )


class JetsonBox:
    """`root` is / on a box and a folder with a copied sysfs in a test."""

    name = "jetson"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def readings(self, disk: Path) -> Readings:
        """tegrastats where it runs, sysfs thermal zones for what it does not say."""
        seen = parse_tegrastats(self._tegrastats_line())
        zones = self._thermal_zones()
        space = _disk_space(disk)
        return Readings(
            cpu_c=_first(seen.cpu_c, zones.get("cpu")),
            gpu_c=_first(seen.gpu_c, zones.get("gpu")),
            hottest_c=hottest([seen.hottest_c, *zones.values()]),
            cpu_percent=seen.cpu_percent,
            gpu_percent=_first(seen.gpu_percent, self._gpu_load_percent()),
            memory_used_bytes=seen.memory_used_bytes,
            memory_total_bytes=seen.memory_total_bytes,
            disk_free_bytes=space[0],
            disk_total_bytes=space[1],
            power_w=seen.power_w,
            fan_percent=self._fan_percent(),
            uptime_s=self._uptime_s(),
        )

    def hottest_c(self) -> float | None:
        """Of the kernel's thermal zones; no process is started for it."""
        return hottest(list(self._thermal_zones().values()))

    def screen_power(self, on: bool) -> bool:
        """Through the kernel's backlight; HDMI screens follow the player's DPMS instead."""
        return switch_backlights(self._root / "sys/class/backlight", on)

    def screens(self) -> tuple[str, ...]:
        """Connected DRM connectors."""
        return connected_screens(self._root / "sys/class/drm")

    def reboot(self) -> None:
        """See base.run_reboot."""
        run_reboot()

    def _tegrastats_line(self) -> str:
        """The first line that tegrastats prints; empty when it is not there or says nothing."""
        try:
            process = subprocess.Popen(_TEGRASTATS, stdout=subprocess.PIPE, text=True)
        except OSError:
            return ""
        try:
            return process.communicate(timeout=_LINE_TIMEOUT_S)[0].split("\n", 1)[0]
        except subprocess.TimeoutExpired as late:
            text = late.output or b""
            text = text.decode(errors="replace") if isinstance(text, bytes) else text
            return text.split("\n", 1)[0]
        finally:
            process.kill()
            process.wait(timeout=_LINE_TIMEOUT_S)

    def _thermal_zones(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for zone in sorted((self._root / "sys/class/thermal").glob("thermal_zone*")):
            celsius = read_number(zone / "temp", 1e-3)
            if celsius is None or celsius <= _OFFLINE_C:
                continue
            try:
                kind = (zone / "type").read_text().strip().lower()
            except OSError:
                continue
            found[kind.removesuffix("-thermal").removesuffix("-therm")] = celsius
        return found

    def _gpu_load_percent(self) -> float | None:
        for path in ("sys/devices/platform/gpu.0/load", "sys/devices/gpu.0/load"):
            load = read_number(self._root / path, 0.1)
            if load is not None:
                return load
        return None

    def _fan_percent(self) -> float | None:
        for pwm in sorted((self._root / "sys/class/hwmon").glob("hwmon*/pwm1")):
            value = read_number(pwm, 100 / 255)
            if value is not None:
                return value
        return None

    def _uptime_s(self) -> float | None:
        try:
            return float((self._root / "proc/uptime").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def _disk_space(path: Path) -> tuple[float | None, float | None]:
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        space = os.statvfs(path)
    except OSError:
        return None, None
    return float(space.f_bavail * space.f_frsize), float(space.f_blocks * space.f_frsize)
