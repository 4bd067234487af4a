"""The conversation as one pure function: `step(state, event, now_s) -> (state, cues)`."""

from __future__ import annotations

from dataclasses import replace

from device.conversation import events
from device.conversation.again import go_on_with
from device.conversation.answering import heard, no_reply, replied
from device.conversation.cues import Caption, Cue, Sentence
from device.conversation.driving import driven, taken_back
from device.conversation.interrupting import (
    HEARD_WAIT_S,
    heard_out,
    hearing,
    nothing_came,
    somebody_speaks,
    voice_ended,
    voice_lost,
    voice_perhaps,
    voice_started,
    waits_at_sentence_end,
)
from device.conversation.obeying import forgotten
from device.conversation.script import Script
from device.conversation.speaking import (
    SENTENCE_PAUSE_S,
    Moved,
    begin_line,
    card_still_good,
    end_line,
    go_on,
    hush,
    line_of,
    news,
    played,
    sentence_is,
    show,
)
from device.conversation.state import Line, State
from device.programme.playable import may_say
from device.programme.schema import Answer, Segment


def begin(script: Script, language: str | None = None, seed: int = 0) -> State:
    """The state before anything happened; the first Tick begins the presentation.

    `seed` decides the order of segments with weights.
    """
    return State(script=script, language=language, seed=seed)


def step(state: State, event: events.Event, now_s: float) -> Moved:
    """What `event` changes, and what the player is to do, in this order.

    Pure: no clock, no disk. `now_s` is the monotonic clock and never goes back.
    """
    match event:
        case events.Tick():
            return _tick(replace(state, utc=event.utc, utc_at_s=now_s), now_s)
        case events.SentenceDone():
            return _sentence_done(state, event.key, now_s)
        case events.Hearing():
            return hearing(state, event.text, event.language, now_s)
        case events.Heard():
            return heard(state, event, now_s)
        case events.BeyondChosen():
            return replace(state, beyond_s=event.limit_s), ()
        case events.Replied():
            return replied(state, event, now_s)
        case events.VoiceStarted():
            if event.first:
                return voice_perhaps(state, now_s)
            return voice_started(state, event.certain, now_s)
        case events.VoiceEnded():
            return voice_ended(state, now_s)
        case events.ProgrammeChanged():
            return replace(state, pending=event.script), ()
        case events.Sensed():
            return _sensed(state, event.script), ()
        case events.LanguageChosen():
            return replace(state, language=event.language), ()
        case events.SayNow():
            return _say_now(state, event, now_s)
        case events.Override():
            return _override(state, event, now_s)
        case events.Muted():
            return _muted(state, event.on, now_s)
        case events.GoOnWith():
            return go_on_with(state, event, now_s)
        case events.Resting():
            return replace(state, resting=event.on, wait_until_s=now_s), ()
        case events.Driven():
            return driven(state, event.on, now_s)


def _sensed(state: State, script: Script) -> State:
    """The script that is played, or waits, understands more from now on."""
    if state.script.programme is script.programme:
        return replace(state, script=script)
    if state.pending is not None and state.pending.programme is script.programme:
        return replace(state, pending=script)
    return state


def upcoming(state: State) -> Sentence | None:
    """The sentence that most likely comes after the one that sounds now: prepare its sound."""
    if state.driven:
        return None
    if state.pending is not None:
        return news(state)
    for line in (state.line, state.resume):
        if line is not None and not line.is_over:
            return line.sentences[line.next_number]
    return None


def _tick(state: State, now_s: float) -> Moved:
    state, cues = voice_lost(state, now_s)
    state, more = forgotten(state, now_s)
    cues += more
    if not card_still_good(state, now_s):
        state, more = show(state, None)
        cues += more
    if state.driven:
        return state, cues
    if state.saying is not None:
        if now_s < state.saying_until_s:
            return state, cues
        # The player lost the sentence (a dead sound stream): go on rather than stand still.
        state, more = _sentence_done(state, state.saying.key, now_s)
        return state, (*cues, *more)
    if state.muted or somebody_speaks(state, now_s):
        return state, cues
    if state.asking is not None:
        if now_s < state.asking.until_s:
            return state, cues
        state, more = no_reply(state, "late", now_s)
        return state, (*cues, *more)
    if now_s < state.wait_until_s and (state.pending is None or state.mode == "listening"):
        return state, cues
    state, counted = nothing_came(state, now_s)
    cues += counted
    if state.mode == "listening":
        cues += (Caption(None),)
    state, more = go_on(state, now_s)
    return state, (*cues, *more)


def _sentence_done(state: State, key: str, now_s: float) -> Moved:
    if not sentence_is(state.saying, key) or state.saying is None:
        return state, ()
    said = state.line
    state = replace(state, saying=None, last_said=state.saying.text, last_said_at_s=now_s)
    if said is None:  # its line went with the programme it stood in
        return go_on(state, now_s, SENTENCE_PAUSE_S)
    if said.kind == "segment" and waits_at_sentence_end(state, now_s):
        # A visitor has begun to speak: let them finish before the presentation goes on.
        cues: tuple[Cue, ...] = (played(state, said, complete=True),) if said.is_over else ()
        wait_s = HEARD_WAIT_S if state.voices.certain else 0.0
        return replace(state, mode="listening", wait_until_s=now_s + wait_s), cues
    if said.is_over:
        return end_line(state, said, now_s)
    return go_on(state, now_s, SENTENCE_PAUSE_S)


def _say_now(state: State, event: events.SayNow, now_s: float) -> Moved:
    line: Line | None = None
    programme = state.script.programme
    item: Segment | Answer | None = None
    if event.segment_id is not None:
        item = programme.segment(event.segment_id)
    elif event.answer_id is not None:
        item = programme.answer(event.answer_id)
    moment = state.now(now_s)
    if item is not None:
        if moment and may_say(programme, item, moment):
            line = line_of(state.script, item, state.presenting_language, moment)
            line = line and replace(line, kind="notice")
    elif event.sentences:
        line = Line("notice", "said", event.sentences, 0, event.show)
    if line is None or state.muted or state.driven:
        return state, ()
    state, cues = hush(state)
    state, more = begin_line(state, line, now_s)
    return state, (*cues, *more)


def _override(state: State, event: events.Override, now_s: float) -> Moved:
    line = Line("notice", "override", event.sentences, 0, event.show) if event.sentences else None
    state = replace(state, override=line, override_until=event.until)
    if line is None and state.mode == "notice" and state.line is not None:
        # Taken back: the sentence that sounds is the last one.
        ended = replace(state.line, next_number=len(state.line.sentences))
        state = replace(state, line=ended)
    if line is None:
        return state, ()
    # An emergency does not wait for whoever speaks: the next tick says the notice, aloud.
    state, cues = heard_out(state)
    state, more = taken_back(replace(state, wait_until_s=now_s), now_s)
    return state, (*cues, *more)


def _muted(state: State, on: bool, now_s: float) -> Moved:
    if on == state.muted:
        return state, ()
    if not on:
        return replace(state, muted=False, wait_until_s=now_s), ()
    state, louder = heard_out(state)
    state, back = taken_back(state, now_s)
    state, cues = hush(state)
    return replace(state, muted=True, mode="idle"), (*louder, *back, *cues)
