"""The moves of the conversation: begin a line, say its next sentence, end it, take over a script.

Every function takes a State and gives (State, cues); all are pure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from device.conversation.cues import Count, Cue, Kind, Say, Sentence, ShowCard, StopSpeech
from device.conversation.script import Item, Script
from device.conversation.state import Line, Mode, State, Talk
from device.conversation.turns import noted, turns
from device.programme.lines import DID_YOU_MEAN
from device.programme.playable import may_say, may_show, said_at, scheduled
from device.programme.schema import Fallback, Segment

SENTENCE_PAUSE_S = 0.25
SEGMENT_PAUSE_S = 1.0
NOTICE_PAUSE_S = 3.0
FOLLOW_UP_S = 3.0  # after an answer: the card stays, and a further question is waited for
ANSWER_BACK_S = 6.0  # and so long for a yes or no
IDLE_RETRY_S = 1.0
LOST_SENTENCE_S = 6.0  # a SentenceDone that is so late will never come
NOTICE_SENTENCE_MAX_S = 60.0
BEYOND = "beyond"  # the id of an answer that stands in no programme

Moved = tuple[State, tuple[Cue, ...]]
_MODES: dict[str, Mode] = {
    "segment": "presenting",
    "answer": "answering",
    "fallback": "fallback",
    "notice": "notice",
}


def go_on(state: State, now_s: float, pause_s: float = 0.0) -> Moved:
    """Nothing sounds: say what comes next, or rest."""
    state, cues = take_over(state)
    if state.muted:
        return replace(state, mode="idle"), cues
    if state.resting and not _is_unfinished(state.line, "answer", "fallback", "notice"):
        cues += _left(state)
        state = replace(state, mode="idle", line=None, resume=None)
        return _then(cues, show(state, None))
    override = active_override(state, now_s)
    if override is not None and not _is_unfinished(state.line, "notice"):
        state = replace(state, resume=interrupted(state), line=None)
        return _then(cues, begin_line(state, override, now_s, pause_s))
    for candidate in (state.line, state.resume):
        if candidate is not None and not candidate.is_over and _still_good(state, candidate, now_s):
            if candidate.kind == "segment":
                state = replace(state, resume=None)
            return _then(cues, begin_line(state, candidate, now_s, pause_s))
    cues += _left(state)
    state = replace(state, line=None, resume=None)
    return _then(cues, next_segment(state, now_s, pause_s))


def _left(state: State) -> tuple[Cue, ...]:
    """A segment that is not said to its end, because its part of the day is over, was played."""
    if not _is_unfinished(state.line, "segment") or state.line is None:
        return ()
    return (played(state, state.line, complete=False),)


def _is_unfinished(line: Line | None, *kinds: Kind) -> bool:
    return line is not None and line.kind in kinds and not line.is_over


def begin_line(state: State, line: Line, now_s: float, pause_s: float = 0.0) -> Moved:
    """Show the line's card and say its next sentence."""
    state, cues = show(state, line.show)
    sentence = line.sentences[line.next_number]
    length_s = sentence.duration_ms / 1000 if sentence.file else NOTICE_SENTENCE_MAX_S
    state = replace(
        state,
        mode=_MODES[line.kind],
        saying=sentence,
        saying_until_s=now_s + pause_s + length_s + LOST_SENTENCE_S,
        line=replace(line, next_number=line.next_number + 1),
        voices=replace(state.voices, stopped_at_s=None),
        asked_back=state.asked_back if line.kind == "fallback" else None,
    )
    gesture = line.gesture if line.next_number == 0 else None
    return state, (*cues, Say(sentence, gesture, pause_s, line.kind))


def next_segment(state: State, now_s: float, pause_s: float) -> Moved:
    """Begin the segment whose turn it is; idle when there is none."""
    moment = state.now(now_s)
    if moment is None:
        return state, ()
    language = state.presenting_language
    segments = state.script.playable(moment, language).segments
    for position, number in turns(state, segments, now_s):
        segment = segments[position]
        line = line_of(state.script, segment, language, moment)
        if line is None:
            continue
        state = replace(
            state, last_segment=segment.id, last_position=position, jump_to=None,
            plays=noted(state.plays, segment, now_s), drawn=state.drawn + 1)
        number = min(number, len(line.sentences) - 1)
        return begin_line(state, replace(line, next_number=number), now_s, pause_s)
    state, cues = show(state, None)
    return replace(state, mode="idle", wait_until_s=now_s + IDLE_RETRY_S), cues


