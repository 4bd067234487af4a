"""Python's collector in the player: off, and called when it disturbs nobody."""

from __future__ import annotations

import gc

from ota.heap import give_back

YOUNG_S, FULL_S = 10.0, 600.0


class Collector:
    """Python's collector is off in the player: young objects often, old ones in silence."""

    def __init__(self) -> None:
        self._young_s = self._full_s = 0.0

    def turn(self, now_s: float, quiet: bool) -> None:
        """Collect what is due at `now_s` (monotonic)."""
        if now_s >= self._full_s and quiet:
            self._full_s = now_s + FULL_S
            gc.collect()
            give_back()
        elif now_s >= self._young_s:
            self._young_s = now_s + YOUNG_S
            gc.collect(0)

    def leave_alone(self) -> None:
        """What lives by now stays: it need not be looked at again."""
        gc.freeze()
