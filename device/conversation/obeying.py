"""Words about the conversation itself: say it again, louder, stop, another language. Pure."""

from __future__ import annotations

from dataclasses import replace

from device.conversation.context import FORGET_S, Resolved
from device.conversation.cues import Caption, Count, Cue, Gesture, Loudness
from device.conversation.speaking import Moved, begin_line, hush, line_of
from device.conversation.state import Line, State, Talk
from device.programme.playable import may_say

STEPS_MAX = 2  # of loudness, to each side
STOPPED_S = 20.0  # so long it is silent for whoever wants silence
THANKED_S = 1.5
WAVE = "greet"


def obey(state: State, wish: Resolved, caption: Caption, now_s: float) -> Moved:
    """Do it, show what was heard, and go on with what was broken off."""
    if wish.kind == "thanks" and now_s - state.talk.last_s >= FORGET_S:
        # Nobody has talked with the kiosk: people thank each other, too.
        return (state if state.saying else replace(state, wait_until_s=now_s)), ()
    language = wish.language or caption.language
    told = Count("told", {"what": wish.kind, "language": language})
    voices = replace(
        state.voices, stopped_at_s=None, useless_at_s=(), calm_until_s=now_s, unanswered_at_s=())
    state = replace(
        state, voices=voices, talk=replace(state.talk, last_s=now_s), wait_until_s=now_s)
    state, cues = _done(state, wish, language, now_s)
    return state, (caption, told, *cues)


def forgotten(state: State, now_s: float) -> Moved:
    """A minute after the last word the conversation is over: as loud as the shop wants it."""
    if state.talk == Talk() or now_s - state.talk.last_s < FORGET_S:
        return state, ()
    cues: tuple[Cue, ...] = (Loudness(0),) if state.talk.louder else ()
    return replace(state, talk=Talk()), cues


def _done(state: State, wish: Resolved, language: str, now_s: float) -> Moved:
    match wish.kind:
        case "louder" | "quieter":
            return _loudness(state, 1 if wish.kind == "louder" else -1, language, now_s)
        case "language":
            state = replace(state, talk=replace(state.talk, language=language))
            return _again(state, _last_answer(state, language, now_s), now_s)
        case "repeat":
            last = _last_answer(state, language, now_s) or _presented(state)
            return _again(state, last, now_s)
        case "stop":
            state, cues = hush(state)
            return replace(state, mode="listening", wait_until_s=now_s + STOPPED_S), cues
    # Thanks.
    if state.saying is None:
        state = replace(state, wait_until_s=now_s + THANKED_S)
    return state, (Gesture(WAVE),)


def _loudness(state: State, by: int, language: str, now_s: float) -> Moved:
    steps = max(-STEPS_MAX, min(STEPS_MAX, state.talk.louder + by))
    changed: tuple[Cue, ...] = (Loudness(steps),) if steps != state.talk.louder else ()
    state = replace(state, talk=replace(state.talk, louder=steps))
    if by > 0 and state.line is None:
        # The answer is over: whoever did not hear it wants to hear it.
        state, cues = _again(state, _last_answer(state, language, now_s), now_s)
        return state, (*changed, *cues)
    return state, changed


def _again(state: State, line: Line | None, now_s: float) -> Moved:
    """That line from its first sentence; without one it goes on as it was."""
    if line is None:
        return state, ()
    state, cues = hush(state)
    if line.kind == "segment":
        state = replace(state, resume=None)
    state, more = begin_line(state, line, now_s)
    return state, (*cues, *more)


def _last_answer(state: State, language: str, now_s: float) -> Line | None:
    """The last answer of this conversation, as it is now, in `language`."""
    turns = state.talk.context.at(now_s, None).turns
    programme, moment = state.script.programme, state.now(now_s)
    answer = programme.answer(turns[-1].answer_id or "") if turns else None
    if answer is None or moment is None or not may_say(programme, answer, moment):
        return None
    return line_of(state.script, answer, language, moment)


def _presented(state: State) -> Line | None:
    """The piece of the presentation that is on, or was broken off."""
    for line in (state.line, state.resume):
        if line is not None and line.kind == "segment":
            return replace(line, next_number=0)
    return None
