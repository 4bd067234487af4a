"""Text normalisation: prices, times, dates, percents, telephone numbers and units as words.

Pure; the language decides how digits are read, other words are left as they stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from device.tts.numerals import (
    en_digits,
    en_number,
    en_year,
    zh_digits,
    zh_number,
    zh_quantity,
)

_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_PHONE = re.compile(
    r"(?<![\d.])(?:1[3-9]\d[ -]?\d{4}[ -]?\d{4}|[48]00[ -]?\d{3}[ -]?\d{4}"
    r"|0\d{2,3}[ -]\d{7,8}|\+\d[\d -]{7,16}\d)(?![\d.])"
)
_CLOCK = r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])"
_ZH_UNITS = {
    "kg": "千克", "g": "克", "mg": "毫克", "ml": "毫升", "mL": "毫升", "L": "升", "l": "升",
    "cm": "厘米", "mm": "毫米", "km": "公里", "m": "米", "℃": "摄氏度", "°C": "摄氏度",
}  # fmt: skip
_EN_UNITS = {
    "kg": "kilograms", "g": "grams", "mg": "milligrams", "ml": "millilitres",
    "mL": "millilitres", "L": "litres", "l": "litres", "cm": "centimetres", "mm": "millimetres",
    "km": "kilometres", "m": "metres", "℃": "degrees Celsius", "°C": "degrees Celsius",
    "oz": "ounces", "lb": "pounds",
}  # fmt: skip
_ZH_MONEY = {"¥": "元", "￥": "元", "RMB": "元", "$": "美元", "€": "欧元", "£": "英镑"}
_EN_MONEY = {
    "¥": ("yuan", ""), "￥": ("yuan", ""), "RMB": ("yuan", ""), "$": ("dollar", "cent"),
    "€": ("euro", "cent"), "£": ("pound", "penny"),
}  # fmt: skip
_MEASURES = "个盒位杯件瓶包袋份张只条双斤箱罐层楼两家种款次天周年小时分钟"
_MONTHS = [
    ".",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def normalise(text: str, language: str) -> str:
    """`text` with every number and sign written out in the words of `language`."""
    for pattern, words in _ZH_RULES if language.startswith("zh") else _EN_RULES:
        text = pattern.sub(words, text)
    return " ".join(text.split())


def _zh_money(match: re.Match[str]) -> str:
    unit = _ZH_MONEY[match[1]]
    return _zh_amount(match[2], unit)


def _zh_amount(digits: str, unit: str) -> str:
    whole, _, cents = digits.replace(",", "").partition(".")
    if unit != "元" or len(cents) not in (1, 2):
        return zh_number(digits) + unit
    tenths, hundredths = int(cents[0]), int(cents[1:] or "0")
    words = zh_number(whole) + unit
    if tenths:
        words += zh_number(str(tenths)) + "角"
    if hundredths:
        words += ("" if tenths else "零") + zh_number(str(hundredths)) + "分"
    return words


def _zh_clock(match: re.Match[str]) -> str:
    minutes = int(match[2])
    words = zh_quantity(str(int(match[1]))) + "点"
    if minutes:
        words += ("零" if minutes < 10 else "") + zh_number(str(minutes)) + "分"
    return words


def _zh_phone(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    if digits.startswith("1") and len(digits) == 11:
        groups = [digits[:3], digits[3:7], digits[7:]]
    else:
        groups = [g for g in re.split(r"\D+", match[0]) if g]
    return "，".join(zh_digits(g, "幺") for g in groups)


def _zh_date(match: re.Match[str]) -> str:
    month, day = zh_number(str(int(match[2]))), zh_number(str(int(match[3])))
    return f"{zh_digits(match[1])}年{month}月{day}日"


_ZH_RULES: tuple[_Rule, ...] = (
    (_PHONE, _zh_phone),
    (re.compile(r"(?<!\d)(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)"), _zh_date),
    (re.compile(r"(?<!\d)(\d{4})年"), lambda m: zh_digits(m[1]) + "年"),
    (re.compile(rf"(¥|￥|RMB|\$|€|£)\s*({_NUMBER})元?"), _zh_money),
    (re.compile(r"(\d[\d,]*\.\d{1,2})\s*元"), lambda m: _zh_amount(m[1], "元")),
    (re.compile(_CLOCK + r"\s*[-–—~至到]+\s*(?=\d)"), lambda m: _zh_clock(m) + "到"),
    (re.compile(_CLOCK), _zh_clock),
    (
        re.compile(r"((?:密码|编号|尾号|验证码)[是为：: ]*)(\d+)"),
        lambda m: m[1] + zh_digits(m[2]),
    ),
    (re.compile(rf"({_NUMBER})\s*[-–—~]\s*(?=\d)"), lambda m: zh_number(m[1]) + "到"),
    (re.compile(r"[-−](?=\d)"), lambda _: "负"),
    (re.compile(rf"({_NUMBER})\s*[%％]"), lambda m: "百分之" + zh_number(m[1])),
    (
        re.compile(rf"({_NUMBER})\s*({'|'.join(_ZH_UNITS)})(?![A-Za-z])"),
        lambda m: zh_quantity(m[1]) + _ZH_UNITS[m[2]],
    ),
    (re.compile(rf"(?<![\d.])2(?=[{_MEASURES}])(?!楼)"), lambda _: "两"),
    (re.compile(_NUMBER), lambda m: zh_number(m[0])),
    (re.compile(r"\s*&\s*"), lambda _: "和"),
    (re.compile(r"\s*\+\s*"), lambda _: "加"),
    (re.compile(r"\s*[×＊*]\s*"), lambda _: "乘"),
)


def _en_money(match: re.Match[str]) -> str:
    one, cent = _EN_MONEY[match[1]]
    whole, _, fraction = match[2].replace(",", "").partition(".")
    if not cent or len(fraction) != 2:
        amount = en_number(match[2])
        return f"{amount} {one}" + ("" if one == "yuan" or amount == "one" else "s")
    words = f"{en_number(whole)} {one}" + ("" if whole == "1" else "s")
    if int(fraction):
        cents = "pence" if cent == "penny" else cent + ("" if int(fraction) == 1 else "s")
        words += f" and {en_number(str(int(fraction)))} {cents}"
    return words


def _en_clock(match: re.Match[str]) -> str:
    hour, minutes = int(match[1]), int(match[2])
    said = (match.group(3) or "").lower().replace(".", "")
    half = said or ("a m" if hour < 12 or hour == 24 else "p m")
    if hour == 12 and not minutes and not said:
        return "noon"
    if hour in (0, 24) and not minutes:
        return "midnight"
    words = en_number(str(hour % 12 or 12))
    if minutes:
        words += (" oh " if minutes < 10 else " ") + en_number(str(minutes))
    return f"{words} {'P M' if half.startswith('p') else 'A M'}"


def _en_phone(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    if digits.startswith("1") and len(digits) == 11:
        groups = [digits[:3], digits[3:7], digits[7:]]
    else:
        groups = [g for g in re.split(r"\D+", match[0]) if g]
    return ", ".join(en_digits(g) for g in groups)


def _en_date(match: re.Match[str]) -> str:
    month = int(match[2])
    if not 1 <= month <= 12:
        return match[0]
    return f"{_MONTHS[month]} {en_number(str(int(match[3])))}, {en_year(match[1])}"


def _en_inside_word(match: re.Match[str]) -> str:
    return f" {en_number(match[1])}" + (" " if match[2] else "")


_CLOCK_EN = _CLOCK + r"(?:\s*([aApP]\.?[mM]\.?))?"
_EN_RULES: tuple[_Rule, ...] = (
    (_PHONE, _en_phone),
    (re.compile(r"(?<!\d)(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)"), _en_date),
    (re.compile(rf"(¥|￥|RMB|\$|€|£)\s*({_NUMBER})"), _en_money),
    (re.compile(_CLOCK_EN + r"\s*[-–—~]+\s*(?=\d)"), lambda m: _en_clock(m) + " to "),
    (re.compile(_CLOCK_EN), _en_clock),
    (re.compile(rf"({_NUMBER})\s*[%％]"), lambda m: en_number(m[1]) + " percent"),
    (
        re.compile(rf"({_NUMBER})\s*({'|'.join(_EN_UNITS)})(?![A-Za-z])"),
        lambda m: en_number(m[1]) + " " + _EN_UNITS[m[2]],
    ),
    (re.compile(rf"({_NUMBER})\s*[-–—~]\s*(?=\d)"), lambda m: en_number(m[1]) + " to "),
    (re.compile(r"\b(1[89]\d\d|20\d\d)\b(?![.,]\d)"), lambda m: en_year(m[1])),
    (re.compile(r"(?<!\w)[-−](?=\d)"), lambda _: "minus "),
    (re.compile(rf"(?<=[A-Za-z])({_NUMBER})(?=([A-Za-z]?))"), _en_inside_word),
    (re.compile(rf"({_NUMBER})(?![\d.]*(?:st|nd|rd|th)\b)"), lambda m: en_number(m[1])),
    (re.compile(r"\s*&\s*"), lambda _: " and "),
    (re.compile(r"\s*\+\s*"), lambda _: " plus "),
)
