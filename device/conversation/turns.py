"""Which segment plays next: in order, or drawn by weight, and none more often than it may. Pure."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from device.programme.schema import Segment

if TYPE_CHECKING:
    from device.conversation.state import State

HOUR_S = 3600.0
Plays = tuple[tuple[str, float], ...]


def turns(state: State, segments: tuple[Segment, ...], now_s: float) -> list[tuple[int, int]]:
    """(position in `segments`, sentence to begin at), the one whose turn it is first.

    A changed line comes first whatever its limits. Without a weight anywhere: in order, after
    the last one. With one: drawn (Efraimidis and Spirakis 2006: by u ** (1 / weight)), the one
    that was said last only when nothing else is left. What a limit forbids now is left out.
    """
    ids = [segment.id for segment in segments]
    jump = state.jump_to
    first = [(ids.index(jump[0]), jump[1])] if jump and jump[0] in ids else []
    if any(segment.weight is not None for segment in segments):
        order = _drawn(state, segments)
    else:
        after = first[0][0] if first else _last(state, ids)
        order = [(after + step) % len(ids) for step in range(1, len(ids) + 1)] if ids else []
    allowed = [each for each in order if may_begin(segments[each], state.plays, now_s)]
    return first + [(position, 0) for position in allowed]


def may_begin(segment: Segment, plays: Plays, now_s: float) -> bool:
    """Do the segment's limits let it begin at `now_s`?"""
    begun = [at_s for name, at_s in plays if name == segment.id]
    apart_s = 60.0 * (segment.apart_minutes or 0)
    if begun and now_s - max(begun) < apart_s:
        return False
    recent = sum(now_s - at_s < HOUR_S for at_s in begun)
    return segment.per_hour_max is None or recent < segment.per_hour_max


def noted(plays: Plays, segment: Segment, now_s: float) -> Plays:
    """The plays with one more; only of segments with a limit, and only those that still count."""
    if segment.per_hour_max is None and segment.apart_minutes is None:
        return plays
    newest = dict(plays)
    kept = tuple((name, at_s) for name, at_s in plays
                 if now_s - at_s < HOUR_S or at_s == newest[name])
    return (*kept, (segment.id, now_s))


def _drawn(state: State, segments: tuple[Segment, ...]) -> list[int]:
    dice = Random(f"{state.seed}/{state.drawn}")
    keys = [dice.random() ** (1.0 / (segment.weight or 1)) for segment in segments]
    order = sorted(range(len(segments)), key=lambda each: -keys[each])
    return sorted(order, key=lambda each: segments[each].id == state.last_segment)


def _last(state: State, ids: list[str]) -> int:
    """The position of what was said last; -1 for none of these."""
    if state.last_segment not in ids:
        return -1
    position = state.last_position
    at_place = 0 <= position < len(ids) and ids[position] == state.last_segment
    return position if at_place else ids.index(state.last_segment)
