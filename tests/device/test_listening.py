"""When the ear listens and when a turn is over, decided without a sound."""

from __future__ import annotations

import json

import msgspec
import pytest

from device.asr.endings import judge
from device.asr.known import judged_by
from device.asr.listening import HELD_MAX_NS, Listening
from device.asr.partials import AGAIN_MS, FIRST_MS, LENGTH_MAX_MS, Partials, agreed
from device.asr.vocabulary import vocabulary
from device.asr.wake import WakePhrases, too_short
from device.conversation.match import Matcher
from device.paths import repository_root
from device.programme.check import check_bytes
from device.programme.load import load
from device.programme.schema import Listen

S = 1_000_000_000
PHRASES: dict[str, tuple[str, ...]] = {"zh-CN": ("你好小店",), "en-US": ("hello shop",)}


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("你好小店", ""), ("你好，小店！", ""), ("你好小电，龙井多少钱？", "龙井多少钱"),
        ("嗯你好小店12块吗", "12块吗"), ("Hello shop, how much is the tea?", "how much is the tea"),
        ("hallo shop", ""), ("你好小姐", None), ("小店你好", None), ("你好小天", None),
        ("你好商店", None), ("您好先生", None), ("hello shopping mall", None), ("hello", None),
        ("", None), ("我昨天去的那家也叫你好小店", None), ("İİ你好小店", ""),
    ],
)  # fmt: skip
def test_the_wake_phrase_is_heard_by_its_sound(text: str, rest: str | None) -> None:
    assert WakePhrases.of(PHRASES).rest(text) == rest


def test_a_phrase_that_wakes_by_accident_is_too_short() -> None:
    assert too_short("小店") and too_short("hello") and too_short("hi you")
    assert not too_short("你好小店") and not too_short("hello shop")


def test_awake_after_its_name_for_as_long_as_somebody_talks() -> None:
    ear = Listening(Listen(mode="wake", wake=PHRASES, awake_s=10))
    assert ear.state(S) == "armed"
    assert ear.wakes("龙井多少钱", 2 * S) is None and ear.state(2 * S) == "armed"
    assert ear.wakes("你好小店", 3 * S) == "" and ear.state(3 * S) == "awake"
    assert ear.wakes("龙井多少钱", 9 * S) == "龙井多少钱"
    ear.busy(15 * S)  # it answers
    assert ear.state(24 * S) == "awake" and ear.state(26 * S) == "armed"
    ear.busy(27 * S)  # it presents again: nobody was called
    assert ear.state(27 * S) == "armed"


def test_the_key_is_held_or_pressed_twice_and_may_be_stuck() -> None:
    held = Listening(Listen(mode="push"))
    assert held.state(S) == "deaf"
    held.talk(True, S)
    assert held.state(5 * S) == "awake"
    held.talk(False, 5 * S)
    assert held.state(6 * S) == "deaf"
    held.talk(True, 7 * S)
    assert held.state(7 * S + HELD_MAX_NS) == "deaf" and held.fault
    held.talk(False, 8 * S + HELD_MAX_NS)
    assert held.fault is None
    twice = Listening(Listen(mode="push", press="toggle", awake_s=10))
    for at_s, state in ((1, "awake"), (3, "deaf"), (4, "awake")):
        twice.talk(True, at_s * S)
        twice.talk(False, at_s * S)
        assert twice.state(at_s * S) == state
    assert twice.state(15 * S) == "deaf"  # forgotten
    always = Listening()
    always.talk(False, S)
    assert always.state(S) == "awake"


def test_who_stands_there_is_heard_and_a_blind_eye_is_a_fault() -> None:
    ear = Listening(Listen(mode="presence", awake_s=5))
    assert ear.state(S) == "armed"
    ear.seen(True, 0.001, 2 * S)
    assert ear.state(2 * S) == "armed"
    ear.seen(True, 0.2, 3 * S)
    assert ear.state(7 * S) == "awake" and ear.state(9 * S) == "armed" and ear.fault is None
    ear.seen(False, 0.0, 20 * S)
    assert ear.state(20 * S) == "armed" and "camera" in str(ear.fault)
    ear.seen(True, 0.2, 21 * S)
    assert ear.state(21 * S) == "awake" and ear.fault is None


@pytest.mark.parametrize("text", ["我想要那个", "请问", "你好", "有没有", "how much is the",
                                  "Um, and", "I'd like", "Hello."])
