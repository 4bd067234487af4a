"""A price that is said is found in whatever words, and compared with the card."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.programme.numerals import en_values, zh_value
from device.programme.prices import card_price, mentions, spoken_price
from device.tts.numerals import en_number, zh_number


@pytest.mark.parametrize(
    ("line", "card"),
    [
        ("明前龙井一百二十八元一盒", "¥128"),
        ("明前龙井128元一盒", "¥128"),
        ("只要１２８块钱", "¥128"),
        ("一盒￥128", "128元"),
        ("售价一二八元", "¥128"),
        ("一百二十八块八一盒", "¥128.80"),
        ("九块九包邮", "¥9.9"),
        ("两块半一杯", "¥2.5"),
        ("一千二百八十元", "¥1,280"),
        ("一百二一盒,一百二元", "¥120"),
        ("两万元", "¥20000"),
        ("It is one hundred and twenty-eight yuan a box.", "¥128"),
        ("It is one hundred twenty-eight yuan a box.", "¥128"),
        ("Only one twenty-eight yuan.", "¥128"),
        ("It costs 128 RMB.", "¥128"),
        ("Priced at 128.", "¥128"),
        ("A box is ¥128.00.", "¥128"),
        ("Twelve fifty dollars", "$12.50"),
        ("两盒二百五十六元", "¥128"),
    ],
)
def test_the_right_price_in_many_words(line: str, card: str) -> None:
    price = card_price(card)
    found = mentions(line)
    assert price is not None and found, line
    assert all(said.means(price) for said in found), found


@pytest.mark.parametrize(
    ("line", "card"),
    [
        ("明前龙井一百三十八元一盒", "¥128"),
        ("一百二十九元", "¥128"),
        ("只要一千二百八十元", "¥128"),
        ("It is one hundred and thirty-eight yuan.", "¥128"),
        ("It costs 12.80 yuan.", "¥128"),
        ("128 dollars", "¥128"),
        ("售价98", "¥128"),
        ("三盒二百五十六元", "¥128"),
    ],
)
def test_a_wrong_price_is_noticed(line: str, card: str) -> None:
    price = card_price(card)
    assert price is not None
    assert any(not said.means(price) for said in mentions(line)), line


@pytest.mark.parametrize(
    "line",
    [
        "现在便宜二十元",
        "满二百元减三十元",
        "原价一百五十元",
        "用八十度的水,泡两分钟",
        "清明前三天采的一芽一叶",
        "每年只有两百斤",
        "Save 20 yuan today",
        "20 yuan off",
        "It was 150 yuan",
        "Brew it for two minutes at eighty degrees",
        "open from nine to half past nine",
        "五十克一罐",
    ],
)
def test_other_numbers_are_no_price(line: str) -> None:
    assert mentions(line) == []


def test_a_card_without_a_sum_is_left_alone() -> None:
    assert card_price("时价") is None
    assert spoken_price("时价", "zh-CN") == "时价"


@pytest.mark.parametrize(
    ("card", "zh", "en"),
    [
        ("¥128", "128元", "128 yuan"),
        ("¥12.50", "12.5元", "12.50 yuan"),
        ("$9.99", "9.99美元", "9.99 dollars"),
    ],
)
def test_a_price_is_said_with_its_unit(card: str, zh: str, en: str) -> None:
    assert (spoken_price(card, "zh-CN"), spoken_price(card, "en-US")) == (zh, en)


@given(st.integers(1, 99_999))
def test_numbers_that_are_spelt_are_read_again(number: int) -> None:
    assert zh_value(zh_number(str(number))) == Decimal(number)
    assert Decimal(number) in en_values(en_number(str(number)))


@given(
    st.text(alphabet="一二三百千万十零元块毛半¥$0123456789.,， 盒龙井one hundredandyu", max_size=40)
)
def test_no_line_breaks_the_search(line: str) -> None:
    for price in mentions(line):
        assert price.amounts
