"""A programme's phrases as a grammar: in words the model knows, and judged by them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device.asr.grammar import Grammar, divided, grammar, split_word
from device.asr.vocabulary import phrases
from device.programme.load import load

KO = ["나", "에게", "커피", "를", "줘", "바나나", "한", "두", "잔", "있", "어요"]
EN = ["how", "much", "is", "the", "green", "tea", "black", "what", "[unk]", "two", "three", "boxes"]


def of(prompt: str, language: str, words: list[str]) -> Grammar:
    found = grammar(prompt, language, set(words).__contains__)
    assert found is not None
    return found


def test_words_longer_than_the_models_are_put_together_of_its_own() -> None:
    assert of("나에게 커피를 줘.", "ko-KR", KO).sentences[0] == "나 에게 커피 를 줘"
    chinese = of("龙井多少钱？", "zh-CN", ["龙井", "多少", "钱", "多", "少"])
    assert chinese.sentences[0] == "龙井 多少 钱"
    assert split_word("多少钱", {"多", "少", "钱", "少钱"}.__contains__) == ["多", "少钱"]
    assert split_word("碧螺春", {"碧", "春"}.__contains__) is None
    assert split_word("长" * 10_000, {"长"}.__contains__) is None


def test_a_word_nobody_knows_is_unknown_or_parts_the_phrase() -> None:
    assert of("How much is the Longjing tea?", "en-US", EN).sentences[0] == (
        "how much is the [unk] tea"
    )
    parted = of("how much is the Longjing tea", "en-US", [w for w in EN if w != "[unk]"])
    assert parted.sentences[:2] == ("how much is the", "tea")
    assert grammar("碧螺春", "zh-CN", lambda _: False) is None
    assert grammar("", "zh-CN", lambda _: True) is None


@pytest.mark.parametrize(
    ("said", "possible"),
    [
        ("나 에게 커피 를 줘", True),
        ("바나나 줘", True),
        # What the closed grammar made of noise, Chinese and English (measured).
        ("를 줘 를 줘 에게 나 나 줘", False),
        ("에게 커피 를 줘", False),
        ("커피 나 에게 커피 를 줘", False),
        ("를 줘", False),
        ("커피", False),
        ("", False),
    ],
)
def test_only_whole_phrases_count(said: str, possible: bool) -> None:
    made = of("나에게 커피를 줘\n바나나 줘\n커피", "ko-KR", KO)
    assert made.could_say(said.split()) is possible


def test_any_number_stands_where_a_phrase_has_one() -> None:
    made = of("커피 한 잔 줘", "ko-KR", KO)
    assert made.could_say(["커피", "두", "잔", "줘"])
    assert not made.could_say(["두", "커피", "한", "잔", "줘"])
    assert "두" in made.sentences and not of("바나나 줘", "ko-KR", KO).could_say(["두", "한"])
    english = of("two boxes", "en-US", EN)
    assert english.could_say(["three", "boxes"]) and not english.could_say(["three", "[unk]"])


def test_a_prompt_is_divided_by_lines_and_signs() -> None:
    assert divided("龙井多少钱？香蕉、芭蕉。\n\n 香蕉 ") == ["龙井多少钱", "香蕉", "芭蕉"]
    assert divided("It is 1.50. OK?") == ["It is 1.50", "OK"]


def test_every_phrase_of_a_programme_is_in_not_only_the_first_ones(tmp_path: Path) -> None:
    asked = [f"第{n}个茶多少钱？" for n in range(150)]
    programme = {
        "schema": 1, "id": "tea", "version": 1, "languages": ["zh-CN"],
        "products": [{"id": "b", "name": {"zh-CN": "香蕉"}, "aliases": {"zh-CN": ["芭蕉"]}}],
        "answers": [{"id": "a", "ask": {"zh-CN": asked}, "say": {"zh-CN": "三元"}}],
        "fallback": {"say": {"zh-CN": "请问店员"}},
    }  # fmt: skip
    (tmp_path / "programme.json").write_text(json.dumps(programme), encoding="utf-8")
    lines = phrases(load(tmp_path))["zh-CN"].splitlines()
    assert len(lines) == 152 and lines[149] == "第149个茶多少钱" and lines[-2:] == ["香蕉", "芭蕉"]
