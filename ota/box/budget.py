"""What downloads may use of the shop's line: so much an hour and a day, slowly while it is open.

The line belongs to the card terminals first. Who downloads on this box (the agent: programmes; the
updater: releases and systems) counts in a file of its own and reads the others', so all of it
together keeps to the limits. What is small (a price, a line) is counted and never kept waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

import msgspec

from ota.clock import monotonic_s, sleep_s
from ota.errors import Refused, Retry
from ota.fetch import Final
from ota.files import read_bounded, write_durable
from ota.floor import TwoCopies

# A publish up to this size goes past every limit.
SMALL_BYTES = 1 << 20
KEPT_HOURS = 24
# What a power cut may forget, and what another on this box does not know of yet.
SAVED_EVERY_BYTES = 4 << 20
# After a pause a download may be this far ahead of its rate.
BURST_S = 2.0
LOOK_S = 30.0
LIMITS_BYTES_MAX = 4096
# Below the box's `var`: who counts where, and the limits, which the agent leaves for the updater.
OF_AGENT, OF_UPDATER, LIMITS = "downloads", "ota/downloads", "download-limits.json"
Hours = Mapping[str, int]


class Spent(Final):
    """The allowance is used up; what came so far is kept."""


class Share(Protocol):
    """What is needed of `device.messages.Download`; None: no limit."""

    @property
    def bytes_per_hour(self) -> int | None: ...
    @property
    def bytes_per_day(self) -> int | None: ...


class Limits(msgspec.Struct, frozen=True):
    """The limits that hold for this box, as the agent keeps them for others."""

    bytes_per_hour: int | None = None
    bytes_per_day: int | None = None
    open_bytes_per_s: int | None = 1_000_000


def read_limits(var: Path) -> Limits:
    """What the agent left; the usual where it has left nothing that can be read."""
    try:
        return msgspec.json.decode(read_bounded(var / LIMITS, LIMITS_BYTES_MAX), type=Limits)
    except (OSError, Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Limits()


def keep_limits(var: Path, limits: Limits) -> None:
    """For the updater, over restarts. Raises Retry."""
    if read_limits(var) != limits:
        write_durable(var / LIMITS, msgspec.json.encode(limits), sole=True)


def hour_of(now: datetime) -> str:
    """The hour's name, in UTC."""
    return now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H")


def kept(hours: Hours, now: datetime) -> dict[str, int]:
    """The last 24 hours, this one with them; hours that are still to come were a wrong clock."""
    first, last = hour_of(now - timedelta(hours=KEPT_HOURS - 1)), hour_of(now)
    return {hour: count for hour, count in hours.items() if first <= hour <= last}


def left_bytes(limits: Share, hours: Hours, now: datetime) -> int | None:
    """What may still come now; None without a limit."""
    recent = kept(hours, now)
    left = []
    if limits.bytes_per_hour is not None:
        left.append(limits.bytes_per_hour - recent.get(hour_of(now), 0))
    if limits.bytes_per_day is not None:
        left.append(limits.bytes_per_day - sum(recent.values()))
    return min(left, default=None)


class Budget:
    """Counts what a downloader brings, and holds it back. `path` is its own count, `others` are
    those of who else downloads here; `limits` and `rate` (bytes a second, None: no limit) are
    asked again and again."""

    def __init__(
        self, path: Path, now: Callable[[], datetime], others: Sequence[Path] = (),
        limits: Callable[[], Share] = Limits, rate: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._file, self._now = TwoCopies(path), now
        self._others = [TwoCopies(other) for other in others]
        self._limits, self._rate_now = limits, rate
        self._hours = _counted(self._file)
        self._elsewhere: Hours = {}
        self._is_bulk = False
        # So much may come before what was said to be small is held back as well; None: it is not.
        self._small_bytes: int | None = None
        self._unsaved_bytes = 0
        self._ahead_until_s = 0.0
        self._rate: int | None = None
        self._looked_s = -LOOK_S

    @property
    def used_bytes(self) -> int:
        """In the last 24 hours, by all who download here. May be called by any thread."""
        return sum(kept(Counter(self._hours) + self._read_others(), self._now()).values())

    def look_again(self) -> None:
        """The limits have changed."""
        self._looked_s = -LOOK_S

    def begin(self, length_bytes: int) -> None:
        """So much is to be downloaded, from wherever."""
        self._is_bulk = length_bytes > SMALL_BYTES
        self._small_bytes = None
        self._elsewhere = self._read_others()

    def judge(self) -> None:
        """Raises Spent when nothing more may be downloaded now."""
        together = Counter(self._hours) + Counter(self._elsewhere)
        left = left_bytes(self._limits(), together, self._now())
        if self._is_bulk and left is not None and left <= 0:
            self.save()
            raise Spent(
                "This box has used up what it may download now; it goes on in the next hours "
                "(settings: download)."
            )

    @contextmanager
    def spending(self, length_bytes: int, urgent: bool = False) -> Iterator[None]:
        """While so much comes; what a person ordered (`urgent`) is counted and not held back.

        Raises Spent, before anything comes and in the middle of it.
        """
        self.begin(0 if urgent else length_bytes)
        self._small_bytes = None if urgent else SMALL_BYTES
        try:
            self.judge()
            yield
        finally:
            self.begin(0)
            self.save()

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
        if self._small_bytes is not None:
            self._small_bytes -= count
            self._is_bulk = self._is_bulk or self._small_bytes < 0
        if self._is_bulk:
            self._slow_down(count)
            self.judge()

    def save(self) -> None:
        """Keep the count over a restart. A full disk keeps it in memory."""
        if not self._unsaved_bytes:
            return
        self._unsaved_bytes = 0
        try:
            self._file.write(dict(self._hours))
        except (OSError, Retry):
            return

    def _slow_down(self, count: int) -> None:
        now_s = monotonic_s()
        if now_s - self._looked_s >= LOOK_S:
            self._rate, self._looked_s = self._rate_now(), now_s
            self._elsewhere = self._read_others()
        if self._rate is None:
            return
        self._ahead_until_s = max(self._ahead_until_s, now_s - BURST_S) + count / self._rate
        sleep_s(self._ahead_until_s - now_s)

    def _read_others(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for other in self._others:
            found.update(_counted(other))
        return found


def _counted(file: TwoCopies) -> dict[str, int]:
    body = file.read() or {}
    return {str(k): v for k, v in body.items() if isinstance(v, int) and v >= 0}
