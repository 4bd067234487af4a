"""The conversation as one pure function: `step(state, event, now_s) -> (state, cues)`."""

from __future__ import annotations

from dataclasses import replace

from device.conversation import events
from device.conversation.again import go_on_with
from device.conversation.cues import Caption, Count, Cue, Listening, Sentence
from device.conversation.driving import driven, taken_back
from device.conversation.match import Match, resembles
from device.conversation.script import Script
from device.conversation.speaking import (
    SENTENCE_PAUSE_S,
    Moved,
    active_override,
    begin_line,
    card_still_good,
    end_line,
    go_on,
    hush,
    line_of,
    played,
    sentence_is,
    show,
    take_over,
)
from device.conversation.state import Line, State
from device.programme.playable import may_say
from device.programme.schema import Answer, Segment

VOICE_HOLD_S = 6.0  # so long the presentation waits at a sentence's end for a speaking visitor
HEARD_WAIT_S = 2.0  # so long after the voice for what was heard
ECHO_S = 2.0  # what is heard within this time after a sentence may be the kiosk's own voice


def begin(script: Script, language: str | None = None) -> State:
    """The state before anything happened; the first Tick begins the presentation."""
    return State(script=script, language=language)


def step(state: State, event: events.Event, now_s: float) -> Moved:
    """What `event` changes, and what the player is to do, in this order.

    Pure: no clock, no disk. `now_s` is the monotonic clock and never goes back.
    """
    match event:
        case events.Tick():
            return _tick(replace(state, utc=event.utc, utc_at_s=now_s), now_s)
        case events.SentenceDone():
            return _sentence_done(state, event.key, now_s)
        case events.Heard():
            return _heard(state, event, now_s)
        case events.VoiceStarted():
            if state.driven:
                return state, ()
            return replace(state, voice_since_s=now_s), (Listening(True),)
        case events.VoiceEnded():
            return _voice_ended(state, now_s)
        case events.ProgrammeChanged():
            return replace(state, pending=event.script), ()
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


def upcoming(state: State) -> Sentence | None:
    """The sentence that most likely comes after the one that sounds now: prepare its sound."""
    if state.driven:
        return None
    for line in (state.line, state.resume):
        if line is not None and not line.is_over and state.pending is None:
            return line.sentences[line.next_number]
    return None


def _tick(state: State, now_s: float) -> Moved:
    cues: tuple[Cue, ...] = ()
    if not card_still_good(state, now_s):
        state, cues = show(state, None)
    if state.driven:
        return state, cues
    if state.saying is not None:
        if now_s < state.saying_until_s:
            return state, cues
        # The player lost the sentence (a dead sound stream): go on rather than stand still.
        state, more = _sentence_done(state, state.saying.key, now_s)
        return state, (*cues, *more)
    if state.muted or _somebody_speaks(state, now_s):
        return state, cues
    if now_s < state.wait_until_s and (state.pending is None or state.mode == "listening"):
        return state, cues
    if state.mode == "listening":
        cues += (Caption(None),)
    state, more = go_on(state, now_s)
    return state, (*cues, *more)


def _somebody_speaks(state: State, now_s: float) -> bool:
    return state.voice_since_s is not None and now_s - state.voice_since_s < VOICE_HOLD_S


def _sentence_done(state: State, key: str, now_s: float) -> Moved:
    if not sentence_is(state.saying, key) or state.saying is None:
        return state, ()
    said = state.line
    state = replace(state, saying=None, last_said=state.saying.text, last_said_at_s=now_s)
    if said is None:
        return state, ()
    if said.kind == "segment" and _somebody_speaks(state, now_s):
        # A visitor has begun to speak: let them finish before the presentation goes on.
        cues: tuple[Cue, ...] = (played(state, said, complete=True),) if said.is_over else ()
        return replace(state, mode="listening", wait_until_s=now_s + HEARD_WAIT_S), cues
    if said.is_over:
        return end_line(state, said, now_s)
    return go_on(state, now_s, SENTENCE_PAUSE_S)


