"""What is noted of a line while it sounds, and how it reaches the agent."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from typing import Any

import pytest

from device import messages as m
from device.conversation.cues import Count, Say, Sentence, StopSpeech
from device.conversation.events import Override
from device.stage import record, teller
from device.stage.record import Record, Screen
from device.stage.teller import Teller
from tests.sim.kiosk import SHOP, Kiosk, script

LIN = Screen("lin/3", "consent-7", 60)


class Stand:
    """The conversation of a kiosk and its record, as director and performer tie them."""

    def __init__(self, **more: Any) -> None:
        self.kiosk = Kiosk(script(**more))
        self.news: deque[tuple[str, dict[str, Any]]] = deque(maxlen=16)
        self.shown_s = 0.0
        self.record = Record(self.news, lambda: Screen(*_three(LIN), shown_s=self.shown_s))
        self.record.comes(self.kiosk.state.script, 41)
        self.rows: list[dict[str, Any]] = []
        self.perform(self.kiosk.cues)

    def perform(self, cues: list[Any]) -> None:
        for cue in cues:
            if isinstance(cue, Say):
                self.record.begins(cue, 0.0, 2.0, self.kiosk.state.script)
            elif isinstance(cue, StopSpeech):
                self.record.cut(0.7)
            elif isinstance(cue, Count) and cue.kind == "played":
                self.rows.append(self.record.row(cue.kind, cue.detail))
        self.rows += [detail for _, detail in self.news]
        self.news.clear()

    def finish(self) -> None:
        self.shown_s += 2.0
        self.record.ends()
        self.perform(self.kiosk.finish())


def _three(screen: Screen) -> tuple[str, str, int]:
    return screen.avatar, screen.consent, screen.label_px


def test_a_line_is_noted_with_its_words_price_face_and_label() -> None:
    stand = Stand()
    for _ in range(5):
        stand.finish()
    hello, tea = stand.rows
    assert hello["said"] == "欢迎来到本店。\n请随便看看。" and hello["prices"] == []
    assert tea["said"].endswith("一罐128元。") and tea["complete"] is True
    assert tea["said_sha256"] == hashlib.sha256(tea["said"].encode()).hexdigest()
    assert tea["prices"] == [{"product": "tea", "price": "¥128", "of": "programme/1"}]
    assert (tea["segment"], tea["price"], tea["version"]) == ("tea", "¥128", 1)  # as ever
    assert (tea["target"], tea["seq"]) == ("programmes/shop/1.json", 41)
    assert (tea["avatar"], tea["consent"]) == ("lin/3", "consent-7")
    assert (tea["label"], tea["label_px"], tea["label_ms"]) == (True, 60, 6000)
    assert tea["sentences"] == [0, 1, 2] and (tea["ms"], tea["cut"]) == (6000, 0)
    assert tea["began"] < "2100" and tea["mono_ms"] > 0


def test_a_price_out_of_the_shops_variables_names_the_desired_state() -> None:
    products = [{**SHOP["products"][0], "price": "{offer}"}, SHOP["products"][1]]
    stand = Stand(products=products, variables={"store": "本店", "offer": "¥99"})
    for _ in range(5):
        stand.finish()
    assert stand.rows[-1]["prices"] == [{"product": "tea", "price": "¥99", "of": "desired/41"}]


def test_a_line_that_was_cut_off_for_an_answer_says_so_and_is_whole_later() -> None:
    stand = Stand()
    stand.finish()  # the first sentence of `hello`; the second one sounds
    from device.conversation.events import Heard, VoiceEnded, VoiceStarted

    stand.perform(stand.kiosk.send(VoiceStarted()))
    stand.perform(stand.kiosk.send(VoiceEnded()))
    stand.perform(stand.kiosk.send(Heard("龙井多少钱")))
    broken = stand.rows.pop(0)
    assert (broken["segment"], broken["complete"], broken["cut"]) == ("hello", False, 1)
    assert broken["ms"] == 2700 and broken["sentences"] == [0, 1]
    for _ in range(2):
        stand.finish()
    assert stand.rows[0]["answer"] == "tea-price" and "visitor" not in json.dumps(stand.rows)
    assert stand.rows[0]["said"] == "龙井128元一罐。\n可以试喝。"
    stand.perform(stand.kiosk.tick(6.0))
    stand.finish()
    whole = stand.rows[-1]
    assert (whole["segment"], whole["complete"], whole["sentences"]) == ("hello", True, [1])
    assert "龙井多少钱" not in json.dumps(stand.rows, ensure_ascii=False)


def test_a_notice_is_noted_each_time_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand()
    stand.finish()
    stand.finish()
    words = Sentence("notice/override/zh-CN/0", "请马上离店。", "zh-CN", None)
    stand.perform(stand.kiosk.send(Override((words,))))
    stand.perform(stand.kiosk.tick(7.0))
    while stand.kiosk.saying != "请马上离店。":
        stand.finish()
    stand.finish()
    stand.perform(stand.kiosk.tick(5.0))
    stand.finish()
    notices = [row for row in stand.rows if "notice" in row]
    assert notices[0]["notice"] == "override" and notices[0]["said"] == "请马上离店。"
    assert notices[0]["complete"] is True and notices[0]["label"]
    monkeypatch.setattr(record, "SILENT_S", -1.0)
    stand.record.ends()
    stand.record.turn()  # taken back: the last one is noted without anything after it
    stand.perform([])
    said = [row["notice"] for row in stand.rows if "notice" in row]
    assert said == ["override"] * (len(notices) + 1)


def test_a_reply_from_beyond_the_script_leaves_no_word_and_no_hash() -> None:
    stand = Stand()
    said = Sentence("answer/beyond/zh-CN/0", "您的手机号码我记下了。", "zh-CN", None)
    stand.record.begins(Say(said, kind="answer"), 0.0, 2.0, stand.kiosk.state.script)
    stand.record.ends()
    row = stand.record.row("played", {"answer": "beyond", "complete": True})
    assert row["ms"] == 2000 and "said" not in row and "said_sha256" not in row
    assert "手机" not in json.dumps(row, ensure_ascii=False)


def test_a_person_who_spoke_is_noted_with_label_and_face_and_without_words() -> None:
    stand = Stand()
    stand.record.driven(True)
    stand.shown_s += 12.0
    stand.record.driven(False)
    row = stand.record.row("live", {"seconds": 12.0})
    assert (row["seconds"], row["label_ms"], row["avatar"]) == (12.0, 12000, "lin/3")
    assert "said" not in row and row["began"]


def test_a_picture_that_hangs_shows_no_label_time() -> None:
    from device.stage.measure import Figures

    figures = Figures()
    for at_s in (0.0, 0.04, 0.08, 60.0):
        figures.shown(at_s)
    assert figures.shown_s == pytest.approx(1.08)


class Agent:
    """The other end of the bus, which may be dead."""

    def __init__(self) -> None:
        self.alive = True
        self.got: list[str] = []
        self.details: list[dict[str, Any]] = []

    def publish(self, happened: m.Happened) -> None:
        if self.alive:
            self.got.append(happened.id)
            self.details.append(happened.detail)


def test_what_a_dead_agent_did_not_hear_is_told_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teller, "AGAIN_S", 0.0)
    agent = Agent()
    stage = Teller(agent.publish)
    stage.tell("played", {}, "1")
    stage.kept(m.Kept(ids=["1"]))
    agent.alive = False
    for number in range(2, 6):
        stage.tell("played", {}, str(number))
    assert stage.waiting == 4
    agent.alive = True
    stage.turn()
    assert agent.got == ["1", "2", "3", "4", "5"]
    stage.kept(m.Kept(ids=agent.got))
    stage.turn()
    assert stage.waiting == 0 and len(agent.got) == 5


def test_an_agent_that_begins_is_told_what_happened_before_it() -> None:
    agent = Agent()
    stage = Teller(agent.publish)
    agent.alive = False
    stage.tell("played", {}, "1")
    stage.turn()
    agent.alive = True
    stage.kept(m.Kept(ids=[]))
    stage.turn()
    assert agent.got == ["1"]


def test_an_older_agent_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "AGAIN_S", 0.0)
    agent = Agent()
    stage = Teller(agent.publish)
    stage.tell("played", {}, "1")
    stage.turn()
    assert agent.got == ["1"]


def test_what_had_to_be_forgotten_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller, "HELD_MAX", 2)
    agent = Agent()
    stage = Teller(agent.publish)
    stage.kept(m.Kept(ids=[]))
    for number in range(4):
        stage.tell("played", {"n": number})
    assert [detail.get("missed") for detail in agent.details] == [None, None, None, 1]


def test_the_sound_of_a_new_price_is_made_ready_before_it_is_taken_over() -> None:
    from device.conversation.events import ProgrammeChanged
    from device.conversation.step import upcoming
    from tests.sim.kiosk import edited

    kiosk = Kiosk()
    kiosk.send(ProgrammeChanged(script(edited("¥128", "¥138"), "/v2", version=2)))
    ready = upcoming(kiosk.state)
    assert ready is not None and "138" in ready.text and kiosk.saying == "欢迎来到本店。"
    kiosk.finish()
    assert kiosk.state.saying == ready
