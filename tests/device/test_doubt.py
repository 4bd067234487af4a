"""Doubt about the echo: it begins where the filter makes it louder, and not beside a visitor."""

from __future__ import annotations

import numpy as np

from device.audio.doubt import CHUNK_SAMPLES, SHORT_CHUNKS, Doubt

RNG = np.random.default_rng(4)


def sound(level: float) -> np.ndarray:
    return (RNG.standard_normal(CHUNK_SAMPLES) * level).astype(np.float32)


def told(doubt: Doubt, heard: np.ndarray, predicted: np.ndarray, way: bool = True) -> bool:
    """One chunk; may what is left of it count?"""
    doubt.note(heard, heard - predicted, 40.0, way)
    return doubt.allows(heard - predicted)


def test_a_visitor_beside_an_echo_that_is_taken_off_is_never_doubted() -> None:
    for level in (0.02, 0.1, 0.3):
        doubt = Doubt()
        for _ in range(200):
            echo = sound(0.1)
            assert told(doubt, echo + sound(level), echo)
    assert doubt.holes == 0


def test_an_echo_at_another_time_is_doubted_at_its_second_chunk() -> None:
    doubt, before = Doubt(), sound(0.1)
    assert told(doubt, before, before)
    late = [told(doubt, sound(0.1), sound(0.1)) for _ in range(20)]
    assert not any(late[1:]), "its own late voice counts"
    assert told(doubt, sound(0.1) + sound(0.5), sound(0.1)), "one who outdoes it is heard"
    # What nobody has learnt yet tells nothing.
    unlearnt = Doubt()
    assert all(told(unlearnt, sound(0.1), sound(0.1), way=False) for _ in range(20))


def test_doubt_ends_and_a_hole_is_counted() -> None:
    doubt = Doubt()
    for _ in range(2):
        told(doubt, sound(0.1), sound(0.1))
    quiet = np.zeros(CHUNK_SAMPLES, np.float32)
    allowed = [told(doubt, sound(0.01), quiet) for _ in range(SHORT_CHUNKS + 1)]
    assert not allowed[0] and allowed[-1]
    assert doubt.holes == 0
    assert not told(doubt, quiet, sound(0.1)) and doubt.holes == 1


def test_a_filters_error_after_a_loud_syllable_is_no_hole() -> None:
    doubt, quiet = Doubt(), sound(0.0001)
    for syllable in (sound(0.1) for _ in range(4)):
        assert told(doubt, syllable, syllable)
    # 26 dB under the syllable: its tail, as far as the filter does not know it.
    assert told(doubt, quiet, sound(0.005)) and doubt.holes == 0
    assert not told(doubt, quiet, sound(0.05)) and doubt.holes == 1
