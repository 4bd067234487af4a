"""Going on with a line from the middle: after the player died in it. Pure."""

from __future__ import annotations

from dataclasses import replace

from device.conversation.cues import Sentence
from device.conversation.events import GoOnWith
from device.conversation.script import Item
from device.conversation.speaking import Moved, begin_line, line_of, next_segment
from device.conversation.state import Line, State
from device.programme.playable import may_say
from device.programme.schema import Answer, Segment


def go_on_with(state: State, event: GoOnWith, now_s: float) -> Moved:
    """Say that line from its sentence `number` on; what follows a line that has no such sentence.

    A line that is gone, or may not be said now, changes nothing.
    """
    state = replace(state, utc=event.utc, utc_at_s=now_s)
    if state.muted or state.saying is not None:
        return state, ()
    line = _line(state, event)
    if line is None:
        return state, ()
    if line.kind == "segment":
        state = replace(state, last_segment=line.item_id, last_position=-1)
    if not line.is_over:
        return begin_line(state, line, now_s)
    return next_segment(state, now_s, 0.0) if line.kind == "segment" else (state, ())


def _line(state: State, event: GoOnWith) -> Line | None:
    programme = state.script.programme
    item: Item | None = programme.segment(event.item_id) or programme.answer(event.item_id)
    if event.kind == "fallback":
        item = programme.fallback
    if item is None:
        return _own_words(event)
    if isinstance(item, Segment | Answer) and not may_say(programme, item, event.utc):
        return None
    if event.kind == "fallback" and event.item_id != "fallback":
        return None  # "sold out" was said: the question is gone, the stock may be another
    line = line_of(state.script, item, event.language, event.utc)
    if line is None:
        return None
    return replace(line, kind=event.kind, next_number=min(event.number, len(line.sentences)))


def _own_words(event: GoOnWith) -> Line | None:
    """A notice in the console's own words, which stand in no programme."""
    if event.kind != "notice" or not event.text:
        return None
    key = f"notice/{event.item_id}/{event.language}/{event.number}"
    sentence = Sentence(key, event.text, event.language, None)
    return Line("notice", event.item_id, (sentence,), min(event.number, 1))
