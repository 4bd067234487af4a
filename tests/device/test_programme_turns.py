"""Which segment plays next: drawn by weight, never too often, and the same for the same seed."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from device.conversation.step import begin
from device.conversation.turns import HOUR_S, may_begin, noted, turns
from device.programme.schema import Segment
from tests.sim.kiosk import SHOP, Kiosk, script


def segment(name: str, **more: Any) -> Segment:
    return msgspec.convert({"id": name, "say": {"zh-CN": name}, **more}, Segment)


def limited(**limits: Any) -> dict[str, Any]:
    data = copy.deepcopy(SHOP)
    data["products"][1].pop("valid")
    for each in data["segments"]:
        each.update(limits.get(each["id"], {}))
    return data


def order(kiosk: Kiosk, count: int) -> list[str]:
    """The segments in the order in which they are begun."""
    found: list[str] = []
    for _ in range(count):
        if kiosk.saying is None:
            kiosk.tick(2)
        elif kiosk.state.line is not None and kiosk.state.line.next_number == 1:
            found.append(kiosk.state.line.item_id)
        if kiosk.saying is not None:
            kiosk.finish()
    return found


def test_without_weights_the_order_is_that_of_the_schedule() -> None:
    assert order(Kiosk(script(limited())), 9)[:4] == ["hello", "tea", "cup", "hello"]


def test_twice_the_weight_is_twice_as_often_and_the_seed_decides_the_order() -> None:
    data = limited(hello={"weight": 1}, tea={"weight": 6}, cup={"weight": 3})
    played = order(Kiosk(script(data)), 300)
    again = order(Kiosk(script(data)), 300)
    assert played == again, "the same box tells the same story twice"
    other = Kiosk(script(data))
    other.state = replace(begin(other.state.script, seed=9), utc=other.utc, utc_at_s=other.now_s)
    other.tick()
    assert order(other, 300) != played
    counted = Counter(played)
    assert counted["tea"] > counted["cup"] > counted["hello"] > 0
    assert all(one != two for one, two in pairwise(played)), "never at once"


def test_drawn_freely_the_shares_are_those_of_the_weights() -> None:
    parts = tuple(segment(f"s{n}", weight=n) for n in (1, 2, 7))
    state = begin(script())
    first = Counter(
        parts[turns(replace(state, drawn=n), parts, 0.0)[0][0]].id for n in range(4000))
    for part in parts:
        share = (part.weight or 0) / 10
        assert abs(first[part.id] / 4000 - share) < 0.03, first


def test_at_most_so_often_an_hour_and_not_again_within_minutes() -> None:
    data = limited(tea={"per_hour_max": 2}, cup={"apart_minutes": 10})
    kiosk = Kiosk(script(data))
    began: dict[str, list[float]] = {"tea": [], "cup": [], "hello": []}
    for _ in range(400):
        kiosk.now_s += 15
        if kiosk.saying is None:
            kiosk.tick(2)
            continue
        line = kiosk.state.line
        if line is not None and line.kind == "segment" and line.next_number == 1:
            began[line.item_id].append(kiosk.now_s)
        kiosk.finish()
    assert len(began["hello"]) > 50, "the rest plays on"
    assert all(b - a >= 600 for a, b in pairwise(began["cup"]))
    for at_s in began["tea"]:
        assert sum(at_s <= other < at_s + HOUR_S for other in began["tea"]) <= 2
    assert len(began["tea"]) >= 3, "and again in the next hour"


def test_when_nothing_may_play_it_rests_and_goes_on_by_itself() -> None:
    every = {name: {"apart_minutes": 5} for name in ("hello", "tea", "cup")}
    kiosk = Kiosk(script(limited(**every)))
    assert order(kiosk, 9) == ["hello", "tea", "cup"]
    assert kiosk.saying is None and kiosk.state.mode == "idle" and kiosk.state.showing is None
    kiosk.tick(301)
    assert kiosk.saying == "欢迎来到本店。"


def test_a_changed_line_comes_first_whatever_its_limits() -> None:
    parts = (segment("a"), segment("b", apart_minutes=60))
    state = replace(begin(script()), jump_to=("b", 1), plays=(("b", 0.0),))
    assert turns(state, parts, 1.0) == [(1, 1), (0, 0)]


@settings(deadline=None, max_examples=60)
@given(gaps=st.lists(st.floats(0.1, 2000), max_size=60), most=st.integers(1, 5),
       apart=st.none() | st.integers(1, 30))
def test_what_is_remembered_is_bounded_and_enough(
    gaps: list[float], most: int, apart: int | None
) -> None:
    limits = {"per_hour_max": most} | ({"apart_minutes": apart} if apart else {})
    part, plays, now_s, begun = segment("a", **limits), (), 0.0, []
    for gap in gaps:
        now_s += gap
        if may_begin(part, plays, now_s):
            plays = noted(plays, part, now_s)
            begun.append(now_s)
    assert len(plays) <= most + 1
    for at_s in begun:
        assert sum(at_s <= each < at_s + HOUR_S for each in begun) <= most
    if apart:
        assert all(b - a >= 60 * apart for a, b in pairwise(begun))
    assert noted((), segment("free"), 1.0) == ()
