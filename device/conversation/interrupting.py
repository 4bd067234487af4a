"""A voice while something is said: lower for a maybe, stop for a voice, go on if nothing comes.

Pure. A cough never stops the avatar, a customer who talks to another one stops it a few times
and is then only made way for in loudness; an emergency notice stops for nobody.
"""

from __future__ import annotations

from dataclasses import replace

from device.conversation.cues import (
    Caption,
    Count,
    Cue,
    Duck,
    HoldBreath,
    Listening,
    StopSpeech,
    Thinking,
)
from device.conversation.match import resembles
from device.conversation.speaking import Moved, active_override
from device.conversation.state import State, Voices

BREATH_EACH_S = 3.0  # in a loud shop it would falter
MAYBE_HOLD_S = 1.0  # what may be a voice is waited for so long
VOICE_HOLD_S = 6.0  # so long the presentation waits for a voice that nobody understands
TALK_HOLD_S = 15.0  # and so long for one whose words arrive
WORDS_FRESH_S = 3.0
HEARD_WAIT_S = 2.0  # so long after the voice for what was heard
ECHO_S = 2.0  # what is heard within this time after a sentence may be the kiosk's own voice
USELESS_MAX, USELESS_S = 3, 60.0  # so many stops for nothing within so long,
CALM_S = 60.0  # and for so long no voice stops it any more
OWN_WORDS = ("override", "said")  # notices in the console's own words


def is_deaf(state: State, now_s: float) -> bool:
    """Does what visitors say count for nothing now?"""
    return (
        state.muted
        or state.driven
        or (state.resting and state.line is None)
        or active_override(state, now_s) is not None
    )


def voice_perhaps(state: State, now_s: float) -> Moved:
    """The first 30 ms of what may be a voice: hold the breath until more is known."""
    voices = state.voices
    calm = now_s < voices.calm_until_s or now_s - voices.held_at_s < BREATH_EACH_S
    if is_deaf(state, now_s) or calm or state.saying is None or not _may_be_stopped(state):
        return state, ()
    return replace(state, voices=replace(voices, held=True, held_at_s=now_s)), (HoldBreath(True),)


def voice_started(state: State, certain: bool, now_s: float) -> Moved:
    """A voice, or what may be one."""
    if is_deaf(state, now_s):
        return state, ()
    before = state.voices
    grew = certain and before.since_s is not None and not before.certain
    since_s = before.since_s if grew else now_s
    state = replace(state, voices=replace(before, since_s=since_s, certain=certain))
    if not certain:
        return _duck(state)
    if state.saying is None or not _may_be_stopped(state):
        # Whoever goes on speaking is heard out: what was asked of the endpoint is not all.
        return replace(state, asking=None), (Listening(True),)
    if now_s < state.voices.calm_until_s:
        return _duck(state)
    return _stop(state, now_s)


def voice_ended(state: State, now_s: float) -> Moved:
    """The voice is over: what was heard may follow."""
    certain = state.voices.certain
    state, cues = heard_out(state)
    if is_deaf(state, now_s) or not certain:
        return state, cues
    if state.saying is not None:
        return state, (*cues, Listening(False))
    state = replace(state, wait_until_s=max(state.wait_until_s, now_s + HEARD_WAIT_S))
    return state, (*cues, Listening(False), Thinking())


def hearing(state: State, text: str, language: str, now_s: float) -> Moved:
    """Some of the words of somebody who still speaks: shown, and waited for."""
    if is_deaf(state, now_s) or state.saying is not None:
        return state, ()
    if not has_words(text) or is_own_voice(state, text, now_s):
        return state, ()
    state = replace(state, voices=replace(state.voices, words_at_s=now_s))
    return state, (Caption(text, language, final=False),)


