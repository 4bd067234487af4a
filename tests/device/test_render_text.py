"""Type on the screen: lines break as a typesetter would break them, in both languages."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.render.cards import Look, hint
from device.render.linebreak import (
    NEVER_FIRST,
    NEVER_LAST,
    balanced,
    lines,
    pieces,
    shortened,
    typeset,
)
from device.render.text import BOLD, typeface

MIXED = st.text(alphabet="春山茶行一二三，。！？“”（）《》abc 012 ¥%、…", max_size=80)


def count_width(text: str) -> float:
    """A monospaced measure: a Han character is two cells wide."""
    return sum(2.0 if ord(c) > 0x2E80 else 1.0 for c in text)


def test_a_line_never_begins_with_a_closing_mark() -> None:
    found = lines("明前龙井一百二十八元一盒，清明之前采摘。", 26, count_width)
    assert len(found) > 1
    assert all(line[0] not in NEVER_FIRST for line in found)


def test_a_book_title_mark_stays_with_its_title() -> None:
    assert lines("请读一读《茶经》", 10, count_width) == ["请读一读", "《茶经》"]


def test_a_number_keeps_its_unit_and_an_english_word_stays_whole() -> None:
    assert "128元" in lines("今天的龙井只要128元一盒", 16, count_width)[1]
    found = lines("Welcome to the tea house of Hangzhou", 12, count_width)
    assert found == ["Welcome to", "the tea", "house of", "Hangzhou"]


def test_no_character_is_left_alone_on_the_last_line() -> None:
    assert lines("春山茶行欢迎您", 12, count_width) == ["春山茶行欢", "迎您"]
    assert lines("先看看这一罐明前龙井。", 20, count_width) == ["先看看这一罐明前", "龙井。"]


@given(MIXED, st.integers(min_value=8, max_value=40))
def test_nothing_is_lost_and_every_line_fits_or_cannot_be_cut(text: str, width: int) -> None:
    found = lines(text, width, count_width)
    kept = "".join("".join(found).split())
    assert kept == "".join(text.split())
    for line in found:
        unbreakable = len(list(pieces(line))) <= 2
        assert count_width(line) <= width or unbreakable, (line, width)


@given(MIXED)
def test_pieces_join_to_the_text_and_keep_marks_with_their_words(text: str) -> None:
    parts = list(pieces(text))
    assert "".join(parts) == text
    for before, after in pairwise(parts):
        assert after[0] not in NEVER_FIRST
        assert not before.rstrip() or before.rstrip()[-1] not in NEVER_LAST


@pytest.mark.parametrize(("text", "width", "wanted"), [
    ("《茶经》说：“茶者，南方之嘉木也。”", 12, ["《茶经》说：", "“茶者，南方", "之嘉木也。”"]),
    ("陆羽著（约七六〇年）……很早", 16, ["陆羽著（约七六〇", "年）……很早"]),
    ("温度-10℃～45℃，折扣30%起", 14, ["温度-10℃～", "45℃，折扣30%起"]),
    ("只要¥8,999元，送WiFi盒子", 14, ["只要¥8,999元，", "送WiFi盒子"]),
    ("艾伦·图灵与约翰·冯·诺伊曼", 14, ["艾伦·图灵与约", "翰·冯·诺伊曼"]),
])
def test_hard_lines_break_where_a_typesetter_would(
    text: str, width: int, wanted: list[str]
) -> None:
    assert lines(text, width, count_width) == wanted


def test_centred_lines_are_of_about_the_same_length_and_no_more_of_them() -> None:
    assert balanced("先看看这一罐明前龙井。", 20, count_width) == ["先看看这一罐", "明前龙井。"]
    assert balanced("茶", 20, count_width) == ["茶"] and balanced("", 20, count_width) == [""]


@given(MIXED, st.integers(min_value=8, max_value=40))
def test_balancing_loses_nothing(text: str, width: int) -> None:
    found = balanced(text, width, count_width)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert len(found) <= len(lines(text, width, count_width))


def test_an_emoji_makes_no_comma_wide() -> None:
    assert typeset("tea 🍵, please") == "tea 🍵, please"


def test_half_width_marks_after_chinese_become_full_width_and_english_stays() -> None:
    assert typeset("你好,请问?ok, fine. 3.5元") == "你好，请问？ok, fine. 3.5元"


def test_what_the_font_cannot_draw_is_left_out_and_shortening_keeps_the_width() -> None:
    kind = typeface(BOLD, 40)
    assert kind.drawable("好茶🍵مرحبا!") == "好茶!"
    short = shortened("一二三四五六七八九十", 200, kind.width_px)
    assert short.endswith("…") and kind.width_px(short) <= 200


@pytest.mark.parametrize("character", "囍镕欢迎¥€…·「」A9é")
def test_the_font_subset_has_what_shops_write(character: str) -> None:
    assert typeface(BOLD, 40).drawable(character) == character


def test_what_a_visitor_said_at_length_still_fits_the_screen() -> None:
    assert hint("请问这个茶叶多少钱" * 9, Look()).width_px <= 1000


def test_a_hint_with_nothing_to_say_is_still_a_picture() -> None:
    assert hint("", Look()).height_px > 0
