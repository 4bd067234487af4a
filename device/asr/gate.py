"""Keeps the ear from answering the avatar's own voice. Pure, but for the canceller it is given.

Where the canceller takes the avatar out of the microphone, the ear hears while the avatar speaks;
a chunk then counts as voice only when more is left of it than the echo explains. While the
canceller learns, or without it (no library, no player's sound), the ear is deaf while the avatar
speaks (half duplex), unless the microphone is seen not to hear the loudspeaker: how much of the
time that the avatar spoke did the voice detector find a voice. What still comes through and reads
like the avatar's own sentence is left unanswered.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

from device.asr.vad import CHUNK_MS
from device.audio.capture import Chunk
from device.audio.echo import CANCELLING, NO_REFERENCE, NOT_NEEDED, Cleaned, EchoCanceller

MODES = ("auto", "on", "off", "half")
_TAIL_NS = 350_000_000
_STALE_NS = 5_000_000_000
_WATCHED_CHUNKS_MAX = 15_000 // CHUNK_MS
_WATCHED_CHUNKS_MIN = 1_500 // CHUNK_MS
_ECHO_SHARE = 0.4
_VOICE = 0.5
_EXPLAINED = 0.1
_SAYINGS_KEPT = 6
_SAYINGS_FOR_NS = 20_000_000_000
_ALIKE_SHARE = 0.6


@dataclass(frozen=True)
class Saying:
    """What the avatar said and when it was last known to say it."""

    text: str
    last_ns: int


class EchoGate:
    """`mode`: auto (cancel, or observe), on (cancel, believe no silence), half (always half
    duplex) or off (the source hears no loudspeaker). Without `canceller` on and auto observe."""

    def __init__(self, mode: str = "auto", canceller: EchoCanceller | None = None) -> None:
        self._mode = mode
        self._canceller = canceller if mode in ("auto", "on") else None
        self._last: Cleaned | None = None
        self._speaking = False
        self._spoke_ns = 0
        self._told_ns = 0
        self._voiced: deque[bool] = deque(maxlen=_WATCHED_CHUNKS_MAX)
        self._sayings: deque[Saying] = deque(maxlen=_SAYINGS_KEPT)

    @property
    def state(self) -> str:
        """The canceller's word, or `half duplex` or `off`."""
        if self._canceller is not None:
            return self._canceller.state
        return "off" if self._mode == "off" else "half duplex"

    @property
    def erle_db(self) -> float | None:
        """How much of the echo goes; None where nothing cancels, or before it is known."""
        return self._canceller.erle_db if self._canceller is not None else None

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

    def clean(self, chunk: Chunk, source_name: str = "") -> Chunk:
        """The chunk without the avatar's voice, as far as that can be; as it is without canceller.

        `source_name` is the microphone's: one that cancels echoes itself is left alone.
        """
        if self._canceller is None:
            return chunk
        self._canceller.source_name = source_name
        self._last = self._canceller.clean(chunk.samples, chunk.end_ns)
        return Chunk(self._last.samples, self._last.end_ns)

    def listened(self, probability: float, end_ns: int) -> float:
        """One chunk's voice probability in, what of it is to count out: little, where the avatar's
        own echo explains all that is left. Also evidence of echo while the avatar speaks."""
        last = self._last
        if last is not None and last.audible and not last.stands_out:
            probability = min(probability, _EXPLAINED)
        if self._canceller is not None:
            self._canceller.heard_visitor(probability >= _VOICE)
        if self._audible(end_ns):
            self._voiced.append(probability >= _VOICE)
        return probability

    @property
    def echoed(self) -> bool:
        """Was the avatar heard in the last chunk, before it was taken out?"""
        return self._last is not None and self._last.echoed

    @property
    def echoes(self) -> bool:
        """True when the microphone is known, or must be feared, to hear the avatar."""
        if self._mode in ("off", "half"):
            return self._mode == "half"
        if len(self._voiced) < _WATCHED_CHUNKS_MIN:
            return not self._cancels
        return sum(self._voiced) > _ECHO_SHARE * len(self._voiced)

    def closed(self, now_ns: int) -> bool:
        """True while nothing that is heard may count."""
        if not self._audible(now_ns):
            return False
        learning = self.state not in (NO_REFERENCE, "off", "half duplex") and not self._cancels
        return learning or self.echoes

    def sounds_like_avatar(self, text: str, now_ns: int) -> bool:
        """True when `text` is mostly made of what the avatar said in the last 20 s."""
        said = "".join(s.text for s in self._sayings if now_ns - s.last_ns < _SAYINGS_FOR_NS)
        pairs, known = _pairs(text), _pairs(said)
        return (
            self._mode != "off"
            and len(pairs) >= 4
            and (len(pairs & known) >= _ALIKE_SHARE * len(pairs))
        )

    def close(self) -> None:
        """Release the canceller."""
        if self._canceller is not None:
            self._canceller.close()

    @property
    def _cancels(self) -> bool:
        """Is the avatar's voice gone from what is heard, or never in it?"""
        return self.state == CANCELLING or (self.state == NOT_NEEDED and self._mode == "auto")

    def _audible(self, now_ns: int) -> bool:
        if self._last is not None and self._last.audible:
            return True
        if self._speaking and now_ns - self._told_ns < _STALE_NS:
            return True
        return now_ns - self._spoke_ns < _TAIL_NS


def _pairs(text: str) -> set[str]:
    """Neighbouring characters, signs and spaces left out: works for both scripts."""
    plain = [c for c in text.lower() if c.isalnum()]
    return {a + b for a, b in pairwise(plain)}
