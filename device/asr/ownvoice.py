"""Does the room hear the avatar? A muted TV plays every sample and nobody knows. Pure.

Where the microphone has heard the avatar before, and then hears nothing of many sentences on
end while it is loud, the loudspeaker is mute, unplugged, or on another input. Where it never
heard the avatar (a headset, a microphone far away) nothing is said: silence proves nothing there.
"""

from __future__ import annotations

from collections import deque

from device.asr.vad import CHUNK_MS

VOICE = 0.5
CHUNKS_MIN = 1_200 // CHUNK_MS  # shorter sentences tell nothing
HEARD_SHARE, UNHEARD_SHARE = 0.25, 0.03
KNOWN_OF, KNOWN = 10, 5  # so many of the last ones were heard: this microphone hears the avatar
UNHEARD_IN_A_ROW = 12
VOLUME_MIN = 0.2
FAULT = ("The microphone does not hear the avatar any more: is the screen muted, its volume down, "
         "or its sound on another input?")


class OwnVoice:
    """Told what the player says and what the microphone hears; `fault` is a sentence or None."""

    def __init__(self) -> None:
        self._saying: str | None = None
        self._voiced = self._chunks = 0
        self._last: deque[bool] = deque(maxlen=KNOWN_OF)
        self._unheard = 0
        self._known = False

    @property
    def fault(self) -> str | None:
        """Standing until a sentence is heard again."""
        return FAULT if self._known and self._unheard >= UNHEARD_IN_A_ROW else None

    def avatar(self, speaking: bool, saying: str | None, volume: float) -> None:
        """The player's state; a change of what it says closes the sentence before."""
        now = saying if speaking and volume >= VOLUME_MIN else None
        if now != self._saying:
            self._close()
            self._saying = now

    def listened(self, probability: float, silent: bool) -> None:
        """One chunk of the room; `silent` is digital silence: a microphone that is off."""
        if self._saying is not None and not silent:
            self._chunks += 1
            self._voiced += probability >= VOICE

    def _close(self) -> None:
        share = self._voiced / self._chunks if self._chunks else 0.0
        if self._chunks >= CHUNKS_MIN:
            if share >= HEARD_SHARE:
                self._unheard = 0
                self._last.append(True)
            elif share <= UNHEARD_SHARE:
                self._unheard += 1
                if self._unheard < UNHEARD_IN_A_ROW and not self._known:
                    self._last.append(False)
            self._known |= sum(self._last) >= KNOWN
        self._voiced = self._chunks = 0
