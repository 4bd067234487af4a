"""The day of one box: settings, trusted time and who woke it, asked by player and safe alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from device.messages import Settings
from device.programme import times
from device.stage.hours import Day, clock_is_wrong, day_at, opening
from device.stage.volume import Loudness
from ota.clock import Deadline, utc_now
from ota.errors import Refused
from ota.floor import FloorClock

WAKE_MINUTES, WAKE_MINUTES_MAX = 60, 12 * 60
FLOOR_READ_S = 60.0


class ShopDay:
    """`clock` is where the newest signed time is kept; None (a test, a laptop) trusts the wall."""

    def __init__(self, clock: Path | None = None) -> None:
        self._floor = FloorClock(clock) if clock else None
        self._floor_due = Deadline(FLOOR_READ_S)
        self._settings = Settings()
        self._awake_until: datetime | None = None
        self.loudness = Loudness()

    def follow(self, settings: Settings) -> None:
        """The console's settings."""
        self._settings = settings
        self.loudness.follow(settings.volume, settings.volume_curve, settings.timezone)

    def wake(self, args: dict[str, Any]) -> dict[str, Any]:
        """Open now for `minutes` (0 ends it), whatever the hours say. Raises Refused."""
        minutes = args.get("minutes", WAKE_MINUTES)
        if isinstance(minutes, bool) or not isinstance(minutes, int | float):
            raise Refused("`wake` takes a number of minutes.")
        if not 0 <= minutes <= WAKE_MINUTES_MAX:
            raise Refused(f"`wake` takes 0 to {WAKE_MINUTES_MAX} minutes.")
        self._awake_until = self.now() + timedelta(minutes=minutes)
        return {"awake_until": self._awake_until.isoformat(timespec="seconds")}

    def now(self) -> datetime:
        """Time that never runs behind the newest signed one."""
        if self._floor is None:
            return utc_now()
        if self._floor_due.passed:
            # The agent, another process, learns newer times.
            self._floor.reread()
            self._floor_due = Deadline(FLOOR_READ_S)
        return self._floor.now()

    def look(self) -> Day:
        """What is right for avatar and screen now."""
        now, settings = self.now(), self._settings
        wrong = self._floor is not None and clock_is_wrong(self._floor.behind())
        return day_at(settings.hours, settings.timezone, now, self._awake_until, wrong)

    def told(self) -> dict[str, Any]:
        """Fields of PlayerState for the updater, which waits for the evening: is the shop open,
        until when (UTC), its wall clock's offset. Left out: nobody knows."""
        settings, now = self._settings, self.now()
        found = opening(settings.hours, settings.timezone, now)
        try:
            offset = now.astimezone(times.zone(settings.timezone)).utcoffset()
        except times.BadTime:
            offset = None
        told: dict[str, Any] = {
            "shop_utc_offset_s": None if offset is None else offset.total_seconds()}
        if settings.hours is None or not settings.hours.strip():
            return told
        at = found.changes_at.isoformat(timespec="seconds") if found.changes_at else None
        return {**told, "shop_open": found.is_open, "shop_changes_at": at}

    def order_volume(self, volume: float) -> None:
        """A person's loudness, until the curve's next point."""
        self.loudness.order(volume, self.now())

    def volume(self) -> float:
        """The loudness (0..1) of this moment."""
        return self.loudness.at(self.now())
