"""What downloads may use of the shop's line: so much an hour and a day, slowly while it is open.

The line belongs to the card terminals first. What is small (a price, a line) is counted and never
kept waiting; what comes from a neighbour costs nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from device.messages import Download, Settings
from device.stage.hours import opening
from ota.clock import monotonic_s, sleep_s
from ota.errors import Retry
from ota.fetch import Final
from ota.floor import TwoCopies

# A publish up to this size goes past every limit.
SMALL_BYTES = 1 << 20
KEPT_HOURS = 24
# What a power cut may forget.
SAVED_EVERY_BYTES = 4 << 20
# After a pause a download may be this far ahead of its rate.
BURST_S = 2.0
HOURS_LOOK_S = 30.0
Hours = Mapping[str, int]


class Spent(Final):
    """The allowance is used up; what came so far is kept."""


def hour_of(now: datetime) -> str:
    """The hour's name, in UTC."""
    return now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H")


def kept(hours: Hours, now: datetime) -> dict[str, int]:
    """The last 24 hours, this one with them; hours that are still to come were a wrong clock."""
    first, last = hour_of(now - timedelta(hours=KEPT_HOURS - 1)), hour_of(now)
    return {hour: count for hour, count in hours.items() if first <= hour <= last}


def left_bytes(limits: Download, hours: Hours, now: datetime) -> int | None:
    """What may still come now; None without a limit."""
    recent = kept(hours, now)
    left = []
    if limits.bytes_per_hour is not None:
        left.append(limits.bytes_per_hour - recent.get(hour_of(now), 0))
    if limits.bytes_per_day is not None:
        left.append(limits.bytes_per_day - sum(recent.values()))
    return min(left, default=None)


def rate_now(settings: Settings, now: datetime) -> int | None:
    """Bytes a second that downloads may take now; None: no limit.

    Without opening hours nobody knows when the shop is closed, and there is no limit.
    """
    if settings.hours is None or not settings.hours.strip():
        return None
    is_open = opening(settings.hours, settings.timezone, now).is_open
    return settings.download.open_bytes_per_s if is_open else None


class Budget:
    """Counts what the downloader brings, and holds it back. The settings may change meanwhile."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._file, self._now = TwoCopies(path), now
        body = self._file.read() or {}
        self._hours = {str(k): v for k, v in body.items() if isinstance(v, int) and v >= 0}
        self._settings = Settings()
        self._lock = threading.Lock()
        self._is_bulk = False
        self._unsaved_bytes = 0
        self._ahead_until_s = 0.0
        self._rate: int | None = None
        self._looked_s = -HOURS_LOOK_S

    def follow(self, settings: Settings) -> None:
        """The limits of the signed desired state, from now on."""
        with self._lock:
            if settings != self._settings:
                self._settings, self._looked_s = settings, -HOURS_LOOK_S

    @property
    def used_bytes(self) -> int:
        """In the last 24 hours."""
        return sum(kept(self._hours, self._now()).values())

    def begin(self, length_bytes: int) -> None:
        """So much is to be downloaded, from wherever."""
        self._is_bulk = length_bytes > SMALL_BYTES

    def judge(self) -> None:
        """Raises Spent when nothing more may be downloaded now."""
        with self._lock:
            limits = self._settings.download
        left = left_bytes(limits, self._hours, self._now())
        if self._is_bulk and left is not None and left <= 0:
            self.save()
            raise Spent(
                "This box has used up what it may download now; it goes on in the next hours "
                "(settings: download)."
            )

    def spend(self, count: int) -> None:
        """`count` bytes came (an ota.fetch.Meter): wait as long as they should have taken.

        Raises Spent when they were the last ones.
        """
        now = self._now()
        hours = kept(self._hours, now)
        hours[hour_of(now)] = hours.get(hour_of(now), 0) + count
        self._hours = hours  # never changed in place: another thread may be reading
        self._unsaved_bytes += count
        if self._unsaved_bytes >= SAVED_EVERY_BYTES:
            self.save()
        if self._is_bulk:
            self._slow_down(count)
            self.judge()

    def save(self) -> None:
        """Keep the count over a restart. A full disk keeps it in memory."""
        self._unsaved_bytes = 0
        try:
            self._file.write(self._hours)
        except (OSError, Retry):
            return

    def _slow_down(self, count: int) -> None:
        now_s = monotonic_s()
        if now_s - self._looked_s >= HOURS_LOOK_S:
            with self._lock:
                settings = self._settings
            self._rate, self._looked_s = rate_now(settings, self._now()), now_s
        if self._rate is None:
            return
        self._ahead_until_s = max(self._ahead_until_s, now_s - BURST_S) + count / self._rate
        sleep_s(self._ahead_until_s - now_s)
