"""Times networks against each other on a machine that does other things too.

Contestants take turns in rounds (A B C A B C ...), one thread, no spinning. A turn is a burst of
calls of which the quickest counts, and of that the smaller of wall and CPU time: what other
processes take away counts little. A ratio is taken within a round, where both had the same
neighbours, and its median over the rounds is told. A time in ms is the lower quartile of turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from device.infer.ort import Session, open_session
from ota.clock import Deadline, monotonic_ns, process_cpu_s

ROUNDS = 15
BURST_S = 0.08
CALLS_MIN = 3

Work = Callable[[], object]


@dataclass(frozen=True)
class Times:
    """Milliseconds of each turn, by contestant; turn i of all is round i."""

    turns_ms: Mapping[str, Sequence[float]]

    def ms(self, name: str) -> float:
        """One call of `name`."""
        return float(np.quantile(self.turns_ms[name], 0.25))

    def ratio(self, slow: str, quick: str) -> float:
        """How many times `quick` fits into `slow`: the median of the rounds' ratios."""
        pairs = zip(self.turns_ms[slow], self.turns_ms[quick], strict=True)
        return statistics.median(a / b for a, b in pairs)


def race(contestants: Mapping[str, Work], rounds: int = ROUNDS, burst_s: float = BURST_S) -> Times:
    """Let everybody run `rounds` turns of about `burst_s` seconds each."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            found[name].append(turn_ms(work, burst_s))
    return Times(found)


def turn_ms(work: Work, burst_s: float) -> float:
    """The quickest of a burst of calls, after one that warms the caches."""
    work()
    best_ms = float("inf")
    budget, calls = Deadline(burst_s), 0
    while calls < CALLS_MIN or not budget.passed:
        begun_ns, begun_cpu_s = monotonic_ns(), process_cpu_s()
        work()
        wall_ms = (monotonic_ns() - begun_ns) / 1e6
        best_ms = min(best_ms, wall_ms, (process_cpu_s() - begun_cpu_s) * 1e3)
        calls += 1
    return best_ms


def runner(model: Path) -> Work:
    """One inference of the file on one thread, with fixed random inputs."""
    session = open_session(model, threads=1)
    feeds = random_feeds(session)
    return lambda: session.run(feeds)


def random_feeds(session: Session) -> dict[str, Any]:
    """Numbers 0..1 for every input."""
    rng = np.random.default_rng(2)
    return {
        name: rng.random([n if isinstance(n, int) else 1 for n in shape], np.float32)
        for name, shape in session.inputs.items()
    }
