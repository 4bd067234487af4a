"""The only file that reads or waits for time; everything else is given a time or asks here."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def utc_now() -> datetime:
    """The wall clock, aware, in UTC. It may be wrong: trust decisions use `ota.floor`."""
    return datetime.now(timezone.utc)


def monotonic_s() -> float:
    """Seconds of a clock that never jumps; the same for all processes of one machine."""
    return time.monotonic()


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Names this start of the machine, for as long as `monotonic_s` counts on; "": not known."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def monotonic_ns() -> int:
    """`monotonic_s` in nanoseconds: the time base of bus messages and of the picture."""
    return time.monotonic_ns()


def process_cpu_s() -> float:
    """CPU seconds this process has used, all threads."""
    return time.process_time()


def thread_cpu_s() -> float:
    """CPU seconds this thread has used."""
    return time.thread_time()


def sleep_s(seconds: float) -> None:
    """Wait; a negative or zero time returns at once."""
    if seconds > 0:
        time.sleep(seconds)


@dataclass(frozen=True)
class Deadline:
    """A moment on the monotonic clock, `seconds` after its making."""

    seconds: float
    started_s: float = field(default_factory=monotonic_s)

    @property
    def left_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.started_s + self.seconds - monotonic_s())

    @property
    def passed(self) -> bool:
        """True once the time is over."""
        return self.left_s <= 0.0
