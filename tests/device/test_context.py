"""A visitor goes on asking: "and the pu'er?", "再说一遍", "speak English", two things at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.conversation.ask import open_script
from device.conversation.context import FORGET_S, TURNS_MAX, Context, Resolved, Turn, resolve

SCRIPT = open_script(Path(__file__).resolve().parents[2] / "programmes" / "tea-shop")


def talk(*sentences: str, showing: str | None = None, pause_s: float = 5.0) -> list[Resolved]:
    """One visitor's sentences, one after the other."""
    context, now_s, said = Context(), 0.0, []
    for heard in sentences:
        language = "zh-CN" if any(c >= "\u4e00" for c in heard) else "en-US"
        resolved = resolve(heard, language, context.at(now_s, showing), SCRIPT)
        context = context.at(now_s, showing).after(resolved, language, now_s)
        said.append(resolved)
        now_s += pause_s
    return said


def answers(*sentences: str, showing: str | None = None) -> list[str | None]:
    return [r.match.answer_id if r.match else r.kind for r in talk(*sentences, showing=showing)]


@pytest.mark.parametrize(
    ("sentences", "wanted"),
    [
        (("龙井多少钱", "那普洱呢"), ["price-longjing", "price-puer"]),
        (("龙井多少钱", "铁观音呢", "茉莉花茶呢"),
         ["price-longjing", "price-tieguanyin", "price-jasmine"]),
        (("how much is the longjing", "what about the pu'er?"), ["price-longjing", "price-puer"]),
        (("how much is the longjing", "and the jasmine?"), ["price-longjing", "price-jasmine"]),
        (("How much is the oolong?", "How about the dark tea?"),
         ["price-tieguanyin", "price-puer"]),
        (("普洱怎么泡", "那铁观音呢"), ["brewing", "brewing"]),
        (("普洱怎么泡", "那它多少钱"), ["brewing", "price-puer"]),
        (("how do I brew the jasmine tea", "and how much is it?"), ["brewing", "price-jasmine"]),
        (("可以试喝吗", "普洱呢"), ["tasting", "tasting"]),
        (("how much is the longjing", "普洱呢"), ["price-longjing", "price-puer"]),
    ],
)  # fmt: skip
def test_a_question_goes_on_from_the_last_one(
    sentences: tuple[str, ...], wanted: list[str]
) -> None:
    assert answers(*sentences) == wanted


def test_the_card_on_screen_is_what_is_meant() -> None:
    assert answers("多少钱", showing="puer") == ["price-puer"]
    assert answers("龙井多少钱", "那这个呢", showing="puer") == ["price-longjing", "price-puer"]
    assert answers("how much is it", showing="jasmine") == ["price-jasmine"]
    assert answers("多少钱") == [None]
    assert answers("那这个呢", showing=None) == [None]


def test_a_minute_later_it_is_a_new_conversation() -> None:
    later = talk("龙井多少钱", "多少钱", pause_s=FORGET_S + 1)
    assert later[1].match is not None and later[1].match.answer_id is None
    soon = talk("龙井多少钱", "多少钱", pause_s=FORGET_S - 1)
    assert soon[1].match is not None and soon[1].match.answer_id == "price-longjing"
    context = Context()
    for number in range(9):
        context = context.after(talk("龙井多少钱")[0], "zh-CN", float(number))
    assert len(context.turns) == TURNS_MAX


def test_another_product_without_that_answer_gets_none() -> None:
    context = Context((Turn("x", "longjing", ("<health>",), "zh-CN", 0.0),))
    resolved = resolve("那普洱呢", "zh-CN", context, SCRIPT)
    assert resolved.match is not None and resolved.match.answer_id is None


@pytest.mark.parametrize(
    ("heard", "kind"),
    [
        ("再说一遍", "repeat"), ("麻烦你再说一次好吗", "repeat"), ("我没听清楚", "repeat"),
        ("你刚才说什么", "repeat"), ("说慢一点", "repeat"),
        ("Could you say that again, please?", "repeat"),
        ("Sorry, I didn't catch that.", "repeat"), ("pardon?", "repeat"),
        ("Slower please", "repeat"),
        ("大声点", "louder"), ("声音能大一点吗", "louder"), ("我听不见", "louder"),
        ("Louder, please.", "louder"), ("I can't hear you", "louder"),
        ("小声一点", "quieter"), ("太吵了", "quieter"), ("that's too loud", "quieter"),
        ("别说了", "stop"), ("停", "stop"), ("安静", "stop"), ("Stop!", "stop"),
        ("please stop talking", "stop"), ("be quiet", "stop"),
        ("谢谢", "thanks"), ("好的谢谢你，再见", "thanks"), ("Thank you very much", "thanks"),
        ("okay bye", "thanks"), ("谢谢你啊", "thanks"), ("再硕一遍", "repeat"),
    ],
)  # fmt: skip
def test_words_about_the_conversation_itself(heard: str, kind: str) -> None:
    (resolved,) = talk(heard)
    assert resolved.kind == kind and resolved.match is None


@pytest.mark.parametrize(
    "heard",
    ["公交站在哪里停", "when does the bus stop", "这个音响声音大吗", "how loud is it", "你叫什么",
     "谢谢，龙井多少钱", "stop by the airport", "龙井再来一罐多少钱", "停车场在哪", ""],
)  # fmt: skip
def test_a_question_is_not_taken_for_one(heard: str) -> None:
    assert talk(heard)[0].kind == "question"


@pytest.mark.parametrize(
    ("heard", "language"),
    [
        ("说英语", "en-US"), ("你会说英文吗", "en-US"), ("Do you speak Chinese?", "zh-CN"),
        ("speak English please", "en-US"), ("请讲普通话", "zh-CN"), ("in English", "en-US"),
    ],
)  # fmt: skip
def test_another_language_is_asked_for(heard: str, language: str) -> None:
    (resolved,) = talk(heard)
    assert (resolved.kind, resolved.language) == ("language", language)


@pytest.mark.parametrize(
    ("heard", "wanted"),
    [
        ("龙井多少钱，你们几点关门？", {"price-longjing", "hours"}),
        ("How much is the longjing and when do you close?", {"price-longjing", "hours"}),
        ("龙井和普洱多少钱", {"price-longjing", "price-puer"}),
        ("龙井多少钱，怎么泡", {"price-longjing", "brewing"}),
        ("how much is the oolong, and can I taste it?", {"price-tieguanyin", "tasting"}),
    ],
)
def test_two_questions_get_two_answers(heard: str, wanted: set[str]) -> None:
    (resolved,) = talk(heard)
    assert resolved.match is not None and resolved.also is not None
    assert {resolved.match.answer_id, resolved.also.answer_id} == wanted
    assert resolved.match.score >= resolved.also.score


def test_one_question_stays_one() -> None:
    for heard in ("请问，龙井多少钱？", "Hello, how much is the longjing?", "龙井多少钱，厕所在哪"):
        assert talk(heard)[0].also is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), max_size=4))
def test_any_talk_is_taken_without_a_fault(sentences: list[str]) -> None:
    for resolved in talk(*sentences, showing="puer"):
        assert resolved.kind == "question" or resolved.match is None
