"""The echo canceller: takes the avatar's own voice out of what the microphone hears.

Chunks of 512 samples at 16 kHz in, cleaned ones out. What was played comes from the player
(`reference`), is laid beside what is heard (`follow`), and taken off by an adaptive filter
(`speexdsp`). Without a player, without the library, or where the sound server cancels echoes
itself, chunks pass as they are.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.audio.doubt import (
    CHUNK_SAMPLES,
    LONG_CHUNKS,
    RATE_HZ,
    SHORT_CHUNKS,
    TAIL_CHUNKS,
    Doubt,
    power,
)  # fmt: skip
from device.audio.erle import Erle, Powers
from device.audio.follow import Follower
from device.audio.hole import Hole
from device.audio.lag import (
    EARLY_SAMPLES_MAX,
    LATE_SAMPLES_MAX,
    PIECE_SAMPLES,
    REFERENCE_SAMPLES,
    Lag,
    LagFinder,
)  # fmt: skip
from device.audio.played import Played
from device.audio.speexdsp import DELAY_SAMPLES, TAIL_SAMPLES, SpeexDsp
from ota.errors import Refused

Samples = npt.NDArray[np.float32]

ERLE_DB_MIN = 12.0
_DELAY_NS = DELAY_SAMPLES * 1_000_000_000 // RATE_HZ
_AUDIBLE = 1e-6  # mean square: -60 dB of full scale
# One look along the learnt way is this much clearer than chance, in rooms and beside visitors.
_SLIP_SHARPNESS, _SLIP_LEAD, _SLIP_SAMPLES_MIN = 15.0, 2.0, 4.0
_SLIP_EVERY_CHUNKS = 2
_PIECE_CHUNKS = PIECE_SAMPLES // CHUNK_SAMPLES
_NO_ECHO_CHUNKS = 3 * RATE_HZ // CHUNK_SAMPLES
_NO_ECHO_SHARE = 0.1
_ECHOED = 0.3
# The names PipeWire and PulseAudio give to what their own canceller delivers.
_CANCELLED = re.compile(r"echo[-_ ]?cancel|\baec\b|noise[-_ ]?torch", re.IGNORECASE)

NO_REFERENCE, ADAPTING, CANCELLING, NOT_NEEDED = (
    "no reference", "adapting", "cancelling", "not needed")


@dataclass(frozen=True)
class Cleaned:
    """One chunk out: `audible` while the avatar or its tail is in the room; `stands_out` when more
    is left than its echo explains; `echoed` when the avatar was heard in it. `end_ns` is when the
    last sample was in the air."""

    samples: Samples
    end_ns: int
    audible: bool = False
    stands_out: bool = True
    echoed: bool = False


class EchoCanceller:
    """`clean` each chunk; `state`, `erle_db`, `delay_ms`, `drift_ppm` say how it goes."""

    def __init__(self, folder: Path, source_name: str = "") -> None:
        """`folder` is where the player leaves its reference (`places.run`)."""
        self._played = Played(folder)
        self._follower = Follower()
        self._finder = LagFinder()
        self._erle = Erle()
        self.source_name = source_name
        self.fault: str | None = None
        try:
            self._dsp: SpeexDsp | None = SpeexDsp()
        except Refused as error:
            self._dsp, self.fault = None, str(error)
        self._recent: deque[Samples] = deque(maxlen=_PIECE_CHUNKS)
        self._unlooked_chunks = self._odd_chunks = 0
        self._way: Samples | None = None
        self._far: deque[float] = deque(maxlen=TAIL_CHUNKS)
        self._echoes: deque[float] = deque(maxlen=TAIL_CHUNKS)
        self._shares: deque[tuple[float, float]] = deque(maxlen=_NO_ECHO_CHUNKS)
        self._lag: Lag | None = None
        self._base: int | None = None
        self._moves = (0, 0)
        self._referenced = self._audible = self._visitor = False
        self._doubt, self._hole = Doubt(), Hole(TAIL_SAMPLES)
        self._kept = np.zeros(DELAY_SAMPLES, np.float32)

    @property
    def erle_db(self) -> float | None:
        """As `device.audio.erle` measures it."""
        return self._erle.db

    @property
    def delay_ms(self) -> float | None:
        """The echo's delay against what the two devices' clocks say; None before it was heard."""
        delay = self._follower.delay
        return None if delay is None else delay * 1e3 / RATE_HZ

    @property
    def drift_ppm(self) -> float | None:
        """The player's clock against the microphone's."""
        return self._follower.drift_ppm

    @property
    def holes(self) -> int:
        """How often the echo was missing: the sound had broken off, or was muted."""
        return self._doubt.holes

    @property
    def slips(self) -> int:
        """How often a stream lost its place, and was followed."""
        return self._follower.stepped

    @property
    def audible(self) -> bool:
        """Was the avatar audible, or its tail, in the last chunk?"""
        return self._audible

    @property
    def state(self) -> str:
        """`no reference`, `adapting`, `cancelling` (enough to listen meanwhile), `not needed`."""
        if self._dsp is None or not self._referenced:
            return NO_REFERENCE
        if self._no_echo:
            return NOT_NEEDED
        erle_db = self._erle.db
        enough = (erle_db is not None and erle_db >= ERLE_DB_MIN) or self._erle.hidden
        # Elsewhere than it was, what is learnt holds: doubt is enough until it is found.
        placed = self._follower.aligned or self._way is not None
        return CANCELLING if enough and placed else ADAPTING

    def clean(self, samples: Samples, end_ns: int) -> Cleaned:
        """The next chunk; chunks come in order, lost ones are noticed by their times."""
        playing = self._played.follow(end_ns)
        if self._dsp is None or _CANCELLED.search(self.source_name):
            self._referenced = False
            return Cleaned(samples, end_ns)
        if playing is None:
            return self._unreferenced(samples, end_ns)
        if not self._referenced:
            self._follower.lost()
            self._finder.forget()
        self._referenced = True
        begin, step = self._follower.advance(
            len(samples), playing.frame_at(end_ns) * RATE_HZ / playing.rate_hz)
        far = self._played.at(begin + step * np.arange(len(samples), dtype=np.float64))
        self._note_moves()
        return self._cancel(samples, far, end_ns)

    def heard_visitor(self, visitor: bool) -> None:
        """Was the last chunk taken for a visitor's voice? It then measures no echo."""
        self._visitor = visitor

    def close(self) -> None:
        """Release library and file."""
        self._played.close()
        if self._dsp is not None:
            self._dsp.close()

    @property
    def _no_echo(self) -> bool:
        """Three seconds of the avatar, and neither filter nor correlation found it."""
        if len(self._shares) < _NO_ECHO_CHUNKS or (self._lag is not None and self._lag.sure):
            return False
        heard = sum(each[0] for each in self._shares)
        return sum(each[1] for each in self._shares) <= _NO_ECHO_SHARE * heard

    def _note_moves(self) -> None:
        assert self._dsp is not None
        moves = (self._follower.moved, self._follower.stepped)
        if moves[0] != self._moves[0]:
            self._erle.forget()
            self._dsp.forget()
            self._way = None
            self._hole.forgets()
        if moves != self._moves:
            self._finder.forget()
            self._hole.ends()
        self._moves = moves

    def _unreferenced(self, samples: Samples, end_ns: int) -> Cleaned:
        assert self._dsp is not None
        self._referenced = self._audible = False
        self._far.clear()
        self._recent.clear()
        _, clean = self._dsp.process(samples, np.zeros(len(samples), np.float32))
        return Cleaned(clean, end_ns - _DELAY_NS)

    def _cancel(self, samples: Samples, far: Samples, end_ns: int) -> Cleaned:
        linear, clean = self._filtered(samples, far)
        self._far.append(power(far))
        self._echoes.append(power(samples - linear))
        self._audible = max(self._far) > _AUDIBLE
        self._look_for_hole(samples, linear)
        powers = Powers(power(samples), max(self._echoes), power(clean))
        if not self._hole.lasts:  # there nothing is taken off, and nothing tells of noise
            measured = self._erle.note if self._audible else self._erle.idle
            measured(powers, self._visitor)
        if self._far[-1] > _AUDIBLE:
            self._shares.append((powers.heard, self._echoes[-1]))
        self._look_for_lag(samples, samples - linear)
        is_odd = powers.clean > self._erle.expected(powers)
        self._look_for_slip(self._audible and is_odd)
        if not self._follower.aligned:
            self._doubt.begin(1)
        allowed = self._doubt.allows(clean)
        stands_out = not self._audible or (is_odd and allowed)
        echoed = self._far[-1] > _AUDIBLE and self._echoes[-1] > _ECHOED * powers.heard
        return Cleaned(clean, end_ns - _DELAY_NS, self._audible, stands_out, echoed)

    def _look_for_hole(self, samples: Samples, linear: Samples) -> None:
        if self._hole.lasts:
            self._doubt.sees(samples, linear)
            return
        lacking = self._doubt.holes
        self._doubt.note(samples, linear, self._erle.last_db or 0.0, self._way is not None)
        if self._doubt.holes > lacking:
            self._hole.begins(samples)

    def _filtered(self, samples: Samples, far: Samples) -> tuple[Samples, Samples]:
        """Less the echo, and also less what is left of it and noise, DELAY_SAMPLES later. In a
        hole nothing is taken off; less the echo is then less what is expected of it."""
        assert self._dsp is not None
        self._hole.hears(far)
        delayed = np.concatenate([self._kept, samples])
        self._kept = delayed[len(samples) :]
        if self._hole.lasts:
            expected = self._hole.expected()
            if self._hole.goes_on(samples, expected):
                self._dsp.process(expected, far)
                return samples - expected, delayed[: len(samples)]
            self._doubt.begin(SHORT_CHUNKS)
        return self._dsp.process(samples, far)

    def _look_for_lag(self, samples: Samples, taken: Samples) -> None:
        """Each half second of the avatar speaking: where is its echo? `taken` was taken off."""
        self._recent.append(samples)
        self._unlooked_chunks += 1
        if len(self._recent) < _PIECE_CHUNKS or self._unlooked_chunks < _PIECE_CHUNKS:
            return
        self._unlooked_chunks = 0
        follower = self._follower
        assert follower.shift is not None
        if self._base is None or not self._finder.pieces:
            self._base = round(follower.shift)
        far = self._reference(self._base)
        of_now = far[LATE_SAMPLES_MAX:-EARLY_SAMPLES_MAX]
        if power(of_now) < _AUDIBLE or not self._finder.add(self._heard_lately(), far):
            return
        at = follower.heard - PIECE_SAMPLES // 2
        near = self._base - follower.expected(at) if follower.locked else None
        self._lag = self._finder.best(near)
        if self._lag is None:
            return
        last_db = self._erle.last_db
        well = last_db is not None and last_db >= ERLE_DB_MIN
        follower.measured(at, self._base, self._lag, well)
        if (well and follower.locked and follower.aligned
                and not self._visitor and not self._hole.lasts):
            assert self._dsp is not None
            self._way = self._dsp.response()
            self._hole.learns(self._way, taken)

    def _look_for_slip(self, odd: bool) -> None:
        """While more is left than the echo explains: has all of it lost its place? Sound servers
        move a stream by some ms when another begins, and no clock tells."""
        self._odd_chunks = self._odd_chunks + 1 if odd else 0
        if (self._way is None or len(self._recent) < _PIECE_CHUNKS
                or self._odd_chunks % _SLIP_EVERY_CHUNKS != 1):
            return
        follower, look = self._follower, LagFinder(lately=True)
        assert follower.shift is not None
        base = round(follower.shift)
        if not look.add(self._heard_lately(), self._reference(base), self._way):
            return
        lag = look.best()
        if lag is None or lag.sharpness < _SLIP_SHARPNESS or lag.lead < _SLIP_LEAD:
            return
        late = lag.samples + follower.shift - base
        if abs(late) >= _SLIP_SAMPLES_MIN:
            follower.slipped(follower.heard - PIECE_SAMPLES // 4, late)
            self._doubt.begin(LONG_CHUNKS)

    def _heard_lately(self) -> Samples:
        return np.concatenate(self._recent)

    def _reference(self, base: int) -> Samples:
        """What was played beside it, at distance `base`, with room for all lags."""
        first = self._follower.heard - PIECE_SAMPLES + base - LATE_SAMPLES_MAX
        return self._played.piece(first, REFERENCE_SAMPLES)
