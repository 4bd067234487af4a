"""What a shop writes is what is said: numbers, prices, times and sentences in two languages."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.tts.pinyin import english_symbols
from device.tts.sentences import split
from device.tts.text import normalise


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("明前龙井¥128一盒", "明前龙井一百二十八元一盒"),
        ("只要￥1,280.50", "只要一千二百八十元五角"),
        ("¥10.05", "十元零五分"),
        ("12.5元", "十二元五角"),
        ("营业时间9:00-21:30", "营业时间九点到二十一点三十分"),
        ("10:05开门", "十点零五分开门"),
        ("14:00到24:00", "十四点到二十四点"),
        ("满200减20%", "满二百减百分之二十"),
        ("电话13812345678", "电话幺三八，幺二三四，五六七八"),
        ("热线400-820-1234", "热线四零零，八二零，幺二三四"),
        ("2026年12月1日", "二零二六年十二月一日"),
        ("2026-12-31", "二零二六年十二月三十一日"),
        ("2个500g礼盒", "两个五百克礼盒"),
        ("在2楼", "在二楼"),
        ("密码是8888", "密码是八八八八"),
        ("10006", "一万零六"),
        ("100010", "十万零一十"),
        ("零下也就-5℃", "零下也就负五摄氏度"),
        ("A区3号", "A区三号"),
    ],
)
def test_chinese_reads_signs_as_people_do(written: str, said: str) -> None:
    assert normalise(written, "zh-CN") == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is ¥128 a box", "It is one hundred twenty-eight yuan a box"),
        ("$12.50", "twelve dollars and fifty cents"),
        ("$1", "one dollar"),
        ("9:00-21:30", "nine A M to nine thirty P M"),
        ("9:05 pm", "nine oh five P M"),
        ("20% off", "twenty percent off"),
        ("call 400-820-1234", "call four zero zero, eight two zero, one two three four"),
        ("since 1998", "since nineteen ninety-eight"),
        ("on 2026-12-01", "on December first, twenty twenty-six"),
        (
            "1,280 cups of 2.5 kg",
            "one thousand two hundred eighty cups of two point five kilograms",
        ),
    ],
)
def test_english_reads_signs_as_people_do(written: str, said: str) -> None:
    assert normalise(written, "en-US") == said


def test_a_script_is_cut_at_its_sentences() -> None:
    assert split("欢迎光临！今天“大促”。WiFi 1.5元；快来吧", "zh-CN") == [
        "欢迎光临！", "今天“大促”。", "WiFi 1.5元；", "快来吧",
    ]  # fmt: skip
    assert split('Hi, Mr. Lin. It costs $1.50 today! "Really?" Yes... ok', "en-US") == [
        "Hi, Mr. Lin.", "It costs $1.50 today!", '"Really?"', "Yes...", "ok",
    ]  # fmt: skip


_TEXT = st.text(
    st.sampled_from("你好龙井茶，。！？；…\n abcABC.!? 0123456789¥%:-“”()"), max_size=60
)


@given(_TEXT, st.sampled_from(["zh-CN", "en-US"]))
def test_cutting_loses_no_word(text: str, language: str) -> None:
    def letters(parts: list[str]) -> str:
        return re.sub(r"\s", "", "".join(parts))

    assert letters(split(text, language)) == letters([text])


@given(_TEXT, st.sampled_from(["zh-CN", "en-US"]))
def test_no_digit_is_left_unread(text: str, language: str) -> None:
    assert not re.search(r"\d", normalise(text, language))


def test_chinese_names_in_english_are_said_as_chinese_names() -> None:
    assert english_symbols("Longjing") == "lˌʊŋʤˈɪŋ"
    assert english_symbols("Tieguanyin") == "tjˌɛɡwɑnˈɪn"
    for word in ("wang", "jasmine", "vitrine", "WiFi", "store", ""):
        assert english_symbols(word) is None
