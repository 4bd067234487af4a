"""Says how far a long job is and how long it will still take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ota.clock import monotonic_s

Say = Callable[[str], None]
Item = TypeVar("Item")
BAR_CELLS = 24
EVERY_S, LINE_EVERY_S = 0.5, 30.0


class Progress:
    """One job's bar: redrawn in place on a terminal, a line each half minute elsewhere."""

    def __init__(self, say: Say, what: str, terminal: bool | None = None) -> None:
        self._say, self._what = say, what
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._began_s = self._told_s = monotonic_s()
        self._first: int | None = None

    def through(self, items: Iterable[Item], total: int) -> Iterator[Item]:
        """The items, telling after each how far it is."""
        for number, item in enumerate(items, 1):
            yield item
            self.at(number, total)

    def at(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` is finished."""
        now_s = monotonic_s()
        if self._first is None:
            self._first = done
        last = done >= total
        if not last and now_s - self._told_s < (EVERY_S if self._terminal else LINE_EVERY_S):
            return
        self._told_s = now_s
        left = remaining_s(now_s - self._began_s, done - self._first, total - done)
        text = f"    {self._what}: {done} of {total}"
        tail = (f", {in_words(left)} left" if left is not None and not last else "") + note
        if not self._terminal:
            self._say(text + tail)
            return
        full = round(BAR_CELLS * done / max(total, 1))
        bar = "#" * full + "." * (BAR_CELLS - full)
        sys.stderr.write(f"\r\033[K    [{bar}] {self._what} {done}/{total}{tail}")
        sys.stderr.write("\n" if last else "")
        sys.stderr.flush()


def remaining_s(spent_s: float, done: int, left: int) -> float | None:
    """Seconds for what is left at the speed so far; None before anything is done."""
    return spent_s / done * left if done > 0 else None


def in_words(seconds: float) -> str:
    """A duration for people: 40 s, 12 min, 2 h 10 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
