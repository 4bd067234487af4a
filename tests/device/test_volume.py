"""Quiet hours: the curve between its points, an order until the next, a glide, no click."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.audio.gain import GLIDE_S, Gain
from device.stage.volume import Loudness, read_curve, volume_at
from ota.errors import Refused

DAY = {"09:00": 0.6, "21:00": 0.3, "23:00": 0.0}
CHINA = "Asia/Shanghai"


def at(clock: str) -> datetime:
    there = timezone(timedelta(hours=8))
    return datetime.fromisoformat(f"2026-11-25T{clock}").replace(tzinfo=there)


@pytest.mark.parametrize(("clock", "volume"), [
    ("09:00", 0.6), ("15:00", 0.45), ("21:00", 0.3), ("22:00", 0.15), ("23:00", 0.0),
    ("04:00", 0.3), ("08:59:59", 0.6),
])
def test_straight_between_the_points_and_over_midnight(clock: str, volume: float) -> None:
    assert volume_at(0.8, DAY, CHINA, at(clock)) == pytest.approx(volume, abs=0.001)


def test_no_curve_is_the_plain_volume_and_one_point_is_the_same_all_day() -> None:
    assert volume_at(0.8, {}, CHINA, at("12:00")) == 0.8
    assert volume_at(0.8, {"nine": 0.1}, CHINA, at("12:00")) == 0.8
    assert volume_at(0.8, {"09:00": 0.2}, CHINA, at("03:00")) == 0.2
    for bad in ({"25:00": 0.5}, {"09:00": 1.5}, {f"{n // 60}:{n % 60:02}": 0.1 for n in range(60)}):
        with pytest.raises(Refused):
            read_curve(bad)


@given(st.dictionaries(st.from_regex(r"[01]\d:[0-5]\d", fullmatch=True), st.floats(0, 1),
                       max_size=20), st.integers(0, 86_399))
def test_the_loudness_never_leaves_the_curves_range(curve: dict[str, float], second: int) -> None:
    found = volume_at(0.5, curve, CHINA, at("00:00") + timedelta(seconds=second))
    values = list(curve.values()) or [0.5]
    assert min(values) - 1e-9 <= found <= max(values) + 1e-9


def test_an_order_holds_until_the_curves_next_point() -> None:
    loudness = Loudness()
    loudness.follow(0.8, DAY, CHINA)
    loudness.order(1.0, at("20:00"))
    assert loudness.at(at("20:59")) == 1.0
    assert loudness.at(at("21:00")) == pytest.approx(0.3)
    loudness.follow(0.8, {}, CHINA)
    loudness.order(0.1, at("20:00"))
    assert loudness.at(at("08:00")) == 0.1, "without a curve it stays"


def test_a_change_of_loudness_glides() -> None:
    gain, rate_hz = Gain(48_000), 48_000
    blocks = [np.ones(1920, np.float32) for _ in range(20)]
    for block in blocks:
        gain.apply(block, 0.2)
    heard = np.concatenate(blocks)
    assert np.abs(np.diff(heard)).max() < 1e-3, "no step is heard as a click"
    assert heard[0] > 0.99 and heard[-1] == pytest.approx(0.2)
    assert np.argmax(heard < 0.201) == pytest.approx(0.8 * GLIDE_S * rate_hz, rel=0.02)
