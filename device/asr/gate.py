"""Keeps the ear from answering the avatar's own voice. Pure.

THIN: no echo is cancelled yet. Where the microphone hears the loudspeaker, the ear is deaf
while the avatar speaks (half duplex); where it does not (a headset, a virtual sound card) it
listens all the time. Which of the two it is, is observed: how much of the time that the avatar
spoke did the voice detector find a voice. Echo cancelling will replace this file.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from device.asr.vad import CHUNK_MS

_TAIL_NS = 350_000_000
_STALE_NS = 5_000_000_000
_WATCHED_CHUNKS_MAX = 15_000 // CHUNK_MS
_WATCHED_CHUNKS_MIN = 1_500 // CHUNK_MS
_ECHO_SHARE = 0.4
_VOICE = 0.5
_SAYINGS_KEPT = 6
_SAYINGS_FOR_NS = 20_000_000_000
_ALIKE_SHARE = 0.6


@dataclass(frozen=True)
class Saying:
    """What the avatar said and when it was last known to say it."""

    text: str
    last_ns: int


class EchoGate:
    """`mode`: auto (observe), on (always half duplex) or off (the source hears no loudspeaker)."""

    def __init__(self, mode: str = "auto") -> None:
        self._mode = mode
        self._speaking = False
        self._spoke_ns = 0
        self._told_ns = 0
        self._voiced: deque[bool] = deque(maxlen=_WATCHED_CHUNKS_MAX)
        self._sayings: deque[Saying] = deque(maxlen=_SAYINGS_KEPT)

    def avatar(self, speaking: bool, saying: str | None, at_ns: int) -> None:
        """The player's state: is it audible, and what does it say."""
        if self._speaking or speaking:
            self._spoke_ns = at_ns
        self._speaking = speaking
        self._told_ns = at_ns
        if speaking and saying:
            if self._sayings and self._sayings[-1].text == saying:
                self._sayings.pop()
            self._sayings.append(Saying(saying, at_ns))

    def listened(self, probability: float, end_ns: int) -> None:
        """One chunk's voice probability, as evidence of echo while the avatar speaks."""
        if self._audible(end_ns):
            self._voiced.append(probability >= _VOICE)

    @property
    def echoes(self) -> bool:
        """True when the microphone is known, or must be feared, to hear the avatar."""
        if self._mode != "auto":
            return self._mode == "on"
        if len(self._voiced) < _WATCHED_CHUNKS_MIN:
            return True
        return sum(self._voiced) > _ECHO_SHARE * len(self._voiced)

    def closed(self, now_ns: int) -> bool:
        """True while nothing that is heard may count."""
        return self._audible(now_ns) and self.echoes

    def sounds_like_avatar(self, text: str, now_ns: int) -> bool:
        """True when `text` is mostly made of what the avatar said in the last 20 s."""
        said = "".join(s.text for s in self._sayings if now_ns - s.last_ns < _SAYINGS_FOR_NS)
        pairs, known = _pairs(text), _pairs(said)
        return (
            self._mode != "off"
            and len(pairs) >= 4
            and (len(pairs & known) >= _ALIKE_SHARE * len(pairs))
        )

    def _audible(self, now_ns: int) -> bool:
        if self._speaking and now_ns - self._told_ns < _STALE_NS:
            return True
        return now_ns - self._spoke_ns < _TAIL_NS


def _pairs(text: str) -> set[str]:
    """Neighbouring characters, signs and spaces left out: works for both scripts."""
    plain = [c for c in text.lower() if c.isalnum()]
    return {a + b for a, b in pairwise(plain)}
