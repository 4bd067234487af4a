"""The master clock: which moment of the sound timeline is audible now (pure arithmetic).

The timeline is counted in frames of the device's rate since the player began and never
restarts: a reopened or missing device continues it. Picture and captions follow it.
Source of the arithmetic: PortAudio's outputBufferDacTime - currentTime tells how long a
block handed over now waits before it is heard.
"""

from __future__ import annotations

from dataclasses import dataclass

from device.audio.drift import Drift

GAIN_FIRST, GAIN_LATER = 0.5, 0.02
FIRST_TICKS = 10
JUMP_S = 0.08
STRAYS_MAX = 3  # one wild reading of a driver moves nothing
DELAY_S_MAX = 1.0


@dataclass
class MediaClock:
    """MediaClock(rate_hz, started_s): position 0 is `started_s` on the monotonic clock.

    Without ticks it runs on the monotonic clock, so the picture lives without sound.
    """

    rate_hz: int
    started_s: float
    ticks: int = 0
    jumps: int = 0

    def __post_init__(self) -> None:
        self._offset_s = -self.started_s
        self._strays = 0
        self.drift = Drift()

    def tick(self, now_s: float, frame_index: int, delay_s: float) -> None:
        """The device took frame `frame_index` at `now_s` and lets it be heard in `delay_s`."""
        measured = frame_index / self.rate_hz - (now_s + delay_s)
        error = measured - self._offset_s
        if self.ticks == 0:
            self._offset_s = measured
            self.drift.forget()
        elif abs(error) > JUMP_S:
            self._strays += 1
            if self._strays >= STRAYS_MAX:
                self._offset_s, self.jumps, self._strays = measured, self.jumps + 1, 0
                self.drift.forget()
        else:
            gain = GAIN_FIRST if self.ticks < FIRST_TICKS else GAIN_LATER
            self._offset_s += error * gain
            self._strays = 0
            if self.ticks >= FIRST_TICKS:
                self.drift.note(now_s, self._offset_s)
        self.ticks += 1

    def restart(self) -> None:
        """A new stream begins: trust its first ticks again, without a jump of the timeline."""
        self.ticks = 1
        self.drift.forget()

    def position_s(self, now_s: float) -> float:
        """Seconds of the timeline that are audible at `now_s`."""
        return now_s + self._offset_s

    def when_s(self, position_s: float) -> float:
        """The monotonic time at which a position of the timeline is audible."""
        return position_s - self._offset_s


def delay_or(dac_time_s: float, current_time_s: float, fallback_s: float) -> float:
    """The wait of a block; drivers that report zeros get the stream's own latency."""
    delay_s = dac_time_s - current_time_s
    return delay_s if 0.0 < delay_s < DELAY_S_MAX else fallback_s
