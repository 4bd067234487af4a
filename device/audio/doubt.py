"""Doubt: the echo may be elsewhere than the filter has it. Only what outdoes all of it counts then.

A stream that breaks off leaves a hole where the filter expects an echo; one that lost its place is
taken off at the wrong time, which makes it louder than it was. Both are seen within two chunks,
long before anybody knows where the echo is now. Pure.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

RATE_HZ = 16_000
CHUNK_SAMPLES = 512
LONG_CHUNKS, SHORT_CHUNKS = 2 * RATE_HZ // CHUNK_SAMPLES, RATE_HZ // 2 // CHUNK_SAMPLES
LEARNT_DB = 20.0  # a filter that still learns may take off anything
_LOUD = 1e-5  # mean square: -50 dB of full scale
_HOLE = 10.0
# A filter is wrong by some of what was just played: after a loud syllable, that much means nothing.
_WRONG_SHARE = 0.1
_WORSE_SHARE, _WORSE_CHUNKS = 0.25, 2
TAIL_CHUNKS = 12  # the room speaks on for 0.4 s
_OUTDOES = 2.0


class Taken(NamedTuple):
    """Of one chunk: mean squares of what was heard, of what was taken off it, of what is left.

    Of differences between samples: the library shifts what lies under 100 Hz, which is no echo.
    """

    heard: float
    echo: float
    left: float


class Doubt:
    """`note` or `sees` each chunk, then ask whether it `allows` it; `holes` counts the noted ones
    in which the echo lacked."""

    def __init__(self) -> None:
        self.holes = 0
        self._chunks = 0
        self._lately: deque[Taken] = deque(maxlen=TAIL_CHUNKS)

    def note(self, heard: Samples, linear: Samples, learnt_db: float, has_way: bool) -> None:
        """One chunk: as heard, and after the filter. `learnt_db` is how much it took off lately;
        `has_way`: what it has learnt can tell where the echo is."""
        self.sees(heard, linear)
        echo = power(heard - linear)
        lacks = echo > max(_LOUD, _HOLE * power(heard))
        loud = self._lately[-1].echo > _WRONG_SHARE * self._loudest()
        if lacks and loud and (has_way or learnt_db >= LEARNT_DB):
            self.holes += 1
            self.begin(LONG_CHUNKS)
        before, off, after = np.sum(list(self._lately)[-_WORSE_CHUNKS:], axis=0)
        if has_way and echo > _LOUD and after > before and off > _WORSE_SHARE * before:
            self.begin(SHORT_CHUNKS)

    def sees(self, heard: Samples, linear: Samples) -> None:
        """One chunk that is not judged: only how loud its echo was counts."""
        self._lately.append(Taken(*(power(np.diff(x)) for x in (heard, heard - linear, linear))))

    def begin(self, chunks: int) -> None:
        """For so many chunks at least."""
        self._chunks = max(self._chunks, chunks)

    def allows(self, clean: Samples) -> bool:
        """May what is left of this chunk count? Without doubt always."""
        if not self._chunks:
            return True
        self._chunks -= 1
        return power(np.diff(clean)) > _OUTDOES * self._loudest()

    def _loudest(self) -> float:
        return max(each.echo for each in self._lately)


def power(samples: Samples) -> float:
    """The mean square."""
    return float(np.mean(samples * samples))
