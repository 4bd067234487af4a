"""Turn-taking: when somebody begins to speak, pauses, goes on, and is done. Pure.

Speech probabilities of 32 ms chunks in, events out. At the first quiet chunk the utterance so
far is handed out, so that its recognition runs while its end is awaited. How long that is
depends on the words: `judge` tells what they were.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from device.asr.endings import Ending
from device.asr.evidence import Evidence, level_db
from device.asr.vad import CHUNK_MS

Samples = NDArray[np.float32]

_LATELY_CHUNKS = 512 // CHUNK_MS
_SOFT_MS = 96  # within so much quiet a faint last syllable still belongs to the speech


@dataclass(frozen=True)
class TurnSettings:
    """Thresholds of the voice probability, and times.

    A turn begins after `onset_ms`. `pause_ms` of quiet hands the utterance out; each pause that
    was none adds `pause_step_ms`, up to `pause_max_ms`: whoever hesitates is not decoded all the
    time. The detector notices an end 80 ms late; the first pause is taken sooner where it begins
    to doubt (`lull`) and the sound has fallen by `lull_db`, which noise does not let it. An
    utterance with less than `voiced_min_ms` of voice is a cough; one of `length_max_ms` is ended
    and a new one begins. It ends after `end_ms` of quiet; where the words are judged
    (`is_judged`) after `end_known_ms`, `end_likely_ms`, `end_ms` or `end_unfinished_ms`, and what
    never became a certain voice after `end_maybe_ms`.
    """

    onset: float = 0.5
    offset: float = 0.35
    onset_ms: int = 64
    pause_ms: int = 32
    pause_step_ms: int = 32
    pause_max_ms: int = 192
    lull: float = 0.97
    lull_db: float = 20.0
    end_ms: int = 450
    end_known_ms: int = 192
    end_likely_ms: int = 320
    end_unfinished_ms: int = 832
    end_maybe_ms: int = 192
    voiced_min_ms: int = 192
    before_ms: int = 320
    length_max_ms: int = 25_000
    is_judged: bool = False


@dataclass(frozen=True)
class Perhaps:
    """The first chunk of what may become a turn; what it was is known with the next one."""

    at_ns: int


@dataclass(frozen=True)
class Nothing:
    """It became none."""

    at_ns: int


@dataclass(frozen=True)
class Began:
    """Somebody speaks, if it is `certain`; `at_ns` is when the voice began."""

    at_ns: int
    certain: bool = True


@dataclass(frozen=True)
class Sure:
    """What began without certainty is a voice."""

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
    """The turn is over. `number` names the Paused that holds all of it; None: it was nothing.

    `cut` is True when it was ended for its length: somebody still speaks.
    """

    number: int | None
    begin_ns: int
    speech_end_ns: int
    cut: bool = False


Event = Perhaps | Nothing | Began | Sure | Paused | WentOn | Ended


@dataclass
class _Turn:
    begin_ns: int
    chunks: list[Samples]
    voiced_ms: int
    speech_end_ns: int
    certain: bool
    quiet_ms: int = 0
    handed: int | None = None
    pauses: int = 0
    ending: Ending | None = None
    levels_db: deque[float] = field(default_factory=partial(deque, maxlen=_LATELY_CHUNKS))


@dataclass
class Turns:
    """Feed every chunk once, in order, with the time of its end."""

    settings: TurnSettings = field(default_factory=TurnSettings)

    def __post_init__(self) -> None:
        s = self.settings
        self._before: deque[Samples] = deque(maxlen=(s.before_ms + s.onset_ms) // CHUNK_MS)
        self._evidence = Evidence()
        self._onset_chunks = 0
        self._turn: _Turn | None = None
        self._numbers = 0

    @property
    def speaking(self) -> bool:
        """True within a turn."""
        return self._turn is not None

    @property
    def certain(self) -> bool:
        """True within a turn that is a voice."""
        return self._turn is not None and self._turn.certain

    @property
    def quiet(self) -> bool:
        """True outside a turn and within its pauses."""
        return self._turn is None or self._turn.quiet_ms > 0

    def feed(self, chunk: Samples, probability: float, end_ns: int) -> list[Event]:
        """What happened with this chunk, in order."""
        if self._turn is None or not self._turn.certain:
            self._evidence.feed(chunk, probability >= self.settings.onset)
        if self._turn is None:
            return self._waiting(chunk, probability, end_ns)
        return self._within(self._turn, chunk, probability, end_ns)

    def judge(self, number: int, ending: Ending) -> list[Event]:
        """What the words of the handed-out utterance `number` say about its end."""
        turn = self._turn
        if turn is None or turn.handed != number:
            return []
        turn.ending = ending
        return self._end(turn) if turn.quiet_ms >= self._end_after_ms(turn) else []

    def finish(self) -> list[Event]:
        """The turn is over now: the visitor let go of the talk key."""
        turn = self._turn
        if turn is None:
            return []
        events: list[Event] = []
        if turn.handed is None and self._is_whole(turn):
            events.append(self._hand_out(turn))
        return [*events, *self._end(turn)]

    def so_far(self) -> Samples:
        """Everything of the turn that is going on; empty outside one."""
        return np.concatenate(self._turn.chunks) if self._turn else np.zeros(0, np.float32)

    def so_far_ms(self) -> int:
        """The length of `so_far`."""
        return len(self._turn.chunks) * CHUNK_MS if self._turn else 0

    def drop(self) -> None:
        """Forget the turn that is going on, without an event."""
        self._turn = None
        self._onset_chunks = 0
        self._before.clear()

    def _waiting(self, chunk: Samples, probability: float, end_ns: int) -> list[Event]:
        self._before.append(chunk)
        before = self._onset_chunks
        self._onset_chunks = before + 1 if probability >= self.settings.onset else 0
        voiced_ms = self._onset_chunks * CHUNK_MS
        if voiced_ms < self.settings.onset_ms:
            if self._onset_chunks > before == 0:
                return [Perhaps(end_ns)]
            return [Nothing(end_ns)] if before else []
        begin_ns = end_ns - voiced_ms * 1_000_000
        certain = self._evidence.certain(voiced_ms)
        self._turn = _Turn(begin_ns, list(self._before), voiced_ms, end_ns, certain)
        self._before.clear()
        self._onset_chunks = 0
        return [Began(begin_ns, certain)]

    def _within(self, turn: _Turn, chunk: Samples, probability: float, end_ns: int) -> list[Event]:
        s = self.settings
        turn.chunks.append(chunk)
        turn.levels_db.append(level_db(chunk))
        lulled = self._lulled(turn, probability)
        events: list[Event] = []
        if probability >= (s.offset if turn.quiet_ms < _SOFT_MS else s.onset):
            turn.voiced_ms += CHUNK_MS
            turn.speech_end_ns = end_ns
            turn.quiet_ms = 0
            if turn.handed is not None and not lulled:
                events.append(WentOn(turn.handed))
                turn.handed = turn.ending = None
                turn.pauses += 1
            if not turn.certain and self._evidence.certain(turn.voiced_ms):
                turn.certain = True
                events.append(Sure(end_ns))
        else:
            turn.quiet_ms += CHUNK_MS
        too_long = len(turn.chunks) * CHUNK_MS >= s.length_max_ms
        pause_ms = min(s.pause_max_ms, s.pause_ms + turn.pauses * s.pause_step_ms)
        paused = too_long or turn.quiet_ms >= pause_ms or (lulled and turn.pauses == 0)
        if self._is_whole(turn) and turn.handed is None and paused:
            events.append(self._hand_out(turn))
        if too_long or turn.quiet_ms >= self._end_after_ms(turn):
            events += self._end(turn, cut=too_long and turn.quiet_ms == 0)
        return events

    def _end_after_ms(self, turn: _Turn) -> int:
        s = self.settings
        if not turn.certain:
            return s.end_maybe_ms
        if not s.is_judged or turn.handed is None:
            return s.end_ms
        if turn.ending in ("known", "nothing"):
            return s.end_known_ms
        if turn.ending == "likely":
            return s.end_likely_ms
        # While the words are not there, nobody knows whether they are unfinished.
        return s.end_ms if turn.ending == "open" else s.end_unfinished_ms

    def _lulled(self, turn: _Turn, probability: float) -> bool:
        """Has the voice fallen silent, though the detector still hears some?"""
        fallen_db = max(turn.levels_db) - turn.levels_db[-1]
        return probability < self.settings.lull and fallen_db >= self.settings.lull_db

    def _is_whole(self, turn: _Turn) -> bool:
        return turn.certain and turn.voiced_ms >= self.settings.voiced_min_ms

    def _hand_out(self, turn: _Turn) -> Paused:
        self._numbers += 1
        turn.handed = self._numbers
        return Paused(turn.handed, np.concatenate(turn.chunks), turn.speech_end_ns)

    def _end(self, turn: _Turn, cut: bool = False) -> list[Event]:
        self._turn = None
        return [Ended(turn.handed, turn.begin_ns, turn.speech_end_ns, cut)]
