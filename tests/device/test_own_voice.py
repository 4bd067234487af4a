"""A muted screen is noticed by the microphone that used to hear it, and by no other."""

from __future__ import annotations

from device.asr.ownvoice import CHUNKS_MIN, KNOWN, UNHEARD_IN_A_ROW, OwnVoice


def say(own: OwnVoice, times: int, probability: float, volume: float = 0.8,
        chunks: int = 2 * CHUNKS_MIN, silent: bool = False) -> None:
    for number in range(times):
        own.avatar(True, f"{number} {probability}", volume)
        for _ in range(chunks):
            own.listened(probability, silent)
        own.avatar(False, None, volume)


def test_a_screen_that_falls_silent_is_noticed_and_forgiven_when_it_is_heard_again() -> None:
    own = OwnVoice()
    say(own, KNOWN, 0.9)
    say(own, UNHEARD_IN_A_ROW - 1, 0.01)
    assert own.fault is None
    say(own, 1, 0.01)
    assert own.fault is not None and "muted" in own.fault
    say(own, 40, 0.01)
    assert own.fault is not None, "it stays"
    say(own, 1, 0.9)
    assert own.fault is None


def test_a_microphone_that_never_heard_the_avatar_says_nothing() -> None:
    own = OwnVoice()
    say(own, 100, 0.01)
    assert own.fault is None


def test_quiet_hours_short_words_and_a_dead_microphone_are_no_proof() -> None:
    own = OwnVoice()
    say(own, KNOWN, 0.9)
    say(own, 50, 0.01, volume=0.1)
    say(own, 50, 0.01, chunks=CHUNKS_MIN - 1)
    say(own, 50, 0.0, silent=True)
    assert own.fault is None