def heard_out(state: State) -> Moved:
    """Nobody speaks any more: as loud as before."""
    voices = state.voices
    cues: tuple[Cue, ...] = (Duck(False),) if voices.ducked else ()
    if voices.held:
        cues = (*cues, HoldBreath(False))
    return replace(state, voices=replace(
        voices, since_s=None, certain=False, ducked=False, held=False)), cues


def voice_lost(state: State, now_s: float) -> Moved:
    """A voice whose end was never told, or that never ends, is no reason to whisper."""
    since_s = state.voices.since_s
    if since_s is None or now_s - since_s < TALK_HOLD_S:
        if not state.voices.ducked or somebody_speaks(state, now_s):
            return state, ()
        return replace(state, voices=replace(state.voices, ducked=False)), (Duck(False),)
    certain = state.voices.certain
    state, cues = heard_out(state)
    return state, (*cues, Listening(False)) if certain else cues


def somebody_speaks(state: State, now_s: float) -> bool:
    """Is there a voice that the next sentence has to wait for?"""
    voices = state.voices
    if voices.since_s is None:
        return False
    hold_s = VOICE_HOLD_S if voices.certain else MAYBE_HOLD_S
    if voices.certain and now_s - voices.words_at_s < WORDS_FRESH_S:
        hold_s = TALK_HOLD_S
    return now_s - voices.since_s < hold_s


def waits_at_sentence_end(state: State, now_s: float) -> bool:
    """Is a visitor to be let finish before the presentation goes on?"""
    return now_s >= state.voices.calm_until_s and somebody_speaks(state, now_s)


def nothing_came(state: State, now_s: float) -> Moved:
    """It goes on after a stop after which nobody had asked anything."""
    if state.voices.stopped_at_s is None:
        return state, ()
    voices = one_more_useless(state.voices, now_s)
    calm = now_s < voices.calm_until_s
    stops = USELESS_MAX if calm else len(voices.useless_at_s)
    state = replace(state, voices=replace(voices, stopped_at_s=None))
    return state, (Count("not-for-us", {"stops": stops, "calm": calm}),)


def one_more_useless(voices: Voices, now_s: float) -> Voices:
    """After so many useless stops within a while, voices do not stop it for a while."""
    recent = (*(at_s for at_s in voices.useless_at_s if now_s - at_s < USELESS_S), now_s)
    if len(recent) < USELESS_MAX:
        return replace(voices, useless_at_s=recent)
    return replace(voices, useless_at_s=(), calm_until_s=now_s + CALM_S)


def has_words(text: str) -> bool:
    """Is there anything but marks in it?"""
    return any(character.isalnum() for character in text)


def is_own_voice(state: State, text: str, now_s: float) -> bool:
    """Did the microphone hear the kiosk itself? (Echo cancelling is the ear's work.)"""
    if state.saying is not None and resembles(text, state.saying.text):
        return True
    return now_s - state.last_said_at_s < ECHO_S and resembles(text, state.last_said)


def _may_be_stopped(state: State) -> bool:
    return state.line is not None and state.line.item_id not in OWN_WORDS


def _duck(state: State) -> Moved:
    if state.saying is None or state.voices.ducked or not _may_be_stopped(state):
        return state, ()
    return replace(state, voices=replace(state.voices, ducked=True)), (Duck(True),)


def _stop(state: State, now_s: float) -> Moved:
    """Silent at once; the sentence that was cut off is the one to go on with."""
    line, said = state.line, state.saying
    assert line is not None and said is not None
    louder: tuple[Cue, ...] = (Duck(False),) if state.voices.ducked else ()
    again = replace(line, next_number=max(0, line.next_number - 1))
    state = replace(
        state, mode="listening", saying=None, line=None if line.kind == "fallback" else again,
        last_said=said.text, last_said_at_s=now_s, wait_until_s=now_s + HEARD_WAIT_S,
        voices=replace(state.voices, ducked=False, stopped_at_s=now_s),
    )  # fmt: skip
    counted = Count("barge-in", {"during": line.kind})
    return state, (StopSpeech(), *louder, Listening(True), counted)
