"""Numbers as people write and say them, Chinese and English, read and written."""

from __future__ import annotations

import re
from decimal import Decimal

_ZH_DIGITS = {
    c: i
    for i, cs in enumerate(
        ("零〇", "一壹", "二贰两俩", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖")
    )
    for c in cs
}
_ZH_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
ZH_NUMERAL = "[零〇一壹二贰两三叁四肆五伍六陆七柒八捌九玖十拾百佰千仟万]"

_SMALL_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS_WORDS = "twenty thirty forty fifty sixty seventy eighty ninety"
_EN_SMALL = {word: value for value, word in enumerate(_SMALL_WORDS.split())}
_EN_TENS = {word: 10 * value for value, word in enumerate(_TENS_WORDS.split(), start=2)}
_EN_WORD = "|".join(sorted([*_EN_SMALL, *_EN_TENS, "hundred", "thousand"], key=len, reverse=True))
EN_NUMERAL = rf"(?:(?:an?\s+)?\b(?:{_EN_WORD})\b)(?:(?:\s+and\s+|[\s-]+)(?:{_EN_WORD})\b)*"
DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d{1,9}(?:\.\d{1,2})?"

_WIDE = str.maketrans("０１２３４５６７８９．，￥", "0123456789.,¥")


def narrowed(text: str) -> str:
    """Full-width digits and signs made plain; the length stays the same."""
    return text.translate(_WIDE)


def digits_value(text: str) -> Decimal:
    """The number of "1,280" or "128.50"."""
    return Decimal(text.replace(",", ""))


def zh_value(text: str) -> Decimal | None:
    """The number of 一百二十八, 两千, 一百二 (120), 一二八 (128); None when it is none."""
    if not any(c in _ZH_UNITS or c == "万" for c in text):
        digits = [_ZH_DIGITS.get(c) for c in text]
        if not digits or None in digits:
            return None
        return Decimal("".join(str(d) for d in digits))
    total, section, digit, last_unit = 0, 0, -1, 1
    for character in text:
        if character in _ZH_DIGITS:
            digit = _ZH_DIGITS[character]
            if digit == 0:
                last_unit = 1
        elif character == "万":
            total = (total + section + max(digit, 0)) * 10_000
            section, digit, last_unit = 0, -1, 10_000
        elif character in _ZH_UNITS:
            last_unit = _ZH_UNITS[character]
            section += (1 if digit < 0 else digit) * last_unit
            digit = -1
        else:
            return None
    if digit > 0:
        section += digit * (last_unit // 10 if last_unit > 10 else 1)
    return Decimal(total + section)


def en_values(text: str) -> frozenset[Decimal]:
    """The numbers that English words may mean: "one twenty-eight" is 128, "twelve fifty" two."""
    words = [word for word in re.split(r"[\s-]+", text.lower()) if word not in ("and", "a", "an")]
    if not words:
        return frozenset()
    if words[0] in ("hundred", "thousand"):
        words.insert(0, "one")
    values = {_en_plain(words)}
    if "hundred" not in words and "thousand" not in words:
        for cut in range(1, len(words)):
            front, back = _en_plain(words[:cut]), _en_plain(words[cut:])
            if front is not None and back is not None and back < 100 and _sayable_pair(words, cut):
                values |= {front * 100 + back, front + back / 100}
                if len(words) - cut == 1 and words[cut] in _EN_SMALL and words[cut - 1] in _EN_TENS:
                    values -= {front * 100 + back, front + back / 100}
    return frozenset(value for value in values if value is not None)


def _sayable_pair(words: list[str], cut: int) -> bool:
    return words[cut] in _EN_TENS or _EN_SMALL.get(words[cut], 0) >= 10 or cut == 1


def _en_plain(words: list[str]) -> Decimal | None:
    total, section, limit = 0, 0, 10_000
    for word in words:
        value = _EN_SMALL.get(word, _EN_TENS.get(word, -1))
        if 0 <= value < limit:
            section += value
            limit = 10 if value >= 20 else 0
        elif value >= 0:
            return None
        elif word == "hundred":
            section, limit = max(section, 1) * 100, 100
        elif word == "thousand":
            total, section, limit = total + max(section, 1) * 1000, 0, 1000
        else:
            return None
    return Decimal(total + section)