def line_of(
    script: Script, item: Item, language: str, now: datetime | None = None
) -> Line | None:
    """The line of a segment, answer or fallback, from its first sentence; None without sound.

    At `now` in a language in which it holds then.
    """
    sentences = script.sentences(item, language, now)
    if not sentences:
        return None
    if isinstance(item, Fallback):
        return Line("fallback", "fallback", sentences, 0, item.show, item.gesture)
    kind: Kind = "segment" if isinstance(item, Segment) else "answer"
    return Line(kind, item.id, sentences, 0, item.show, item.gesture)


def show(state: State, product_id: str | None) -> Moved:
    """Show that card, unless it is on screen already."""
    if product_id == state.showing:
        return state, ()
    return replace(state, showing=product_id), (ShowCard(product_id),)


def hush(state: State) -> Moved:
    """Stop what sounds at once, and keep the presentation's place."""
    state = replace(state, also=None, asking=None)
    if state.saying is None:
        broken_off = state.line if state.voices.stopped_at_s is not None else None
        cut = broken_off is not None and broken_off.kind == "answer"
        counted = (played(state, broken_off, complete=False),) if broken_off and cut else ()
        return replace(state, resume=interrupted(state), line=None), counted
    cues: tuple[Cue, ...] = (StopSpeech(),)
    if state.line is not None and state.line.kind in ("segment", "answer"):
        cues += (played(state, state.line, complete=False),)
    return replace(state, resume=interrupted(state), line=None, saying=None), cues


def interrupted(state: State) -> Line | None:
    """The presentation's line to go on with: from the sentence that was cut off."""
    line = state.line
    if line is None or line.kind != "segment":
        return state.resume
    if state.saying is not None and line.next_number > 0:
        return replace(line, next_number=line.next_number - 1)
    return None if line.is_over else line


def end_line(state: State, line: Line, now_s: float) -> Moved:
    """The last sentence of `line` was said."""
    cues: tuple[Cue, ...] = () if line.kind == "notice" else (played(state, line, complete=True),)
    state = replace(state, line=None)
    if line.kind == "segment":
        # A new price does not wait for the pause that a piece of the presentation ends with.
        pause_s = SENTENCE_PAUSE_S if state.pending is not None else SEGMENT_PAUSE_S
        return _then(cues, go_on(state, now_s, pause_s))
    if line.kind == "notice" and active_override(state, now_s) is not None:
        return _then(cues, go_on(state, now_s, NOTICE_PAUSE_S))
    if line.kind == "answer" and state.also is not None:
        # What else was asked in the same sentence.
        state = replace(state, line=state.also, also=None)
        return _then(cues, go_on(state, now_s, SENTENCE_PAUSE_S))
    wait_s = ANSWER_BACK_S if line.item_id == DID_YOU_MEAN else FOLLOW_UP_S
    return replace(state, mode="listening", wait_until_s=now_s + wait_s), cues


def played(state: State, line: Line, complete: bool) -> Count:
    """The proof that a line was said: which, in which language, at which price."""
    product = state.script.product(line.show)
    return Count(
        "played",
        {
            line.kind: line.item_id,
            "language": line.sentences[0].language,
            "complete": complete,
            "programme": state.script.programme.id,
            "version": state.script.programme.version,
            "price": product.price if product else None,
        },
    )


def active_override(state: State, now_s: float) -> Line | None:
    """The emergency notice that holds now."""
    moment = state.now(now_s)
    if state.override is None:
        return None
    if state.override_until and moment and moment >= state.override_until:
        return None
    return state.override


