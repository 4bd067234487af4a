"""A PC or laptop, read through psutil: the box's only importer of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil

from device.hal.base import (
    Readings,
    connected_screens,
    hottest,
    run_reboot,
    switch_backlights,
)
from ota.clock import utc_now

_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz")
_SYS = Path("/sys/class")
_Value = TypeVar("_Value")


class PcBox:
    """Any Linux machine that is no Jetson."""

    name = "pc"

    def __init__(self) -> None:
        self._cpu_before: tuple[float, float] | None = None

    def readings(self, disk: Path) -> Readings:
        """See base.Hal; what the machine does not tell is None."""
        temperatures = _temperatures()
        memory = _try(psutil.virtual_memory)
        space = _try(lambda: psutil.disk_usage(str(_existing(disk))))
        booted = _try(psutil.boot_time)
        return Readings(
            cpu_c=hottest([temperatures.get(name) for name in _CPU_SENSORS]),
            gpu_c=hottest([temperatures.get(name) for name in ("amdgpu", "nouveau", "radeon")]),
            hottest_c=hottest(list(temperatures.values())),
            cpu_percent=self._cpu_percent(),
            memory_used_bytes=None if memory is None else float(memory.total - memory.available),
            memory_total_bytes=None if memory is None else float(memory.total),
            disk_free_bytes=None if space is None else float(space.free),
            disk_total_bytes=None if space is None else float(space.total),
            uptime_s=None if booted is None else _since(booted),
        )

    def _cpu_percent(self) -> float | None:
        """Busy share since the last look; None at the first, which has nothing to compare."""
        times = _try(psutil.cpu_times)
        if times is None:
            return None
        idle_s = float(times.idle + getattr(times, "iowait", 0.0))
        now = (float(sum(times)) - idle_s, float(sum(times)))
        before, self._cpu_before = self._cpu_before, now
        if before is None or now[1] <= before[1]:
            return None
        return round(100.0 * max(0.0, now[0] - before[0]) / (now[1] - before[1]), 1)

    def hottest_c(self) -> float | None:
        """Of all sensors that psutil knows."""
        return hottest(list(_temperatures().values()))

    def screen_power(self, on: bool) -> bool:
        """Through the kernel's backlight, where there is one that we may write."""
        return switch_backlights(_SYS / "backlight", on)

    def screens(self) -> tuple[str, ...]:
        """Connected DRM connectors."""
        return connected_screens(_SYS / "drm")

    def reboot(self) -> None:
        """See base.run_reboot."""
        run_reboot()


def process_tree_bytes(pid: int) -> tuple[int, int]:
    """Memory of a process and all its children: resident (RSS), and with each shared page divided
    by those that share it (PSS, Linux alone; else 0). Nothing when it is gone."""
    try:
        top = psutil.Process(pid)
        family = [top, *top.children(recursive=True)]
    except psutil.Error:
        return 0, 0
    found = [_try(process.memory_full_info) for process in family]
    return (sum(int(each.rss) for each in found if each is not None),
            sum(int(getattr(each, "pss", 0)) for each in found if each is not None))


def _temperatures() -> dict[str, float]:
    found: dict[str, float] = {}
    if not hasattr(psutil, "sensors_temperatures"):
        return found
    for name, entries in (_try(psutil.sensors_temperatures) or {}).items():
        currents = [float(entry.current) for entry in entries if entry.current]
        if currents:
            found[name] = max(currents)
    return found


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _since(booted_unix_s: float) -> float:
    return max(0.0, utc_now().timestamp() - booted_unix_s)


def _try(read: Callable[[], _Value]) -> _Value | None:
    try:
        return read()
    except (OSError, psutil.Error, ValueError, NotImplementedError):
        return None
