"""How well is the echo removed, and what of it is left? Pure.

ERLE (echo return loss enhancement, ITU-T G.168): power at the microphone over power after the
canceller, in dB, while the avatar is audible and nobody else speaks. It is taken over windows of
half a second; those in which the ear heard a visitor are left out, and the median of the last
twenty is the figure, so that a cough or a door in one of them does not count.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

WINDOW_CHUNKS = 16
_WINDOWS = 20
WINDOWS_MIN = 3
_LEAKS = 40 * WINDOW_CHUNKS
_LEAKS_MIN = 4 * WINDOW_CHUNKS
_USUAL_DB = 8.0  # a window so much worse than the usual one has somebody in it
_LEAK_SHARE = 0.98
_LEAK_MARGIN_DB, _LEAK_DB_MIN, _LEAK_DB_MAX = 3.0, -28.0, -8.0
_NOISES = 200
_NOISE_SHARE = 0.3
_TINY = 1e-10


@dataclass(frozen=True)
class Powers:
    """Mean squares of one chunk: at the microphone, of the echo that the filter took off (the
    loudest of the last few chunks, for the room's tail), and of what is left in the end."""

    heard: float
    echo: float
    clean: float


class Erle:
    """`note` each chunk while the avatar is audible, `idle` each other one.

    `db` is the median over windows, None before there were three; `noise` the mean square of the
    shop's noise in what is left; `last_db` the last window's figure, whoever spoke in it.
    """

    def __init__(self) -> None:
        self._windows: deque[tuple[float, float]] = deque(maxlen=_WINDOWS)
        self._now: list[Powers] = []
        self._spoilt = False
        self._leaks: deque[float] = deque(maxlen=_LEAKS)
        self._noises: deque[float] = deque(maxlen=_NOISES)
        self._leak_db = _LEAK_DB_MAX
        self._idles = 0
        self.noise = 0.0
        self.db: float | None = None
        self.last_db: float | None = None

    def forget(self) -> None:
        """The filter must learn anew: what was measured does not hold."""
        self._windows.clear()
        self.db = None
        self._now.clear()
        self._leaks.clear()
        self._leak_db = _LEAK_DB_MAX

    def note(self, powers: Powers, visitor: bool) -> None:
        """One chunk of the avatar speaking; `visitor`: the ear hears somebody else as well."""
        self._now.append(powers)
        self._spoilt |= visitor
        if len(self._now) < WINDOW_CHUNKS:
            return
        heard, clean = sum(p.heard for p in self._now), sum(p.clean for p in self._now)
        self.last_db = _ratio_db(heard, clean)
        if not self._spoilt:
            usual_db = self.db
            self._windows.append((heard, clean))
            if len(self._windows) >= WINDOWS_MIN:
                self.db = float(np.median([_ratio_db(*each) for each in self._windows]))
            if usual_db is None or self.last_db >= usual_db - _USUAL_DB:
                self._learn()
        self._now.clear()
        self._spoilt = False

    def idle(self, powers: Powers, visitor: bool) -> None:
        """One chunk without the avatar: how loud is the shop, after noise suppression?"""
        if visitor:
            return
        self._noises.append(powers.clean)
        self._idles += 1
        if self._idles % WINDOW_CHUNKS == 1:
            self.noise = float(np.quantile(self._noises, _NOISE_SHARE))

    @property
    def hidden(self) -> bool:
        """What is left of the echo is not louder than twice the shop's noise."""
        if len(self._windows) < WINDOWS_MIN or not self._noises:
            return False
        left = float(np.median([clean for _, clean in self._windows])) / WINDOW_CHUNKS
        return left <= 2 * self.noise

    def expected(self, powers: Powers) -> float:
        """The most power that the echo alone is believed to leave in this chunk."""
        return max(powers.echo * 10 ** (self._leak_db / 10), 2 * self.noise)

    def _learn(self) -> None:
        """From a window of the avatar alone: how much of its echo is left at worst."""
        self._leaks.extend(_ratio_db(p.clean, p.echo) for p in self._now
                           if p.echo > 4 * self.noise)
        if len(self._leaks) >= _LEAKS_MIN:
            most_db = float(np.quantile(self._leaks, _LEAK_SHARE)) + _LEAK_MARGIN_DB
            self._leak_db = float(np.clip(most_db, _LEAK_DB_MIN, _LEAK_DB_MAX))


def _ratio_db(power: float, against: float) -> float:
    return 10 * math.log10((power + _TINY) / (against + _TINY))
