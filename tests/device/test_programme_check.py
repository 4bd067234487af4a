"""An editor gets every mistake named: file, line, field and a sentence, in both languages."""
# ruff: noqa: E501 - the example keeps the contract's own lines

from __future__ import annotations

import copy
import json
import random
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device.programme.check import check, check_bytes
from device.programme.cli import run_check
from device.programme.problems import Problem
from device.render.pixels import png_bytes

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
PNG = png_bytes(np.full((8, 8, 4), 128, np.uint8))
# The example of the contract, with its own line breaks.
EXAMPLE = """{"schema": 1, "id": "spring-tea", "version": 12, "languages": ["zh-CN", "en-US"],
 "avatar": {"id": "lin", "version": ">=3"},
 "valid": {"from": "2026-11-20T00:00+08:00", "until": "2026-12-31T23:59+08:00"},
 "variables": {"store_name": "our shop"},
 "products": [{"id": "longjing", "name": {"zh-CN": "明前龙井", "en-US": "Longjing tea"},
               "price": "¥128", "image": "assets/longjing.png",
               "qr": "https://example.com/p/longjing", "valid": {"until": "2026-12-01T00:00+08:00"}}],
 "segments": [{"id": "welcome", "say": {"zh-CN": "欢迎光临{store_name}", "en-US": "Welcome to {store_name}"}, "show": null},
              {"id": "longjing", "say": {"zh-CN": "今年的明前龙井。", "en-US": "This year's Longjing."}, "show": "longjing", "gesture": "point-left"}],
 "answers": [{"id": "price-longjing", "ask": {"zh-CN": ["龙井多少钱", "这个茶怎么卖"], "en-US": ["how much is the longjing"]},
              "say": {"zh-CN": "明前龙井一百二十八元一盒", "en-US": "It is 128 yuan."}, "show": "longjing"}],
 "fallback": {"say": {"zh-CN": "这个我不太清楚,请问一下店员好吗?", "en-US": "Please ask my colleague."}},
 "schedule": [{"days": "mon-sun", "from": "09:00", "until": "21:30", "play": ["welcome", "longjing"]}]}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "longjing.png").write_bytes(PNG)
    (tmp_path / "programme.json").write_text(EXAMPLE, encoding="utf-8")
    return tmp_path


def after(shop: Path, old: str, new: str) -> list[Problem]:
    """The problems after an edit of the text."""
    assert old in EXAMPLE
    (shop / "programme.json").write_text(EXAMPLE.replace(old, new), encoding="utf-8")
    return check(shop, NOW)


def line_of(text: str) -> int:
    return EXAMPLE[: EXAMPLE.index(text)].count("\n") + 1


def test_the_example_of_the_contract_is_good(shop: Path) -> None:
    assert check(shop, NOW, warnings=True) == []


def test_the_shipped_programme_is_good() -> None:
    assert check(ROOT / "programmes" / "tea-shop", warnings=True) == []


# (edit, field that is named, words of the English sentence, a text on the named line)
MISTAKES: list[tuple[str, str, str, str, str]] = [
    ('"price"', '"prcie"', "products[0].prcie", 'did you mean "price"', '"price"'),
    ('"show": "longjing", "gesture"', '"show": "longjin", "gesture"', "segments[1].show",
     'no product "longjin"; did you mean "longjing"', '"id": "longjing", "say"'),
    ('["welcome", "longjing"]', '["welcom", "longjing"]', "schedule[0].play[0]",
     'no segment "welcom"; did you mean "welcome"', '"schedule"'),
    ("临{store_name}", "临{shop_name}", "segments[0].say.zh-CN", 'no variable "shop_name"',
     '"segments"'),
    ("临{store_name}", "临{store_name", "segments[0].say.zh-CN", "without its other half",
     '"segments"'),
    ('"from": "09:00"', '"from": "25:00"', "schedule[0].from", "no time of day", '"schedule"'),
    ('"from": "09:00"', '"from": "09:60"', "schedule[0].from", "no time of day", '"schedule"'),
    ('"from": "09:00"', '"from": "22:00"', "schedule[0].until", "not after the beginning",
     '"schedule"'),
    ("mon-sun", "mon-sum", "schedule[0].days", '"mon-sum" is no day', '"schedule"'),
    ("2026-11-20T", "2026-02-30T", "valid.from", "no date and time", '"valid": {"from"'),
    ("2026-12-31T23:59", "2026-11-01T23:59", "valid.until", "ends before it begins",
     '"valid": {"from"'),
    ("assets/longjing.png", "../longjing.png", "products[0].image", "leaves the programme's folder",
     '"image"'),
    ("assets/longjing.png", "/etc/passwd", "products[0].image", "leaves the programme's folder",
     '"image"'),
    ("assets/longjing.png", "assets/lonjing.png", "products[0].image", "is not there", '"image"'),
    ("一百二十八元", "一百三十八元", "answers[0].say.zh-CN", "is not the price of 明前龙井", "一百二十八元"),
    ("128 yuan", "138 yuan", "answers[0].say.en-US", "is not the price of Longjing tea", "128 yuan"),
    ("龙井多少钱\", \"", "龙井多少钱\", \"\", \"", "answers[0].ask.zh-CN[1]", "must not be empty",
     "龙井多少钱"),
    ('"version": 12', '"version": "12"', "version", "must be a whole number", '"version": 12'),
    ('"id": "welcome"', '"id": "Welcome!"', "segments[0].id", "not written right", '"segments"'),
    ('"id": "welcome"', '"id": "longjing"', "segments[1].id", "is used twice",
     '"id": "longjing", "say"'),
    ('"fallback"', '"fallbak"', "fallbak", 'did you mean "fallback"', '"fallback"'),
    ('["zh-CN", "en-US"]', '["zh-CN", "en-us"]', "languages[1]", "not written right", '"schema"'),
    ("今年的明前龙井。", "今年的明前龙井" * 20, "segments[1].say.zh-CN", "sentence is too long",
     '"id": "longjing", "say"'),
    ('"schema": 1', '"schema": 9', "schema", "must be 1", '"schema"'),
    ('"version": 12', '"version": 12, "version": 13', "version", "is written twice", '"version"'),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "field", "words", "on_line"), MISTAKES)
def test_a_mistake_is_named_with_its_line_and_field(
    shop: Path, old: str, new: str, field: str, words: str, on_line: str
) -> None:
    problems = after(shop, old, new)
    found = [p for p in problems if p.field == field and words in p.sentence_en]
    assert found, problems
    assert found[0].file == "programme.json"
    assert found[0].line == line_of(on_line)
    assert found[0].sentence_zh and found[0].sentence_zh != found[0].sentence_en


def test_all_mistakes_are_shown_not_only_the_first(shop: Path) -> None:
    text = EXAMPLE
    for old, new in (
        ('"price"', '"prcie"'),
        ('"from": "09:00"', '"from": "25:00"'),
        ("临{store_name}", "临{nobody}"),
        ('"show": "longjing"}', '"show": "nothing"}'),
    ):
        text = text.replace(old, new)  # fmt: skip
    (shop / "programme.json").write_text(text, encoding="utf-8")
    fields = {p.field for p in check(shop, NOW)}
    assert fields == {"products[0].prcie", "schedule[0].from", "segments[0].say.zh-CN",
                      "answers[0].show"}  # fmt: skip


def test_midnight_may_be_written_as_24_00(shop: Path) -> None:
    assert after(shop, '"until": "21:30"', '"until": "24:00"') == []
    assert after(shop, "2026-12-31T23:59", "2026-12-31T24:00") == []


def test_a_programme_without_a_fallback_says_what_that_is(shop: Path) -> None:
    data = json.loads(EXAMPLE)
    del data["fallback"]
    problems = check_bytes(json.dumps(data).encode(), shop, NOW)
    assert [p.field for p in problems] == ["fallback"]
    assert "without an answer" in problems[0].sentence_en


def test_two_answers_that_fight_over_a_question(shop: Path) -> None:
    data = json.loads(EXAMPLE)
    twin = copy.deepcopy(data["answers"][0])
    twin["id"], twin["ask"]["zh-CN"] = "twin", ["龙井多少钱？"]
    twin["ask"]["en-US"] = ["where is it"]
    data["answers"].append(twin)
    problems = check_bytes(json.dumps(data, ensure_ascii=False, indent=1).encode(), shop, NOW)
    assert [p.field for p in problems] == ["answers[1].ask.zh-CN[0]"]
    assert "already belongs" in problems[0].sentence_en


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"schema": 1,\n "id": "a"\n "version": 1}', 3, "comma"),
        ('{"schema": 1,\n "id": "a",\n}', 2, "comma after the last"),
        ('{"schema": 1，\n "id": "a"}', 1, "full-width"),
        ("{'schema': 1}", 1, "double quotes"),
        ('{"schema": 1,\n "id": "a', 2, "no end"),
        ("", 1, "value is missing"),
        ("{} {}", 1, "more text"),
        ("[" * 5000, 1, "nested"),
        ('{"version": ' + "9" * 5000 + "}", 1, "too long"),
    ],
)
def test_broken_json_names_its_line(text: str, line: int, words: str) -> None:
    (problem,) = check_bytes(text.encode(), None, NOW)
    assert problem.line == line
    assert words in problem.sentence_en


def test_what_is_no_utf8_or_no_file_is_one_sentence(tmp_path: Path) -> None:
    (only,) = check_bytes("好".encode("gb18030"), None, NOW)
    assert "UTF-8" in only.sentence_en
    (missing,) = check(tmp_path, NOW)
    assert "cannot be read" in missing.sentence_en


def test_a_picture_behind_a_link_is_refused(shop: Path, tmp_path: Path) -> None:
    (shop / "assets" / "longjing.png").unlink()
    (shop / "assets" / "longjing.png").symlink_to("/etc/hostname")
    assert [p.field for p in check(shop, NOW)] == ["products[0].image"]


def test_what_the_box_copes_with_is_only_a_warning(shop: Path) -> None:
    text = EXAMPLE.replace(', "en-US": "It is 128 yuan."', "")
    (shop / "programme.json").write_text(text, encoding="utf-8")
    later = datetime(2026, 12, 5, tzinfo=timezone.utc)
    assert check(shop, later) == []
    warned = {p.field: p.sentence_en for p in check(shop, later, warnings=True)}
    assert set(warned) == {"products[0].valid.until", "answers[0].say"}
    assert "expired" in warned["products[0].valid.until"]


def test_an_expired_programme_is_an_error(shop: Path) -> None:
    (problem,) = check(shop, datetime(2027, 1, 1, tzinfo=timezone.utc))
    assert (problem.field, problem.severity) == ("valid.until", "error")


def test_a_price_taken_from_the_card_is_never_wrong(shop: Path) -> None:
    assert after(shop, "一百二十八元", "{longjing.price}") == []
    assert after(shop, "一百二十八元", "{longjin.price}")[0].field == "answers[0].say.zh-CN"


class Arguments:
    """What argparse gives `check`."""

    def __init__(self, folder: Path, json: bool = False, lang: str | None = None,
                 strict: bool = False) -> None:  # fmt: skip
        self.folder, self.json, self.lang, self.strict = folder, json, lang, strict


def test_the_command_exits_1_and_speaks_both_languages(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after(shop, '"price"', '"prcie"')
    assert run_check(Arguments(shop, lang="zh")) == 1  # type: ignore[arg-type]
    shown = capsys.readouterr()
    assert "没有“prcie”这个字段" in shown.err and "programme.json:6" in shown.err
    assert shown.out == ""
    assert run_check(Arguments(shop, json=True)) == 1  # type: ignore[arg-type]
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    (error,) = answer["errors"]
    assert error["line"] == 6 and error["sentence_zh"] and error["sentence_en"]


def test_strict_fails_on_warnings(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after(shop, ', "en-US": "It is 128 yuan."', "")
    assert run_check(Arguments(shop, lang="en")) == 0  # type: ignore[arg-type]
    assert run_check(Arguments(shop, lang="en", strict=True)) == 1  # type: ignore[arg-type]


# Whatever is in the file, the editor gets sentences and never a traceback.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(found for key, inner in items for found in _paths(inner, (*path, key)))]


PATHS = _paths(json.loads(EXAMPLE))[1:]


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), value=JSON_VALUES, drop=st.booleans(), seed=st.integers(0, 9))
def test_fuzz_any_value_anywhere(path: tuple[Any, ...], value: Any, drop: bool, seed: int) -> None:
    data = json.loads(EXAMPLE)
    around: Any = data
    for key in path[:-1]:
        around = around[key]
    if drop:
        del around[path[-1]]
    else:
        around[path[-1]] = value
    text = json.dumps(data, ensure_ascii=bool(seed % 2), indent=seed or None)
    problems = check_bytes(text.encode("utf-8", "surrogatepass"), None, NOW, warnings=True)
    lines = text.count("\n") + 1
    assert all(1 <= p.line <= lines and p.sentence_zh and p.sentence_en for p in problems)


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 6))
def test_fuzz_torn_text(seed: int, cuts: int) -> None:
    rng = random.Random(seed)
    data = bytearray(EXAMPLE.encode())
    for _ in range(cuts):
        at, how = rng.randrange(len(data)), rng.randrange(3)
        if how == 0:
            del data[at : at + rng.randrange(20)]
        elif how == 1:
            data[at] = rng.randrange(256)
        else:
            data[at:at] = bytes(rng.choices(b'{}[]",:\\0', k=3))
    for problem in check_bytes(bytes(data), None, NOW, warnings=True):
        assert problem.line >= 1 and problem.sentence_en
