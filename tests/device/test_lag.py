"""Where the echo is: found in a voice, and never in silence."""

from __future__ import annotations

import numpy as np

from device.audio.lag import (
    LATE_SAMPLES_MAX,
    PIECE_SAMPLES,
    REFERENCE_SAMPLES,
    LagFinder,
)  # fmt: skip

PLAYED = np.random.default_rng(2).standard_normal(REFERENCE_SAMPLES).astype(np.float32) * 0.1


def echo(late: int) -> np.ndarray:
    first = LATE_SAMPLES_MAX - late
    return 0.3 * PLAYED[first : first + PIECE_SAMPLES]


def test_the_echo_is_found_where_it_is() -> None:
    for lately in (False, True):
        finder = LagFinder(lately)
        assert finder.add(echo(700), PLAYED)
        lag = finder.best()
        assert lag is not None and abs(lag.samples - 700) < 1 and lag.sure


def test_an_echo_that_broke_off_is_nowhere() -> None:
    broken_off = echo(700)
    broken_off[PIECE_SAMPLES // 4 :] = 0.0  # a server that stalls delivers zeros
    finder = LagFinder(lately=True)
    assert not finder.add(broken_off, PLAYED) and finder.best() is None
    finder = LagFinder()
    assert not finder.add(np.zeros(PIECE_SAMPLES, np.float32), PLAYED) and finder.best() is None
