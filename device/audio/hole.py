"""The echo is gone while the avatar speaks: a television that is muted, a stream that broke off.

The filter would unlearn the room within a third of a second, and its own voice, when it comes back,
would be a stranger's that stops the avatar. So for as long as the echo lacks, the filter is given
the echo that it expects, made from what it has learnt; the microphone again as soon as what is
heard is like that. Pure.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from device.audio.doubt import CHUNK_SAMPLES, RATE_HZ, power

Samples = npt.NDArray[np.float32]

# After so long it is the room as it is, or the echo is where nobody finds it: learn anew.
LASTS_CHUNKS_MAX = 60 * RATE_HZ // CHUNK_SAMPLES
_LOUD = 1e-5  # mean square: -50 dB of full scale; softer echoes tell nothing
# The cosine of what is heard and what is expected. Softer echoes beside noise have 0.6 and more;
# without low tones, over 64 ms, 99.9 % of a visitor's voice has less than 0.35, an echo 0.7.
_SOFTER, _BACK = 0.3, 0.35
_TINY = 1e-12


class Hole:
    """`hears` each played chunk; `learns` the way at times; in a hole, `expected` is the echo."""

    def __init__(self, tail_samples: int) -> None:
        """`tail_samples` is how long a way is, whole chunks."""
        chunks = tail_samples // CHUNK_SAMPLES + 1
        self._far: deque[Samples] = deque(maxlen=chunks)
        self._size = 1 << (chunks * CHUNK_SAMPLES + tail_samples - 1).bit_length()
        self._way: npt.NDArray[np.complex64] | None = None
        self._scale = 0.0
        self._chunks = 0
        self._before = (np.zeros(0, np.float32), np.zeros(0, np.float32))

    @property
    def lasts(self) -> bool:
        """Is the echo lacking?"""
        return self._chunks > 0

    def hears(self, far: Samples) -> None:
        """The next chunk as it was played."""
        self._far.append(far)

    def learns(self, way: Samples, taken: Samples) -> None:
        """The way (of no certain scale), while of the last chunk `taken` was taken off as echo."""
        self._way = np.fft.rfft(way, self._size).astype(np.complex64)
        if power(taken) > _LOUD:
            before, self._scale = self._scale, 1.0
            made = self.expected()
            scale = float(np.dot(made, taken) / (np.dot(made, made) + _TINY))
            self._scale = scale if scale > 0 else before

    def forgets(self) -> None:
        """The way is another."""
        self._way = None
        self.ends()

    def ends(self) -> None:
        """The echo is elsewhere now: what was expected here tells nothing."""
        self._chunks = 0

    def begins(self, heard: Samples) -> None:
        """What was expected lacks in `heard`. No hole where it is only softer, as when somebody
        turns down the loudspeaker, or where nothing was learnt."""
        if self._way is not None and self._scale > 0 and len(self._far) == self._far.maxlen:
            expected = self.expected()
            self._before = heard, expected
            self._chunks = int(alike(heard, expected) < _SOFTER)

    def goes_on(self, heard: Samples, expected: Samples) -> bool:
        """Does it still lack in this chunk?"""
        both = [np.concatenate(pair) for pair in zip(self._before, (heard, expected), strict=True)]
        is_back = power(expected) > _LOUD and alike(np.diff(both[0]), np.diff(both[1])) >= _BACK
        self._before = heard, expected
        self._chunks = 0 if is_back or self._chunks >= LASTS_CHUNKS_MAX else self._chunks + 1
        return self.lasts

    def expected(self) -> Samples:
        """The echo in the last chunk, by what was learnt."""
        assert self._way is not None
        far = np.concatenate(self._far)
        whole = np.fft.irfft(np.fft.rfft(far, self._size) * self._way, self._size)
        last = whole[len(far) - CHUNK_SAMPLES : len(far)]
        return np.asarray(self._scale * last, np.float32)


def alike(one: Samples, other: Samples) -> float:
    """The cosine of two sounds: 1 the same, 0 nothing in common."""
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.dot(one, other)) / (norm + _TINY)
