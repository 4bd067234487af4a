"""A test tone, too soft to be heard, sent once through the player's own way to the loudspeaker.

It passes the timeline, the gain and the device's callback, and counts as passed when the device's
own clock has run beyond its end. That proves the software's whole way and that a device consumes
samples at its pace; it does not prove that a loudspeaker is plugged in, or that an amplifier is
on: only the self-test with a microphone does (`vitrine device check`).
"""

from __future__ import annotations

import numpy as np

from device.audio.speaker import RATE_HZ, Speaker
from ota.errors import Retry

TONE_HZ = 1000.0
TONE_S = 0.1
# -60 dB of full scale: below the noise of a quiet room, above the last bits of 16.
TONE_PEAK = 1e-3


class ProofTone:
    """`begin` once, when the loudspeaker has started; then ask `passed`."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._start: int | None = None
        self._taken = 0
        self._is_through = False

    def begin(self) -> None:
        """Put the tone on the timeline."""
        times_s = np.arange(round(TONE_S * RATE_HZ)) / RATE_HZ
        # A window, so that nothing clicks where an amplifier is turned up.
        tone = TONE_PEAK * np.sin(2 * np.pi * TONE_HZ * times_s) * np.hanning(len(times_s))
        self._taken = self._speaker.taken_frames
        try:
            self._start = self._speaker.play(tone.astype(np.float32))
        except Retry:
            self._start = None

    @property
    def passed(self) -> bool | None:
        """True once the device has played it, for as long as sound runs; False: it should have
        and has not, or the sound is gone; None: there is no device to tell."""
        state = self._speaker.state()
        if not self._speaker.enabled or (not self._is_through and not state.running):
            return None
        if self._start is None:
            return None
        taken = self._speaker.taken_frames - self._taken
        end = self._start + round(TONE_S * RATE_HZ)
        if taken * 1.0 >= TONE_S * RATE_HZ and self._speaker.position_s() * RATE_HZ >= end:
            self._is_through = True
        return self._is_through and state.running
