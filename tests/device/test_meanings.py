"""A question in words that the programme never uses: understood once its meaning is compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from device.asr.endings import judge
from device.asr.known import Learning, judged_by, known
from device.conversation import events
from device.conversation.match import Matcher
from device.conversation.meaning import Meaning
from device.conversation.meanings import Meanings
from device.conversation.script import Script
from device.conversation.step import begin, step
from device.paths import assets_dir, repository_root
from device.programme.load import load
from ota.clock import Deadline, sleep_s
from ota.errors import Broken

ASKED = "Do I have to pay to sample something?"


def sensed(script: Script, meanings: Meanings[Script]) -> Script:
    meanings.want(script.with_meaning)
    deadline = Deadline(60)
    while (found := meanings.take()) is None:
        assert not deadline.passed and (told := meanings.fault()) is None, told
        sleep_s(0.05)
    return found


def told_by(meanings: Meanings[Any]) -> str:
    deadline = Deadline(30)
    while (told := meanings.fault()) is None:
        assert not deadline.passed
        sleep_s(0.02)
    return told


def test_the_script_that_plays_understands_more_and_stays_where_it_is() -> None:
    script = Script.load(repository_root() / "programmes" / "tea-shop")
    meanings: Meanings[Script] = Meanings(assets_dir(), after_s=0.0)
    more = sensed(script, meanings)
    meanings.close()
    assert meanings.take() is None, "once"
    state, _ = step(begin(script), events.Sensed(more), 1.0)
    assert state.script is more and state.pending is None and state.line is None
    waiting, _ = step(begin(script), events.ProgrammeChanged(
        Script.load(repository_root() / "programmes" / "tea-shop")), 1.0)
    assert step(waiting, events.Sensed(more), 1.0)[0].pending is waiting.pending
    by_words = script.matcher.match(ASKED, "en-US", None)
    by_meaning = more.matcher.match(ASKED, "en-US", None)
    assert by_words.answer_id is None and by_meaning.answer_id == "tasting", (by_words, by_meaning)


def test_without_the_encoder_the_words_are_compared_and_it_is_told_once(tmp_path: Path) -> None:
    meanings: Meanings[Script] = Meanings(tmp_path, after_s=0.0)
    meanings.want(Script.load(repository_root() / "programmes" / "tea-shop").with_meaning)
    told = told_by(meanings)
    assert "words alone" in told and "models fetch" in told
    assert meanings.take() is None and meanings.fault() is None


def test_the_ear_too_learns_which_questions_it_need_not_wait_for() -> None:
    programme = load(repository_root() / "programmes" / "tea-shop")
    assert judge(ASKED, "en-US", judged_by(Matcher.of(programme))) == "open"
    meanings, showing = Learning(assets_dir(), after_s=0.0), ["longjing"]
    knows = known(programme, lambda: showing[0], meanings)
    deadline = Deadline(60)
    while judge(ASKED, "en-US", knows) == "open":
        assert not deadline.passed and (told := meanings.fault()) is None, told
        sleep_s(0.05)
    meanings.close()
    assert judge("What do I have to pay for this one?", "en-US", knows) == "known"
    showing[0] = ""
    assert judge("What do I have to pay for this one?", "en-US", knows) != "known", "for nothing"


def test_an_encoder_that_cannot_be_read_any_more_is_told_and_the_next_wish_is_heard() -> None:
    def broken(_: Meaning) -> str:
        raise Broken("The model cannot be read.")

    meanings: Meanings[str] = Meanings(assets_dir(), after_s=0.0)
    meanings.want(broken)
    assert told_by(meanings) == "The model cannot be read."
    meanings.want(lambda _: "made")
    deadline = Deadline(30)
    while (made := meanings.take()) is None:
        assert not deadline.passed
        sleep_s(0.02)
    meanings.close()
    assert made == "made"
