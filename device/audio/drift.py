"""How fast the sound device's clock runs against the monotonic one, in parts per million. Pure."""

from __future__ import annotations

from collections import deque

import numpy as np

EVERY_S = 2.0
KEPT_S = 600.0
SPAN_S_MIN = 60.0


class Drift:
    """`note` the smoothed offset of a clock as often as wanted; `ppm` is its slope.

    10 minutes are kept. A crystal of a cheap HDMI receiver is some tens of ppm off: 4 s a day.
    """

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=round(KEPT_S / EVERY_S))

    def note(self, now_s: float, offset_s: float) -> None:
        """Timeline minus monotonic clock at `now_s`; kept each EVERY_S."""
        if not self._points or now_s - self._points[-1][0] >= EVERY_S:
            self._points.append((now_s, offset_s))

    def forget(self) -> None:
        """The offset has jumped, or another device runs."""
        self._points.clear()

    @property
    def ppm(self) -> float | None:
        """Positive: the device is fast. None before a minute was seen."""
        points = np.array(list(self._points), np.float64)
        if len(points) < 2 or points[-1, 0] - points[0, 0] < SPAN_S_MIN:
            return None
        times = points[:, 0] - points[0, 0]
        return float(np.polyfit(times, points[:, 1] - points[0, 1], 1)[0] * 1e6)