def test_who_looks_for_words_is_waited_for(text: str) -> None:
    assert judge(text, "", lambda text, language: 1.0) == "unfinished"


@pytest.mark.parametrize("text", ["龙井有没有？", "你们现在营业吗", "What does it taste like?",
                                  "Where is it from?"])
def test_whole_questions_are_not_taken_for_unfinished_ones(text: str) -> None:
    assert judge(text, "", None) == "open"


def test_a_question_of_the_programme_is_known_and_noise_is_nothing() -> None:
    knows = judged_by(Matcher.of(load(repository_root() / "programmes" / "tea-shop")))
    assert judge("请问龙井多少钱", "zh-CN", knows) == "known"
    assert judge("How much is the Longjing?", "en-US", knows) == "known"
    assert judge("我昨天在楼上吃了面条", "zh-CN", knows) == "open"
    assert judge("龙井", "zh-CN", knows) != "unfinished"
    assert judge(" 。", "zh-CN", knows) == "nothing"


@pytest.mark.parametrize(
    ("listen", "field", "severity"),
    [
        ({"mode": "wake"}, "listen", "error"),
        ({"mode": "wake", "wake": {"zh-CN": ["小店"]}}, "listen.wake.zh-CN[0]", "error"),
        ({"mode": "wake", "wake": {"fr-FR": ["bonjour"]}}, "listen.wake.fr-FR", "error"),
        ({"mode": "weak", "wake": None}, "listen.mode", "error"),
        ({"mode": "presence", "awake_s": 1}, "listen.awake_s", "error"),
        ({"mode": "push", "key": "Space!"}, "listen.key", "error"),
        ({"mode": "push", "wake": {"zh-CN": ["你好小店"]}}, "listen.wake", "warning"),
        ({"mode": "wake", "wake": {"zh-CN": ["你好小店"]}}, "answers[0].ask.zh-CN[0]", "warning"),
    ],
)
def test_an_editor_is_told_what_is_wrong_with_listening(
    listen: dict[str, object], field: str, severity: str
) -> None:
    programme = {
        "schema": 1, "id": "x", "version": 1, "languages": ["zh-CN"],
        "segments": [{"id": "w", "say": {"zh-CN": "好"}}], "fallback": {"say": {"zh-CN": "好"}},
        "answers": [{"id": "a", "ask": {"zh-CN": ["你好小店开门吗"]}, "say": {"zh-CN": "开"}}],
        "listen": listen,
    }  # fmt: skip
    text = json.dumps(programme, ensure_ascii=False, indent=1)
    found = check_bytes(text.encode(), None, warnings=True, drawn=False)
    (problem,) = (p for p in found if p.field == field and p.severity == severity)
    key = field.rpartition(".")[2].partition("[")[0]
    assert any(f'"{key}"' in line for line in text.splitlines()[problem.line - 2 : problem.line])
    assert problem.sentence_zh and problem.sentence_en


def test_the_wake_phrase_is_never_in_the_recognisers_prompt() -> None:
    programme = load(repository_root() / "programmes" / "tea-shop")
    asked = programme.answers[0].ask["zh-CN"][0]
    assert asked.strip("？?") in vocabulary(programme)["zh-CN"]
    listen = Listen(mode="wake", wake={"zh-CN": (asked,)})
    called = msgspec.structs.replace(programme, listen=listen)
    assert asked.strip("？?") not in vocabulary(called)["zh-CN"]


def test_only_what_two_looks_agree_on_is_shown() -> None:
    assert agreed("How much is the lawn", "how much is the Longjing tea") == "how much is the"
    assert agreed("请问龙", "请问龙井多少钱") == "请问龙"
    looks = Partials()
    assert looks.saw("How much", "", 100) is None
    assert looks.saw("How much is", "en-US", 100) == "How much"
    assert looks.saw("How many", "", 100) is None  # it never takes words back
    assert looks.language == "en-US"


def test_looks_leave_the_processor_time_and_end_with_a_monologue() -> None:
    looks = Partials()
    assert not looks.due(FIRST_MS - 32) and looks.due(FIRST_MS)
    looks.looked(FIRST_MS)
    assert not looks.due(FIRST_MS + 32) and looks.due(FIRST_MS + AGAIN_MS)
    looks.saw("a", "", 1_200.0)
    assert not looks.due(FIRST_MS + AGAIN_MS) and looks.due(FIRST_MS + 2_000)
    assert not looks.due(LENGTH_MAX_MS + 1)
