"""A measured figure, its limit, and the repeated timing that makes it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ota.clock import Deadline, monotonic_s, process_cpu_s

ROUNDS_MIN = 5


@dataclass(frozen=True)
class Figure:
    """One line of a benchmark. `limit` is an upper one unless `at_least` is set."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Is the limit kept? None without a limit."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def as_json(self) -> dict[str, Any]:
        """The figure with its verdict, for programs."""
        return {**asdict(self), "met": self.met}

    def as_line(self) -> str:
        """The figure for people."""
        sign = ">=" if self.at_least else "<="
        limit = f"{sign} {self.limit:g}" if self.limit is not None else ""
        mark = {True: "ok", False: "MISSED", None: ""}[self.met]
        return f"{self.name:<48} {self.value:>9.2f} {self.unit:<8} {limit:<10} {mark:<7}{self.note}"


def median_ms(work: Callable[[], object], seconds: float = 1.0) -> float:
    """Median wall time of one call, in ms, over at least five calls and about `seconds`."""
    work()
    taken_ms: list[float] = []
    budget = Deadline(seconds)
    while len(taken_ms) < ROUNDS_MIN or not budget.passed:
        begun_s = monotonic_s()
        work()
        taken_ms.append((monotonic_s() - begun_s) * 1000.0)
    return statistics.median(taken_ms)


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of one call, all threads of this process."""
    begun_s = process_cpu_s()
    work()
    return (process_cpu_s() - begun_s) * 1000.0
