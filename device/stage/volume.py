"""Quiet hours by a curve: the loudness at each moment of the day. Pure but for what was ordered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from device.programme import times
from ota.errors import Refused

POINTS_MAX = 48


def read_curve(points: Mapping[str, float]) -> tuple[tuple[int, float], ...]:
    """(minute, loudness 0..1) in order of the day. Raises Refused with the bad point."""
    if len(points) > POINTS_MAX:
        raise Refused(f"The volume curve has more than {POINTS_MAX} points.")
    found: dict[int, float] = {}
    for clock, volume in points.items():
        try:
            found[times.clock_minutes(clock) % times.MINUTES_A_DAY] = float(volume)
        except times.BadTime as error:
            raise Refused(
                f"{clock[:20]!r} in the volume curve is no time of day; write it like 21:00."
            ) from error
        if not 0.0 <= volume <= 1.0:
            raise Refused(f"The volume at {clock} must be 0 to 1, not {volume}.")
    return tuple(sorted(found.items()))


def volume_at(volume: float, curve: Mapping[str, float], zone: str, now: datetime) -> float:
    """The loudness at the aware moment `now`: straight between two points, also over midnight.

    Without a curve, or with one or a zone that cannot be read, it is `volume`.
    """
    found = _neighbours(curve, zone, now)
    if found is None:
        return volume
    (_, low), (_, high), since_min, span_min = found
    return low + (high - low) * (since_min / span_min if span_min else 0.0)


def point_before(curve: Mapping[str, float], zone: str, now: datetime) -> int | None:
    """The minute of the day of the last point passed; None without a curve."""
    found = _neighbours(curve, zone, now)
    return None if found is None else found[0][0]


def _neighbours(
    curve: Mapping[str, float], zone: str, now: datetime
) -> tuple[tuple[int, float], tuple[int, float], float, int] | None:
    """The points before and after `now`, minutes since the one, minutes between the two."""
    try:
        points, local = read_curve(curve), now.astimezone(times.zone(zone))
    except (Refused, times.BadTime):
        return None
    if not points:
        return None
    minute = local.hour * 60 + local.minute + local.second / 60
    passed = [point for point in points if point[0] <= minute]
    before = passed[-1] if passed else points[-1]
    after = next((point for point in points if point[0] > minute), points[0])
    day = times.MINUTES_A_DAY
    return before, after, (minute - before[0]) % day, (after[0] - before[0]) % day


class Loudness:
    """What the settings say, or what a person ordered until the curve's next point."""

    def __init__(self) -> None:
        self.volume, self.zone = 1.0, "UTC"
        self.curve: Mapping[str, float] = {}
        self._ordered: tuple[float, int | None] | None = None

    def follow(self, volume: float, curve: Mapping[str, float], zone: str) -> None:
        """New settings; an order of before is forgotten."""
        self.volume, self.curve, self.zone, self._ordered = volume, curve, zone, None

    def order(self, volume: float, now: datetime) -> None:
        """A person's wish of this moment."""
        self._ordered = volume, point_before(self.curve, self.zone, now)

    @property
    def loudest(self) -> float:
        """How loud a visitor may make it: as loud as it is at any hour, without a curve as loud
        as it gets."""
        return max(self.curve.values(), default=1.0)

    def at(self, now: datetime) -> float:
        """The loudness (0..1) that is right now."""
        if self._ordered is not None:
            if self._ordered[1] == point_before(self.curve, self.zone, now):
                return self._ordered[0]
            self._ordered = None
        return volume_at(self.volume, self.curve, self.zone, now)
