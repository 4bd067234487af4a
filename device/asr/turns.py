"""Turn-taking: when somebody begins to speak, pauses, goes on, and is done. Pure.

Speech probabilities of 32 ms chunks in, events out. At the first short pause the utterance so
far is handed out, so that its recognition can start before it is certain that it is over.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from device.asr.vad import CHUNK_MS

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class TurnSettings:
    """Thresholds of the voice probability, and times.

    `pause_ms` of quiet hands the utterance out, `end_ms` ends it. An utterance with less than
    `voiced_min_ms` of voice is a cough; one of `length_max_ms` is ended and a new one begins.
    """

    onset: float = 0.5
    offset: float = 0.35
    onset_ms: int = 160
    pause_ms: int = 192
    end_ms: int = 450
    voiced_min_ms: int = 192
    before_ms: int = 320
    length_max_ms: int = 25_000


@dataclass(frozen=True)
class Began:
    """Somebody speaks; `at_ns` is when the voice began."""

    at_ns: int


@dataclass(frozen=True)
class Paused:
    """A pause after a whole utterance `number`: recognise it now, it is probably all."""

    number: int
    samples: Samples
    speech_end_ns: int


@dataclass(frozen=True)
class WentOn:
    """The pause was none: what was handed out as `number` is not all."""

    number: int


@dataclass(frozen=True)
class Ended:
    """The turn is over. `number` names the Paused that holds all of it; None: it was nothing."""

    number: int | None
    begin_ns: int
    speech_end_ns: int


Event = Began | Paused | WentOn | Ended


@dataclass
class _Turn:
    begin_ns: int
    chunks: list[Samples]
    voiced_ms: int
    speech_end_ns: int
    quiet_ms: int = 0
    handed: int | None = None


@dataclass
class Turns:
    """Feed every chunk once, in order, with the time of its end."""

    settings: TurnSettings = field(default_factory=TurnSettings)

    def __post_init__(self) -> None:
        s = self.settings
        self._before: deque[Samples] = deque(maxlen=(s.before_ms + s.onset_ms) // CHUNK_MS)
        self._onset_chunks = 0
        self._turn: _Turn | None = None
        self._numbers = 0

    @property
    def speaking(self) -> bool:
        """True within a turn."""
        return self._turn is not None

    def feed(self, chunk: Samples, probability: float, end_ns: int) -> list[Event]:
        """What happened with this chunk, in order."""
        if self._turn is None:
            return self._waiting(chunk, probability, end_ns)
        return self._within(self._turn, chunk, probability, end_ns)

    def drop(self) -> None:
        """Forget the turn that is going on, without an event."""
        self._turn = None
        self._onset_chunks = 0
        self._before.clear()

    def _waiting(self, chunk: Samples, probability: float, end_ns: int) -> list[Event]:
        self._before.append(chunk)
        self._onset_chunks = self._onset_chunks + 1 if probability >= self.settings.onset else 0
        voiced_ms = self._onset_chunks * CHUNK_MS
        if voiced_ms < self.settings.onset_ms:
            return []
        begin_ns = end_ns - voiced_ms * 1_000_000
        self._turn = _Turn(begin_ns, list(self._before), voiced_ms, end_ns)
        self._before.clear()
        self._onset_chunks = 0
        return [Began(begin_ns)]

    def _within(self, turn: _Turn, chunk: Samples, probability: float, end_ns: int) -> list[Event]:
        s = self.settings
        turn.chunks.append(chunk)
        events: list[Event] = []
        if probability >= (s.offset if turn.quiet_ms == 0 else s.onset):
            turn.voiced_ms += CHUNK_MS
            turn.speech_end_ns = end_ns
            turn.quiet_ms = 0
            if turn.handed is not None:
                events.append(WentOn(turn.handed))
                turn.handed = None
        else:
            turn.quiet_ms += CHUNK_MS
        too_long = len(turn.chunks) * CHUNK_MS >= s.length_max_ms
        whole = turn.voiced_ms >= s.voiced_min_ms
        if whole and turn.handed is None and (too_long or turn.quiet_ms >= s.pause_ms):
            self._numbers += 1
            turn.handed = self._numbers
            events.append(Paused(turn.handed, np.concatenate(turn.chunks), turn.speech_end_ns))
        if too_long or turn.quiet_ms >= s.end_ms:
            events.append(Ended(turn.handed, turn.begin_ns, turn.speech_end_ns))
            self._turn = None
        return events
