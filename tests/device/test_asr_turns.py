"""Turn-taking and the guard against one's own voice, as stories of 32 ms chunks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from device.asr.gate import EchoGate
from device.asr.turns import Began, Ended, Event, Paused, Turns, TurnSettings, WentOn
from device.asr.vad import CHUNK_MS, CHUNK_SAMPLES

CHUNK_NS = CHUNK_MS * 1_000_000


def play(*voices: tuple[float, int]) -> list[Event]:
    """(probability, milliseconds) pairs through a fresh `Turns`."""
    turns, events, index = Turns(), [], 0
    for probability, length_ms in voices:
        for _ in range(length_ms // CHUNK_MS):
            index += 1
            chunk = np.full(CHUNK_SAMPLES, index, np.float32)
            events += turns.feed(chunk, probability, index * CHUNK_NS)
    return events


def kinds(events: list[Event]) -> list[type]:
    return [type(e) for e in events]


def test_a_question_is_handed_out_at_its_pause_and_ends_after_it() -> None:
    events = play((0.0, 640), (0.9, 1280), (0.0, 640))
    assert kinds(events) == [Began, Paused, Ended]
    began, paused, ended = events
    assert isinstance(began, Began) and isinstance(paused, Paused) and isinstance(ended, Ended)
    assert began.at_ns == 640_000_000
    assert paused.speech_end_ns == ended.speech_end_ns == 1_920_000_000
    assert ended.number == paused.number
    # The sound before the onset is in it, so that the first syllable is whole.
    assert paused.samples[0] * CHUNK_MS <= 640 - 256


def test_a_breath_within_a_question_does_not_cut_it() -> None:
    events = play((0.9, 960), (0.0, 320), (0.9, 960), (0.0, 640))
    assert kinds(events) == [Began, Paused, WentOn, Paused, Ended]
    first, second = (e for e in events if isinstance(e, Paused))
    assert len(second.samples) > len(first.samples)
    assert isinstance(events[-1], Ended) and events[-1].number == second.number


def test_a_click_is_no_turn_and_a_cough_is_no_utterance() -> None:
    assert play((0.0, 320), (0.9, 96), (0.0, 960)) == []
    events = play((0.0, 320), (0.9, 160), (0.0, 960))
    assert kinds(events) == [Began, Ended]
    assert isinstance(events[-1], Ended) and events[-1].number is None


def test_a_monologue_is_taken_in_pieces() -> None:
    events = play((0.9, 60_000), (0.0, 960))
    ended = [e for e in events if isinstance(e, Ended)]
    assert len(ended) == 3 and all(e.number is not None for e in ended)


@given(st.lists(st.floats(0, 1), max_size=400))
def test_whatever_comes_events_are_well_formed_and_memory_bounded(voices: list[float]) -> None:
    settings = TurnSettings(length_max_ms=3200)
    turns, within, handed = Turns(settings), False, None
    for index, probability in enumerate(voices):
        for event in turns.feed(np.zeros(CHUNK_SAMPLES, np.float32), probability, index * CHUNK_NS):
            if isinstance(event, Began):
                assert not within
                within = True
            elif isinstance(event, Paused):
                assert within and handed is None
                assert len(event.samples) <= (3200 // CHUNK_MS + 15) * CHUNK_SAMPLES
                handed = event.number
            elif isinstance(event, WentOn):
                assert within and handed == event.number
                handed = None
            else:
                assert within and event.number == handed
                within, handed = False, None
        assert turns.speaking == within


def watch(gate: EchoGate, probability: float, from_s: float, seconds: float) -> None:
    for i in range(int(seconds * 1000 / CHUNK_MS)):
        gate.listened(probability, int(from_s * 1e9) + i * CHUNK_NS)


def test_where_the_microphone_hears_the_loudspeaker_the_ear_waits() -> None:
    gate = EchoGate()
    gate.avatar(True, "欢迎光临", 1_000_000_000)
    assert gate.closed(1_100_000_000)
    watch(gate, 0.9, 1.1, 3.0)
    assert gate.echoes and gate.closed(4_200_000_000)
    gate.avatar(False, None, 4_300_000_000)
    assert gate.closed(4_400_000_000)
    assert not gate.closed(4_800_000_000)


def test_where_it_does_not_the_ear_listens_all_the_time() -> None:
    gate = EchoGate()
    gate.avatar(True, "欢迎光临", 1_000_000_000)
    watch(gate, 0.01, 1.0, 3.0)
    assert not gate.closed(4_100_000_000)


def test_a_player_that_went_silent_does_not_deafen_the_ear() -> None:
    gate = EchoGate("on")
    gate.avatar(True, "欢迎光临", 1_000_000_000)
    assert gate.closed(2_000_000_000)
    assert not gate.closed(8_000_000_000)


def test_its_own_sentence_is_recognised_even_with_slips() -> None:
    gate = EchoGate()
    gate.avatar(True, "明前龙井一百二十八元一盒,来自杭州", 1_000_000_000)
    assert gate.sounds_like_avatar("明前龙井一百二十八元", 3_000_000_000)
    assert gate.sounds_like_avatar("明钱龙井一百二十八元一盒", 3_000_000_000)
    assert not gate.sounds_like_avatar("碧螺春多少钱", 3_000_000_000)
    assert not gate.sounds_like_avatar("明前龙井一百二十八元", 60_000_000_000)
