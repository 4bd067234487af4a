"""Numbers in words: Chinese and English cardinals, decimals, years and digit by digit."""

from __future__ import annotations

_ZH = "零一二三四五六七八九"
_ZH_UNITS = ("", "十", "百", "千")
_ZH_GROUPS = ("", "万", "亿", "万亿")
_EN_ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
_EN_TENS = [".", ".", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_EN_GROUPS = ("", " thousand", " million", " billion", " trillion")
_EN_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
_DIGITS_MAX = 12


def zh_number(digits: str) -> str:
    """Chinese words for a plain number such as "128" or "12.5"; commas are ignored.

    Very long digit strings (over 12), and those that begin with 0, are read digit by digit.
    """
    whole, _, fraction = digits.replace(",", "").partition(".")
    words = zh_digits(whole) if _one_by_one(whole) else _zh_cardinal(int(whole or "0"))
    return words + ("点" + zh_digits(fraction) if fraction else "")


def _one_by_one(whole: str) -> bool:
    return len(whole) > _DIGITS_MAX or (len(whole) > 1 and whole[0] == "0")


def zh_digits(digits: str, one: str = "一") -> str:
    """Digit by digit, as years and telephone numbers are read (there `one` is 幺)."""
    return "".join(_ZH[int(d)] if d != "1" else one for d in digits if d.isdigit())


def zh_quantity(digits: str) -> str:
    """A number before a measure word: 2 is 两."""
    return "两" if digits == "2" else zh_number(digits)


def _zh_cardinal(value: int) -> str:
    if value == 0:
        return _ZH[0]
    words = ""
    group_index = 0
    gap = False
    while value:
        value, group = divmod(value, 10_000)
        if group:
            if gap and words:
                words = _ZH[0] + words
            said = _zh_group(group)
            if not value and ((group_index and group == 2) or group // 1000 == 2):
                said = "两" + said[1:]  # as people say 两千, 两万
            words = said + _ZH_GROUPS[group_index] + words
            gap = group < 1000
        elif words:
            gap = True
        group_index += 1
    return words[1:] if words.startswith("一十") else words


def _zh_group(value: int) -> str:
    words = ""
    zero = False
    for place in range(3, -1, -1):
        digit = value // 10**place % 10
        if digit:
            words += (_ZH[0] if zero and words else "") + _ZH[digit] + _ZH_UNITS[place]
            zero = False
        else:
            zero = True
    return words


def en_number(digits: str) -> str:
    """English words for a plain number such as "1,280" or "12.5"."""
    whole, _, fraction = digits.replace(",", "").partition(".")
    words = en_digits(whole) if _one_by_one(whole) else _en_cardinal(int(whole or "0"))
    return words + (" point " + en_digits(fraction) if fraction else "")


def en_digits(digits: str) -> str:
    """Digit by digit, as telephone numbers are read."""
    return " ".join(_EN_ONES[int(d)] for d in digits if d.isdigit())


def en_ordinal(value: int) -> str:
    """first, twenty-first, hundredth of a number from 0 to 999."""
    words = _en_cardinal(value)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    last = _EN_ORDINALS.get(last) or (last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return words[:cut] + last


def en_year(digits: str) -> str:
    """A four-digit year as it is spoken: 2026 is twenty twenty-six, 2005 two thousand five."""
    century, rest = int(digits[:2]), int(digits[2:])
    if century == 20 and rest < 10:
        return "two thousand" + (" " + _EN_ONES[rest] if rest else "")
    if rest == 0:
        return _en_small(century) + " hundred"
    return _en_small(century) + (" oh " if rest < 10 else " ") + _en_small(rest)


def _en_cardinal(value: int) -> str:
    if value == 0:
        return _EN_ONES[0]
    parts: list[str] = []
    group_index = 0
    while value:
        value, group = divmod(value, 1000)
        if group:
            parts.append(_en_small(group) + _EN_GROUPS[group_index])
        group_index += 1
    return " ".join(reversed(parts))


def _en_small(value: int) -> str:
    words = []
    if value >= 100:
        words.append(_EN_ONES[value // 100] + " hundred")
        value %= 100
    if value >= 20:
        tens = _EN_TENS[value // 10]
        words.append(tens + ("-" + _EN_ONES[value % 10] if value % 10 else ""))
    elif value:
        words.append(_EN_ONES[value])
    return " ".join(words)
