"""The conversation as one pure function: `step(state, event, now_s) -> (state, cues)`."""

from __future__ import annotations

from device.conversation.cues import Cue, Sentence
from device.conversation.events import Event
from device.conversation.script import Script
from device.conversation.state import State


def begin(script: Script, language: str | None = None) -> State:
    """The state before anything happened; the first Tick begins the presentation."""
    return State(script=script, language=language)


def step(state: State, event: Event, now_s: float) -> tuple[State, tuple[Cue, ...]]:
    """What `event` changes, and what the player is to do, in this order."""
    return state, ()


def upcoming(state: State) -> Sentence | None:
    """The sentence that most likely comes after the one that sounds now: prepare its sound."""
    if state.line and state.line.next_number < len(state.line.sentences):
        return state.line.sentences[state.line.next_number]
    return None
