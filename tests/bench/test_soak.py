"""The verdict on a soak's memory: flat is flat, a leak is a leak, noise is neither."""

from __future__ import annotations

import numpy as np
import pytest

from cli.benches.flash import drift, offsets
from cli.benches.soak import FLAT_BYTES_EACH_1000, fit, judge


def rows(leak_bytes: float, seed: int = 1, noise: float = 40_000.0) -> list[dict[str, float]]:
    """A player that settles over the first tenth and then leaks so much a sentence."""
    rng = np.random.default_rng(seed)
    wander = np.convolve(rng.normal(0, noise, 1000), np.full(20, 1 / 20), "same")
    return [{"s": k, "sentences": 10.0 * k, "switches": k // 2, "questions": k, "frames": 25 * k,
             "rss": 3e8 + 2e7 * min(1.0, k / 90) + leak_bytes * 10 * k + float(wander[k])}
            for k in range(1000)]


@pytest.mark.parametrize("seed", range(5))
def test_memory_that_only_wanders_is_flat(seed: int) -> None:
    assert judge(rows(0.0, seed))[0].flat


def test_a_leak_of_a_hundred_bytes_a_sentence_is_found() -> None:
    found, line = judge(rows(100.0))
    assert not found.flat and found.slope_low_bytes > FLAT_BYTES_EACH_1000
    assert found.slope_low_bytes < 100_000 < found.slope_high_bytes
    assert line.low < line.slope < line.high


def test_readings_that_are_alike_widen_the_interval() -> None:
    rng = np.random.default_rng(3)
    x, steps = np.arange(400.0), rng.normal(0, 1, 400)
    alone, alike = fit(x, steps), fit(x, np.cumsum(steps))
    assert alike.high - alike.low > 5 * (alone.high - alone.low)


def test_offsets_pair_each_flash_with_its_beep_and_tell_their_drift() -> None:
    shown = [float(k) for k in range(60)]
    heard = [t + 0.004 + 0.0001 * t for t in shown if t != 30.0]
    found = offsets(heard, shown)
    assert len(found) == 59, "a lost beep is nobody else's"
    assert abs(drift(np.array(found)) - 4.0) < 0.3
