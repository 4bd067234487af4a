"""A question in words that the programme never uses: understood once its meaning is compared."""

from __future__ import annotations

from pathlib import Path

from device.conversation import events
from device.conversation.script import Script
from device.conversation.step import begin, step
from device.paths import assets_dir, repository_root
from device.stage.meanings import Meanings
from ota.clock import Deadline, sleep_s

ASKED = "Do I have to pay to sample something?"


def sensed(script: Script, meanings: Meanings) -> Script:
    meanings.want(script)
    deadline = Deadline(60)
    while (found := meanings.take()) is None:
        assert not deadline.passed and (told := meanings.fault()) is None, told
        sleep_s(0.05)
    return found


def test_the_script_that_plays_understands_more_and_stays_where_it_is() -> None:
    script = Script.load(repository_root() / "programmes" / "tea-shop")
    meanings = Meanings(assets_dir(), after_s=0.0)
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
    meanings = Meanings(tmp_path, after_s=0.0)
    meanings.want(Script.load(repository_root() / "programmes" / "tea-shop"))
    deadline, told = Deadline(20), None
    while told is None and not deadline.passed:
        told = meanings.fault()
        sleep_s(0.02)
    assert told is not None and "words alone" in told and "models fetch" in told
    assert meanings.take() is None and meanings.fault() is None
