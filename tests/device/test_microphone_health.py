"""What the ear says about a microphone that is muted, half dead or too loud."""

from __future__ import annotations

import numpy as np

from device.audio.health import Health

RATE_HZ = 16_000


def feed(health: Health, seconds: float, *levels: float) -> None:
    random = np.random.default_rng(2)
    for _ in range(round(seconds / 0.032)):
        block = random.uniform(-1, 1, (512, len(levels))) * np.array(levels)
        health.note(np.clip(block, -1, 1).astype(np.float32))


def test_zeros_mean_muted_and_a_sound_takes_it_back() -> None:
    health = Health("USB", RATE_HZ)
    feed(health, 4.0, 0.0)
    assert health.fault is None
    feed(health, 2.0, 0.0)
    assert health.fault is not None and "muted" in health.fault and "USB" in health.fault
    feed(health, 0.1, 0.001)
    assert health.fault is None


def test_a_virtual_card_may_be_silent() -> None:
    health = Health("virtual", RATE_HZ, zeros_are_fault=False)
    feed(health, 8.0, 0.0)
    assert health.fault is None


def test_a_dead_channel_of_an_array_is_named() -> None:
    health = Health("array", RATE_HZ)
    feed(health, 12.0, 0.1, 0.0, 0.1, 0.0)
    assert health.dead_channels == (2, 4)
    assert health.fault is not None and "Channel 2, 4" in health.fault
    feed(health, 0.1, 0.1, 0.1, 0.1, 0.1)
    assert health.fault is None


def test_a_quiet_shop_makes_no_channel_dead() -> None:
    health = Health("array", RATE_HZ)
    feed(health, 12.0, 0.0005, 0.0)
    assert health.fault is None


def test_clipping_is_told_after_a_while_and_forgotten_again() -> None:
    health = Health("hot", RATE_HZ)
    feed(health, 2.1, 1.5)
    assert health.fault is None, "one shout is none"
    feed(health, 6.0, 1.5)
    assert health.fault is not None and "clips" in health.fault
    feed(health, 4.2, 0.2)
    assert health.fault is None
    health.note(np.zeros((0, 1), np.float32))
