"""The agent's part in what downloads may use of the shop's line (`ota.box.budget`): it follows the
limits of the signed desired state, and leaves them for the updater. What comes from a neighbour
costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from device.messages import Settings
from device.stage.hours import opening
from ota.box import budget
from ota.box.budget import OF_AGENT, OF_UPDATER, Limits, keep_limits
from ota.errors import Retry


def rate_now(settings: Settings, now: datetime) -> int | None:
    """Bytes a second that downloads may take now; None: no limit.

    Without opening hours nobody knows when the shop is closed, and there is no limit.
    """
    if settings.hours is None or not settings.hours.strip():
        return None
    is_open = opening(settings.hours, settings.timezone, now).is_open
    return settings.download.open_bytes_per_s if is_open else None


class Budget(budget.Budget):
    """Counts what the agent brings, in `var`. The settings may change meanwhile."""

    def __init__(self, var: Path, now: Callable[[], datetime]) -> None:
        super().__init__(
            var / OF_AGENT, now, (var / OF_UPDATER,),
            lambda: self._followed().download, lambda: rate_now(self._followed(), now()))
        self._var = var
        self._settings = Settings()
        self._left: Limits | None = None
        self._lock = threading.Lock()

    def follow(self, settings: Settings) -> None:
        """The limits of the signed desired state, from now on."""
        with self._lock:
            if settings != self._settings:
                self._settings = settings
                self.look_again()
        wanted = settings.download
        limits = Limits(
            wanted.bytes_per_hour, wanted.bytes_per_day, wanted.open_bytes_per_s)
        if limits != self._left:
            # A full disk: the updater goes by what was left before, and is told at the next turn.
            with suppress(OSError, Retry):
                keep_limits(self._var, limits)
                self._left = limits

    def _followed(self) -> Settings:
        with self._lock:
            return self._settings
