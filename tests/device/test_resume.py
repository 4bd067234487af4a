"""After a death: which sentence begins again, which is left out, and which is nobody's any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from device.conversation.cues import Say, Sentence
from device.conversation.events import GoOnWith, Muted, SayNow
from device.conversation.state import State
from device.conversation.step import begin, step
from device.paths import Places
from device.stage.resume import AGE_S_MAX, Bookmark, Note, resumption
from tests.device.test_conversation import EXPIRES, START, Kiosk, script

TEA = Note(at_utc_s=START.timestamp(), programme_id="shop", kind="segment", item_id="tea",
           number=1, language="zh-CN")


def said(state: State, event: GoOnWith) -> list[str]:
    return [cue.sentence.text for cue in step(state, event, 0.0)[1] if isinstance(cue, Say)]


def go_on(**changes: object) -> GoOnWith:
    first = GoOnWith("segment", "tea", 1, "zh-CN", START)
    return replace(first, **changes)  # type: ignore[arg-type]


def test_the_sentence_begins_again_in_its_line_with_its_card_and_the_line_goes_on() -> None:
    state, cues = step(begin(script()), go_on(), 0.0)
    assert [c.sentence.text for c in cues if isinstance(c, Say)] == ["味道很鲜。"]
    assert (state.showing, state.mode, state.last_segment) == ("tea", "presenting", "tea")
    assert state.line is not None and state.line.next_number == 2


@pytest.mark.parametrize(("event", "words"), [
    (go_on(number=3), ["这是茶杯。"]),  # the line is over: the next segment
    (go_on(kind="answer", item_id="tea-price", number=0), ["龙井128元一罐。"]),
    (go_on(kind="answer", item_id="tea-price", number=2), []),  # the presentation follows
    (go_on(kind="notice", item_id="hello", number=0, text="x"), ["欢迎来到本店。"]),
    (go_on(kind="notice", item_id="said", number=0, text="请注意。"), ["请注意。"]),
    (go_on(kind="notice", item_id="said", number=1, text="请注意。"), []),
    (go_on(kind="fallback", item_id="fallback", number=0), ["这个我不清楚。"]),
    (go_on(item_id="gone"), []),
    (go_on(item_id="cup", number=0, utc=EXPIRES + timedelta(seconds=1)), []),
])
def test_where_it_goes_on(event: GoOnWith, words: list[str]) -> None:
    assert said(begin(script()), event) == words


def test_a_muted_kiosk_stays_silent() -> None:
    muted = step(begin(script()), Muted(True), 0.0)[0]
    assert said(muted, go_on()) == []


def test_a_sentence_that_killed_twice_is_left_out_and_said_so() -> None:
    once = resumption(TEA, "shop", START)
    assert once is not None and (once.event.number, once.deaths, once.fault) == (1, 1, None)
    twice = resumption(msgspec.structs.replace(TEA, deaths=1), "shop", START)
    assert twice is not None and twice.event.number == 2
    assert twice.fault is not None and "2 times in sentence 2 of segment tea" in twice.fault


def test_old_notes_other_programmes_and_repeated_notices_are_not_resumed() -> None:
    assert resumption(TEA, "other", START) is None
    assert resumption(TEA, "shop", START + timedelta(seconds=AGE_S_MAX + 1)) is None
    assert resumption(TEA, "shop", START - timedelta(seconds=1)) is None
    override = msgspec.structs.replace(TEA, kind="notice", item_id="override")
    assert resumption(override, "shop", START) is None


def test_the_bookmark_follows_what_is_said_and_survives_nonsense(tmp_path: Path) -> None:
    kiosk, mark = Kiosk(), Bookmark(Places(tmp_path))
    kiosk.send(SayNow(sentences=(Sentence("notice/console/-/0", "请注意。", "", None),)))
    mark.keep(kiosk.state, START)
    found = Bookmark(Places(tmp_path)).found("shop", START)
    assert found is not None and (found.event.kind, found.event.text) == ("notice", "请注意。")
    mark.keep(replace(kiosk.state, saying=None), START)
    assert mark.found("shop", START) is None, "silence leaves nothing"
    (tmp_path / "run" / "vitrine" / "saying.json").write_bytes(b"\x00{")
    assert mark.found("shop", START) is None
