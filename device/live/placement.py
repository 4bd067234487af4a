"""Where on the sound timeline a chunk of a live voice goes: the jitter buffer's arithmetic (pure).

A chunk sounds `delay` after its arrival. The line may hold chunks back, and the microphone's clock
is not the loudspeaker's: what came too late moves the voice back, and while the operator is silent
it moves to its delay again, by leaving a quiet chunk out or a gap before one. A line that was late
gets a longer delay for a while.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

RATE_HZ = 48_000
DELAY_FRAMES = RATE_HZ // 5
# Left before the sound device takes its samples, at the least and when beginning anew.
GUARD_FRAMES, RESERVE_FRAMES = RATE_HZ // 500, RATE_HZ * 3 // 100
# What a chunk that came late adds to the delay, and how slowly it is trusted again: 1 ms in 200.
EXTRA_FRAMES, EXTRA_FRAMES_MAX, TRUST = RATE_HZ // 50, RATE_HZ * 16 // 100, 200
# A voice later than this past its delay is no conversation: chunks are dropped at once.
EXCESS_FRAMES_MAX = RATE_HZ * 3 // 10
SLACK_FRAMES = RATE_HZ * 3 // 200
LAGS = 50


@dataclass
class Placement:
    """place() gives each chunk its first frame. All numbers are frames at 48 kHz.

    `late` counts chunks that came after their time, `dropped` those that were left out.
    """

    delay: int = DELAY_FRAMES
    late: int = 0
    dropped: int = 0
    lag: int = 0
    _extra: int = 0
    _next: int | None = None
    _lags: deque[int] = field(default_factory=lambda: deque(maxlen=LAGS))

    def place(self, length: int, heard: int, horizon: int, quiet: bool) -> int | None:
        """The first frame for a chunk of `length` that arrived now; None to leave it out.

        `heard` is the frame that is audible now, `horizon` the first that can still be chosen.
        """
        self._extra -= min(self._extra, length // TRUST)
        wanted = heard + max(self.delay + self._extra, horizon - heard + RESERVE_FRAMES)
        if self._next is None:
            self._next = wanted
        elif self._next < horizon + GUARD_FRAMES:
            self.late += 1
            self._extra = min(EXTRA_FRAMES_MAX, self._extra + EXTRA_FRAMES)
            self._begin_at(wanted + EXTRA_FRAMES)
        self._lags.append(self._next - heard)
        excess = min(self._lags) - (wanted - heard)
        if self._next - wanted > EXCESS_FRAMES_MAX or (
                quiet and len(self._lags) == LAGS and excess > SLACK_FRAMES):
            self.dropped += 1
            self._lags = deque((lag - length for lag in self._lags), maxlen=LAGS)
            return None
        if quiet and len(self._lags) == LAGS and excess < -SLACK_FRAMES:
            self._begin_at(self._next + length)
        start = self._next
        self.lag = start - heard
        self._next = start + length
        return start

    def _begin_at(self, start: int) -> None:
        self._next = start
        self._lags.clear()