def _voice_ended(state: State, now_s: float) -> Moved:
    state = replace(state, voice_since_s=None)
    if state.driven:
        return state, ()
    if state.saying is None:
        state = replace(state, wait_until_s=max(state.wait_until_s, now_s + HEARD_WAIT_S))
    return state, (Listening(False),)


def _heard(state: State, event: events.Heard, now_s: float) -> Moved:
    state = replace(state, voice_since_s=None)
    if state.driven:
        return state, ()
    if _is_own_voice(state, event.text, now_s) or not any(c.isalnum() for c in event.text):
        # Nobody asked anything: no reason to wait any longer.
        waits = state.mode == "listening" and state.resume is None and state.line is None
        return (state if waits else replace(state, wait_until_s=now_s)), ()
    deaf = state.muted or (state.resting and state.line is None)
    if deaf or active_override(state, now_s) is not None:
        return state, ()
    state, cues = take_over(state)
    language = visitor_language(event.text, event.language, state.script.programme.languages)
    found = state.script.matcher.match(event.text, language, state.showing)
    answer = _answer_now(state, found, now_s)
    busy = state.saying is not None and state.mode in ("answering", "fallback")
    count = _asked(found, answer, language, busy)
    if answer is None and busy:
        # Most likely talk beside the kiosk: an answer is not broken off for it.
        return state, (*cues, count)
    state, stopped = hush(state)
    cues += (*stopped, Caption(event.text, language), count)
    line = line_of(state.script, answer, language) if answer else None
    line = line or line_of(state.script, state.script.programme.fallback, language)
    if line is None:
        return replace(state, mode="listening", wait_until_s=now_s + HEARD_WAIT_S), cues
    if line.kind == "fallback" and line.show is None:
        line = replace(line, show=state.showing)
    state, more = begin_line(state, line, now_s)
    return state, (*cues, *more)


def _answer_now(state: State, found: Match, now_s: float) -> Answer | None:
    """The matched answer, unless it may not be said (any more)."""
    programme = state.script.programme
    answer = programme.answer(found.answer_id) if found.answer_id else None
    moment = state.now(now_s)
    if answer is None or moment is None or not may_say(programme, answer, moment):
        return None
    return answer


def _asked(found: Match, answer: Answer | None, language: str, busy: bool) -> Count:
    why = found.why or ("not valid now" if found.answer_id and answer is None else "")
    return Count(
        "asked",
        {
            "answer_id": answer.id if answer else None,
            "language": language,
            "score": round(found.score, 3),
            "why": "while answering" if busy and answer is None else why,
        },
    )


def visitor_language(text: str, heard: str, languages: tuple[str, ...]) -> str:
    """The programme's language that the visitor spoke: by the script first, then by the ear."""
    family = "zh" if any("\u4e00" <= c <= "\u9fff" for c in text) else heard.split("-")[0] or "en"
    if family == "zh" and not any("\u4e00" <= c <= "\u9fff" for c in text):
        family = "en"
    return next((each for each in languages if each.split("-")[0] == family), languages[0])


def _is_own_voice(state: State, text: str, now_s: float) -> bool:
    """Did the microphone hear the kiosk itself? (Echo cancelling is the ear's work.)"""
    if state.saying is not None and resembles(text, state.saying.text):
        return True
    return now_s - state.last_said_at_s < ECHO_S and resembles(text, state.last_said)


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
            line = line_of(state.script, item, state.presenting_language)
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
    # An emergency does not wait for whoever speaks: the next tick says the notice.
    return taken_back(state, now_s) if line is not None else (state, ())


def _muted(state: State, on: bool, now_s: float) -> Moved:
    if on == state.muted:
        return state, ()
    if not on:
        return replace(state, muted=False, wait_until_s=now_s), ()
    state, back = taken_back(state, now_s)
    state, cues = hush(state)
    return replace(state, muted=True, mode="idle"), (*back, *cues)
