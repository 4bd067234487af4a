"""When the sound breaks off for want of samples: counted, told seldom, mended by more buffer. Pure.

A deeper buffer costs nothing on screen (the mouth follows the DAC time), only some of the time to
an answer; so it is deepened for the rest of the run, and never made shallow again in it.
"""

from __future__ import annotations

from collections import deque

LATENCIES_S = (0.06, 0.12, 0.2, 0.3)
ENOUGH, WITHIN_S = 3, 60.0
TOLD_EVERY_S = 600.0


class Underflows:
    """`note` each one; `latency_s` is what the next stream should ask for."""

    def __init__(self) -> None:
        self.count = 0
        self._recent: deque[float] = deque(maxlen=ENOUGH)
        self._step = 0
        self._told_s: float | None = None
        self._told_count = 0

    @property
    def latency_s(self) -> float:
        """Of the output buffer."""
        return LATENCIES_S[self._step]

    def note(self, now_s: float) -> bool:
        """One more; True when the buffer is to be deepened now."""
        self.count += 1
        self._recent.append(now_s)
        often = len(self._recent) == ENOUGH and now_s - self._recent[0] <= WITHIN_S
        if not often or self._step + 1 >= len(LATENCIES_S):
            return False
        self._step += 1
        self._recent.clear()
        return True

    def news(self, now_s: float) -> str | None:
        """One sentence for all since the last one, at most each ten minutes."""
        new = self.count - self._told_count
        if new == 0 or (self._told_s is not None and now_s - self._told_s < TOLD_EVERY_S):
            return None
        self._told_s, self._told_count = now_s, self.count
        return (f"The sound broke off {new} times for want of samples; its buffer is now "
                f"{self.latency_s * 1e3:.0f} ms. Something else uses the processor.")
