"""Turn-taking and the guard against one's own voice, as stories of 32 ms chunks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from device.asr.endings import Ending
from device.asr.gate import EchoGate
from device.asr.turns import (
    Began,
    Ended,
    Event,
    Nothing,
    Paused,
    Perhaps,
    Sure,
    Turns,
    TurnSettings,
    WentOn,
)
from device.asr.vad import CHUNK_MS, CHUNK_SAMPLES

CHUNK_NS = CHUNK_MS * 1_000_000
# A voice's pitch: 125 Hz, so that every chunk begins alike.
HUM = np.sin(2 * np.pi * 125 * np.arange(CHUNK_SAMPLES) / 16_000).astype(np.float32)
HISS = np.random.default_rng(1).standard_normal(CHUNK_SAMPLES).astype(np.float32)


def play(*voices: tuple[float, int]) -> list[Event]:
    """(probability, milliseconds) pairs through a fresh `Turns`; but for what may be nothing."""
    return certain_of(heard(*voices))


def certain_of(events: list[Event]) -> list[Event]:
    return [e for e in events if not isinstance(e, Perhaps | Nothing)]


def heard(*voices: tuple[float, int]) -> list[Event]:
    """The same with all that was told."""
    turns, events, index = Turns(), [], 0
    for probability, length_ms in voices:
        for _ in range(length_ms // CHUNK_MS):
            index += 1
            chunk = HUM * index
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
    assert 1_920 - len(paused.samples) / 16 <= 640 - 256


def test_the_first_chunk_of_a_voice_is_told_at_once_and_what_became_of_it() -> None:
    assert kinds(heard((0.0, 64), (0.9, 32), (0.0, 640))) == [Perhaps, Nothing]
    events = heard((0.0, 64), (0.9, 640), (0.1, 640))
    assert kinds(events) == [Perhaps, Began, Paused, Ended], "once, and not within a turn"
    assert isinstance(events[0], Perhaps) and events[0].at_ns == 96_000_000


def test_a_breath_within_a_question_does_not_cut_it() -> None:
    events = play((0.9, 960), (0.0, 320), (0.9, 960), (0.0, 640))
    assert kinds(events) == [Began, Paused, WentOn, Paused, Ended]
    first, second = (e for e in events if isinstance(e, Paused))
    assert len(second.samples) > len(first.samples)
    assert isinstance(events[-1], Ended) and events[-1].number == second.number


def test_who_hesitates_again_and_again_is_not_decoded_at_each_breath() -> None:
    events = play((0.9, 640), *[(0.0, 64), (0.9, 320)] * 8, (0.0, 640))
    assert len([e for e in events if isinstance(e, Paused)]) == 3


def test_a_click_is_no_turn_and_a_short_sound_is_no_utterance() -> None:
    assert play((0.0, 320), (0.9, 32), (0.0, 960)) == []
    events = play((0.0, 320), (0.9, 160), (0.0, 960))
    assert kinds(events) == [Began, Ended]
    assert isinstance(events[-1], Ended) and events[-1].number is None


def fed(turns: Turns, *pieces: tuple[np.ndarray, float, int]) -> list[Event]:
    """(chunk, probability, how many of it)."""
    events: list[Event] = []
    for chunk, probability, number in pieces:
        for _ in range(number):
            events += turns.feed(chunk.astype(np.float32), probability, 0)
    return certain_of(events)


def test_a_voice_that_falls_silent_is_handed_out_before_the_detector_has_noticed() -> None:
    # Two chunks of silence that the detector still takes for voice, as it does after each end.
    after = ((HUM * 0.001, 0.9, 1), (HUM * 0.001, 0.6, 1))
    turns = Turns()
    events = fed(turns, (HUM, 1.0, 40), *after)
    assert kinds(events) == [Began, Paused]
    assert isinstance(events[1], Paused) and len(events[1].samples) >= 40 * CHUNK_SAMPLES
    assert kinds(fed(turns, (HUM * 0.001, 0.0, 20))) == [Ended]

    turns = Turns()
    assert kinds(fed(turns, (HUM, 1.0, 40), *after, (HUM, 1.0, 20))) == [Began, Paused, WentOn]
    # The closure before a "t", which the detector does not doubt, is no end.
    turns = Turns()
    assert kinds(fed(turns, (HUM, 1.0, 40), (HUM * 0.001, 1.0, 2), (HUM, 1.0, 20))) == [Began]
    # In noise nothing falls so far: the detector alone decides.
    turns = Turns()
    noise = ((HUM * 0.3, 0.9, 1), (HUM * 0.3, 0.6, 1))
    assert kinds(fed(turns, (HUM, 1.0, 40), *noise)) == [Began]



def test_a_voice_is_certain_at_once_and_a_cough_is_only_perhaps_one() -> None:
    quiet, voice, burst = HISS * 0.001, HUM * 0.2, HISS * 0.3
    assert fed(Turns(), (quiet, 0.0, 20), (voice, 0.9, 2)) == [Began(-64_000_000, True)]
    # An explosion, then a voiced end that fades: the detector takes it for a voice.
    cough = ((quiet, 0.0, 20), (burst, 0.2, 2), (burst * 0.4, 0.4, 4), (voice * 0.2, 0.8, 4))
    events = fed(Turns(), *cough, (quiet, 0.0, 20))
    assert kinds(events) == [Began, Ended]
    assert events[0] == Began(-64_000_000, False)
    assert isinstance(events[-1], Ended) and events[-1].number is None


def test_whispering_is_a_voice_too_only_later() -> None:
    events = fed(Turns(), (HISS * 0.001, 0.0, 20), (HISS * 0.02, 0.9, 12))
    assert kinds(events) == [Began, Sure]


def judged(*, ending: Ending | None, quiet: int) -> list[Event]:
    """A question, its pause, the judgement of its words, then `quiet` more chunks of nothing."""
    turns = Turns(TurnSettings(is_judged=True))
    events = fed(turns, (HUM, 0.9, 30), (HISS * 0.001, 0.0, 3))
    paused = next(e for e in events if isinstance(e, Paused))
    more = turns.judge(paused.number, ending) if ending else []
    return more + fed(turns, (HISS * 0.001, 0.0, quiet))


def test_how_long_the_end_is_awaited_depends_on_the_words() -> None:
    after: dict[Ending | None, int] = {
        "known": 6, "nothing": 6, "likely": 10, "open": 15, "unfinished": 26}
    for ending, chunks in {**after, None: 26}.items():
        assert judged(ending=ending, quiet=chunks - 4) == []
        assert kinds(judged(ending=ending, quiet=chunks - 3)) == [Ended]


def test_words_that_come_late_end_the_turn_at_once() -> None:
    turns = Turns(TurnSettings(is_judged=True))
    fed(turns, (HUM, 0.9, 30), (HISS * 0.001, 0.0, 20))
    assert kinds(turns.judge(1, "open")) == [Ended]
    assert turns.judge(1, "open") == [] and not turns.speaking


def test_letting_go_of_the_key_ends_the_turn() -> None:
    turns = Turns()
    fed(turns, (HUM, 0.9, 30))
    assert kinds(turns.finish()) == [Paused, Ended]
    assert turns.finish() == []


def test_a_monologue_is_taken_in_pieces() -> None:
    events = play((0.9, 60_000), (0.0, 960))
    ended = [e for e in events if isinstance(e, Ended)]
    assert len(ended) == 3 and all(e.number is not None for e in ended)


@given(st.lists(st.floats(0, 1), max_size=400))
def test_whatever_comes_events_are_well_formed_and_memory_bounded(voices: list[float]) -> None:
    settings = TurnSettings(length_max_ms=3200)
    turns, within, handed, perhaps = Turns(settings), False, None, False
    for index, probability in enumerate(voices):
        for event in turns.feed(np.zeros(CHUNK_SAMPLES, np.float32), probability, index * CHUNK_NS):
            if isinstance(event, Perhaps | Nothing):
                assert not within and perhaps != isinstance(event, Perhaps)
                perhaps = isinstance(event, Perhaps)
            elif isinstance(event, Began):
                assert not within and perhaps
                within, perhaps = True, False
            elif isinstance(event, Paused):
                assert within and handed is None
                assert len(event.samples) <= (3200 // CHUNK_MS + 15) * CHUNK_SAMPLES
                handed = event.number
            elif isinstance(event, Sure):
                assert within and handed is None
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
    gate = EchoGate("half")
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