def _still_good(state: State, line: Line, now_s: float) -> bool:
    """May the line's next sentence be said: validity or part of the day may have ended."""
    moment = state.now(now_s)
    programme = state.script.programme
    if line.kind in ("fallback", "notice") or line.item_id == BEYOND or moment is None:
        return True
    found = (
        programme.segment(line.item_id)
        if line.kind == "segment"
        else programme.answer(line.item_id)
    )
    if found is None or not may_say(programme, found, moment):
        return False
    if line.sentences[0].language not in said_at(programme, found, moment):
        return False
    return line.kind == "answer" or line.item_id in scheduled(programme, moment)


def card_still_good(state: State, now_s: float) -> bool:
    """False when the card on screen shows a product that has expired or is gone."""
    moment = state.now(now_s)
    if state.showing is None or moment is None:
        return True
    return may_show(state.script.programme, state.showing, moment)


def take_over(state: State) -> Moved:
    """Play the pending script from now on: the changed line first, else where we are."""
    if state.pending is None:
        return state, ()
    old, new = state.script, state.pending
    state = replace(state, script=new, pending=None)
    if old.programme.id != new.programme.id:
        state = replace(
            state, line=None, resume=None, also=None, talk=Talk(louder=state.talk.louder),
            last_segment=None, jump_to=None,
        )  # fmt: skip
    else:
        language = state.presenting_language
        state = replace(
            state,
            line=_renewed(state.line, new),
            resume=_renewed(state.resume, new),
            also=_renewed(state.also, new),
            jump_to=first_change(old, new, language),
        )
        if state.jump_to is not None and (state.line is None or state.line.kind == "segment"):
            state = replace(state, line=None, resume=None)
        elif state.jump_to is not None:
            state = replace(state, resume=None)
    if state.showing is not None and old.product(state.showing) != new.product(state.showing):
        still_there = new.product(state.showing) is not None
        state = replace(state, showing=state.showing if still_there else None)
        return state, (ShowCard(state.showing),)
    return state, ()


def _renewed(line: Line | None, new: Script) -> Line | None:
    """The same line in the new script, at the same sentence; None when it is gone or changed."""
    if line is None or line.kind == "notice":
        return line
    programme = new.programme
    item: Item | None = programme.fallback
    if line.kind == "segment":
        item = programme.segment(line.item_id)
    elif line.kind == "answer":
        item = programme.answer(line.item_id)
    fresh = line_of(new, item, line.sentences[0].language) if item is not None else None
    if fresh is None or [s.text for s in fresh.sentences] != [s.text for s in line.sentences]:
        return None
    return replace(fresh, next_number=line.next_number)


def first_change(old: Script, new: Script, language: str) -> tuple[str, int] | None:
    """(segment id, sentence) of the first difference that a viewer can hear or see."""
    for segment in new.programme.segments:
        before = old.programme.segment(segment.id)
        now_said = [s.text for s in new.sentences(segment, language)]
        was_said = [s.text for s in old.sentences(before, language)] if before else []
        if now_said != was_said:
            return segment.id, _first_difference(was_said, now_said)
        if new.product(segment.show) != old.product(segment.show):
            return segment.id, 0
    return None


def news(state: State) -> Sentence | None:
    """What the pending script will be taken over with: its first change, which was never said."""
    if state.pending is None or state.script.programme.id != state.pending.programme.id:
        return None
    language = state.presenting_language
    found = first_change(state.script, state.pending, language)
    segment = state.pending.programme.segment(found[0]) if found else None
    if found is None or segment is None:
        return None
    sentences = state.pending.sentences(segment, language)
    return sentences[min(found[1], len(sentences) - 1)] if sentences else None


def _first_difference(old: list[str], new: list[str]) -> int:
    for number, (was, now) in enumerate(zip(old, new, strict=False)):
        if was != now:
            return number
    return min(len(old), max(len(new) - 1, 0))


def _then(before: tuple[Cue, ...], moved: Moved) -> Moved:
    return moved[0], (*before, *moved[1])


def sentence_is(sentence: Sentence | None, key: str) -> bool:
    """Is it the sentence of that line key that sounds?"""
    return sentence is not None and sentence.key == key
