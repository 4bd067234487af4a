"""Which played sample belongs to which heard one: two clocks that drift, and a delay. Pure.

Both sides say when their samples are in the air, but sound servers are wrong by tens of ms and
jitter by some. So their word gives the first guess and tells jumps; the echo itself, where it can
be heard, gives the delay to a fraction of a sample, and the slope of many such delays the drift
between the two clocks (50 parts per million cost the canceller 25 dB). The distance changes
slowly, so that the canceller's filter need not learn anew.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from device.audio.drift import Drift
from device.audio.lag import Lag

RATE_HZ = 16_000
# The direct sound is to arrive so late in the filter: room for errors, and for what comes before.
ANCHOR = 192
# Before it was ever heard: clocks may promise the sound 6 ms too late.
GUESS = 160
# A delay within these is left where it is: the filter has begun to learn it there.
# Later ones leave too little of the filter for the room; what is learnt already may be later.
_FITS_MIN, _FITS_MAX, _STAYS_MAX = 64.0, 1_000.0, 1_600.0
_INLIER = 8.0
_AGREE = 3.0
_STRAYS = 3
_POINTS_MAX = 120
_POINTS_MIN, _SPAN_MIN = 8, 6 * RATE_HZ
_PPM_MAX = 500e-6
_SLEW_MAX = 40e-6
_SLEW_SAMPLES = 2 * RATE_HZ
_JUMP = 320.0
_NEWEST = 8


class Follower:
    """`advance` each chunk; positions: heard sample n belongs to played sample n + shift.

    `moved` counts new distances found by the echo (each costs the filter its learning), `stepped`
    gaps in one of the streams that the clocks told and that are made good (the filter holds);
    `aligned` is False while the echo is heard where it is not expected.
    """

    def __init__(self) -> None:
        self.heard = 0
        self.shift: float | None = None
        self.rate = 0.0
        self.locked = self.aligned = False
        self.anchor: float = ANCHOR
        self.moved = self.stepped = 0
        self._points: deque[tuple[float, float]] = deque(maxlen=_POINTS_MAX)
        self._strays: list[tuple[float, float]] = []
        self._newest: deque[float] = deque(maxlen=_NEWEST)
        self._usual: float | None = None
        self._clocks = Drift()
        self._slope: float | None = None
        self._delay: float | None = None
        self._anchored_at: tuple[float, float] | None = None

    @property
    def drift_ppm(self) -> float | None:
        """Of the player's clock against the microphone's; None before it is known."""
        slope = self._slope if self._slope is not None else self._by_clocks()
        return None if slope is None else slope * 1e6

    @property
    def delay(self) -> float | None:
        """Samples by which the echo is later than the clocks say; None before it was found."""
        if not self.locked or self._usual is None or self.shift is None:
            return None
        return self._usual + self.shift - self.expected(self.heard)

    def advance(self, samples: int, played_at_end: float) -> tuple[float, float]:
        """One chunk more, whose end was in the air together with `played_at_end` as the clocks
        say. Returns (position of its first sample, step): where to read the reference."""
        begin = self.heard
        self.heard += samples
        if self.shift is None:
            known = self._delay
            guess = GUESS if known is None else self.anchor - known
            self.shift = played_at_end - self.heard + guess
        self._watch_clocks(played_at_end)
        position = begin + self.shift
        self.rate = self._wanted_rate(begin)
        self.shift += samples * self.rate
        return position, 1.0 + self.rate

    def lost(self) -> None:
        """Another player: its timeline is new, the delay of the devices most likely as before."""
        self._delay = self.delay
        self._forget_points()
        self._usual = self.shift = None
        self._newest.clear()
        self._clocks.forget()

    def measured(self, at: int, shift: int, lag: Lag, well: bool) -> None:
        """The echo at heard sample `at` is `lag` late against the distance `shift`.

        `well`: the echo is cancelled, so that another lag is a strong reflection, or has been
        learnt by the filter already.
        """
        if not lag.sure or self.shift is None:
            return
        true = shift - lag.samples
        if self.locked and abs(true - self.expected(at)) <= _INLIER:
            self.aligned = True
            self._strays.clear()
            self._points.append((float(at), true))
            self._fit()
            return
        self._strays = [*self._strays, (float(at), true)][-_STRAYS:]
        needed = _STRAYS if self.locked else 2
        recent = [value for _, value in self._strays[-needed:]]
        if len(recent) == needed and max(recent) - min(recent) <= _AGREE:
            self._lock(well)
        elif len(recent) > 1 and abs(recent[-1] - recent[-2]) <= _AGREE:
            self.aligned = well

    def slipped(self, at: int, late: float) -> None:
        """All of the echo, as the filter knows it, came `late` samples late at heard sample `at`:
        a stream lost its place, and the clocks did not tell. The filter holds."""
        assert self.shift is not None
        self._forget_points()
        shift = self.shift - late
        self._set(shift)
        self._points.append((float(at), shift - self.anchor))
        self.aligned = True
        self.stepped += 1

    def expected(self, at: int) -> float:
        """The true distance at heard sample `at` by what was measured so far."""
        if not self._points:
            return (self.shift or 0.0) - self.anchor
        last_at, last = self._points[-1]
        if self._anchored_at is None:
            return last + self.rate * (at - last_at)
        return self._line(at)

    def _lock(self, well: bool) -> None:
        assert self.shift is not None
        agreed = self._strays[-2:]
        self._forget_points()
        self._points.extend(agreed)
        true = agreed[-1][1]
        self.locked = self.aligned = True
        self.anchor = self.shift - true
        if not _FITS_MIN <= self.anchor <= (_STAYS_MAX if well else _FITS_MAX):
            self.anchor = ANCHOR
            self._set(true + ANCHOR)
            self.moved += 1

    def _set(self, shift: float) -> None:
        """Another distance, by the echo's word: the clocks' stays where it was."""
        assert self.shift is not None
        self._newest.clear()
        if self._usual is not None:
            self._usual -= shift - self.shift
        self.shift = shift

    def _forget_points(self) -> None:
        self._points.clear()
        self._strays.clear()
        self._anchored_at = None

    def _fit(self) -> None:
        points = np.array(self._points)
        if len(points) < _POINTS_MIN or points[-1, 0] - points[0, 0] < _SPAN_MIN:
            return
        times = points[:, 0] - points[-1, 0]
        line = np.polyfit(times, points[:, 1], 1)
        off = np.abs(points[:, 1] - np.polyval(line, times))
        good = off <= max(0.5, 2.5 * float(np.median(off)))
        if good.sum() >= _POINTS_MIN:
            line = np.polyfit(times[good], points[good, 1], 1)
        first = self._slope is None
        self._slope = float(np.clip(line[0], -_PPM_MAX, _PPM_MAX))
        self._anchored_at = (float(points[-1, 0]), float(line[1]))
        if first and self.shift is not None:
            # It stays where the drift has brought it: going back would disturb the filter longer.
            self.anchor = self.shift - self._line(self.heard)

    def _line(self, at: float) -> float:
        assert self._slope is not None and self._anchored_at is not None
        return self._anchored_at[1] + self._slope * (at - self._anchored_at[0])

    def _wanted_rate(self, at: int) -> float:
        base = self._slope if self._slope is not None else self._by_clocks() or 0.0
        if self._anchored_at is None or self.shift is None:
            return base
        behind = self._line(at) + self.anchor - self.shift
        return base + float(np.clip(behind / _SLEW_SAMPLES, -_SLEW_MAX, _SLEW_MAX))

    def _watch_clocks(self, played_at_end: float) -> None:
        """A step of what the clocks say is a gap in one of the streams: follow it at once."""
        assert self.shift is not None
        heard_s = self.heard / RATE_HZ
        self._clocks.note(heard_s, played_at_end / RATE_HZ - heard_s)
        self._newest.append(played_at_end - self.heard - self.shift)
        if len(self._newest) < _NEWEST:
            return
        now = sorted(self._newest)[_NEWEST // 2]
        if self._usual is None:
            self._usual = now
        step = now - self._usual
        if abs(step) > _JUMP and max(self._newest) - min(self._newest) < _JUMP:
            self.shift += step
            self._newest.clear()
            self._forget_points()
            self._clocks.forget()
            self.stepped += 1
            self.aligned = False  # until the echo confirms it
        else:
            self._usual += 0.01 * step

    def _by_clocks(self) -> float | None:
        ppm = self._clocks.ppm
        return None if ppm is None else float(np.clip(ppm * 1e-6, -_PPM_MAX, _PPM_MAX))
