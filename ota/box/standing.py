"""What people read while the updater does nothing: idle, or why a release waits."""

from __future__ import annotations

from pathlib import Path

from ota.box.install import Parts
from ota.box.orders import write_progress
from ota.box.state import Phase
from ota.box.window import Wait
from ota.clock import Deadline

WAIT_LOOK_S = 1.0


class Standing:
    """Told after each turn, and when the reason to wait changes."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._told: Wait | None = None
        self._waiting = False
        self._look = Deadline(0.0)
        self._said = ("", False)

    def tell(self, parts: Parts, message: str = "", failed: bool = False) -> None:
        """After each turn."""
        self._waiting = parts.state.load().phase is Phase.WAITING
        self._told = parts.waits() if self._waiting else None
        self._said = (message, failed)
        write_progress(self._run, "idle", message=message, failed=failed, wait=self._told)

    def may_go_on(self, parts: Parts) -> bool:
        """True when a release lies ready and its moment has come; looks once a second."""
        if not self._waiting or not self._look.passed:
            return False
        self._look = Deadline(WAIT_LOOK_S)
        wait = parts.waits()
        if wait is not None and self._told is not None and wait.why != self._told.why:
            self._told = wait
            write_progress(self._run, "idle", 0, 0, *self._said, wait=wait)
        return wait is None
