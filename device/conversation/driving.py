"""A person takes over from the script and hands back to it (pure, as all of the conversation)."""

from __future__ import annotations

from dataclasses import replace

from device.conversation.cues import Caption, Count, Cue, Listening, OnAir
from device.conversation.interrupting import heard_out
from device.conversation.speaking import SENTENCE_PAUSE_S, Moved, active_override, go_on, hush
from device.conversation.state import State


def driven(state: State, on: bool, now_s: float) -> Moved:
    """Take over at once, or hand back: the sentence that was cut off begins again."""
    if on == state.driven:
        return state, ()
    if on and (state.muted or active_override(state, now_s) is not None):
        return state, ()
    if on:
        state, cues = hush(state)
        state, louder = heard_out(state)
        state = replace(state, mode="live", driven_since_s=now_s)
        return state, (*cues, *louder, Caption(None), Listening(False), OnAir(True))
    state, cues = taken_back(state, now_s)
    if state.muted:
        return state, cues
    state, more = go_on(state, now_s, SENTENCE_PAUSE_S)
    return state, (*cues, *more)


def taken_back(state: State, now_s: float) -> Moved:
    """The person is off the air; what is said next is not decided here."""
    if state.driven_since_s is None:
        return state, ()
    seconds = round(max(0.0, now_s - state.driven_since_s), 1)
    cues: tuple[Cue, ...] = (OnAir(False), Count("live", {"seconds": seconds}))
    return replace(state, driven_since_s=None, mode="idle", wait_until_s=now_s), cues
