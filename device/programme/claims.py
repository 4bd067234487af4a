"""Every number that a text states, and what it says about it: money, percent, time, measure. Pure.

Digits and words, Chinese and English. Used to hold a text against the facts of a programme: what
is read too strictly costs an answer, what is overlooked costs the shop's word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from device.programme.numerals import EN_NUMERAL, ZH_NUMERAL, en_values, narrowed, zh_value
from device.programme.prices import mentions

_DIGITS = r"\d[\d,]*(?:\.\d+)?"
_ZH = rf"{ZH_NUMERAL}+(?:点{ZH_NUMERAL}+)?"
_ANY = rf"(?:{_DIGITS}|{_ZH}|{EN_NUMERAL})"
_SHORT = rf"(?:\d{{1,2}}|{ZH_NUMERAL}{{1,3}})"
_PERCENT = re.compile(
    rf"百分之(?P<a>{_DIGITS}|{_ZH})|(?P<b>{_ANY})\s*(?:%|percent\b|per cent\b)", re.IGNORECASE
)
_DISCOUNT = re.compile(rf"(?P<n>{_DIGITS}|{_ZH})\s*折")
_CLOCK = re.compile(
    r"(?P<half>上午|早上|早晨|中午|下午|傍晚|晚上|夜里)?\s*"
    r"(?:(?P<h>\d{1,2}):(?P<m>\d{2})\s*"
    r"(?P<ampm>[ap]\.?m\b\.?|in the morning|in the afternoon|in the evening|at night)?"
    rf"|(?P<zh>{_SHORT})点(?:(?P<part>半|一刻|三刻|整|钟)|(?P<min>{_SHORT})分?)?"
    rf"|(?P<en>\d{{1,2}}|\b{EN_NUMERAL})\s*(?:(?P<ampm2>[ap]\.?m\b\.?)|o'clock))",
    re.IGNORECASE,
)
_DAY = r"\s+(?:in the (?P<day>morning|afternoon|evening)|at (?P<night>night))"
_CLOCK_EN = re.compile(
    rf"\b(?:(?:at|from|until|till|by|to|before|after|and)\s+)?(?P<n>\d{{1,2}}|{EN_NUMERAL}){_DAY}"
    rf"|\b(?:at|from|until|till|by|to|before|after)\s+(?P<bare>\d{{1,2}}|{EN_NUMERAL})"
    r"(?=\s*(?:[.,;!?]|$|until\b|till\b|to\b|and\b|every\b|on\b|each\b))",
    re.IGNORECASE,
)
_NUMBER = re.compile(_ANY, re.IGNORECASE)
# Numerals that count nothing: very, by all means, in case.
_NO_NUMBER = re.compile(r"十分(?!钟|之)|千万别|万一|一一|万分|百般|千般")
_UNITS = {
    "g": ("克", "g", "gram", "grams"),
    "kg": ("千克", "公斤", "kg", "kilogram", "kilograms", "kilo", "kilos"),
    "jin": ("斤",),
    "ml": ("毫升", "ml", "millilitre", "millilitres"),
    "litre": ("升", "litre", "litres", "liter", "liters"),
    "year": ("年", "years", "year"),
    "month": ("个月", "months", "month"),
    "week": ("周", "weeks", "week"),
    "day": ("天", "days", "day"),
    "hour": ("小时", "个小时", "hours", "hour"),
    "minute": ("分钟", "minutes", "minute"),
    "second": ("秒", "seconds", "second"),
    "degree": ("度", "摄氏度", "℃", "°c", "degrees", "degree"),
    "metre": ("米", "metres", "metre"),
    "money": ("元", "块", "圆", "yuan", "rmb", "kuai", "dollars", "euros", "pounds"),
}
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}
_UNIT = re.compile(
    r"[\s-]*(" + "|".join(sorted(map(re.escape, _UNIT_OF), key=len, reverse=True)) + r")(?![a-z])",
    re.IGNORECASE,
)
_NEXT = re.compile(r"[\s-]*([\u3400-\u9fff]|[a-z]+)", re.IGNORECASE)
_LATE_ZH = ("下午", "傍晚", "晚上", "夜里")
_LATE = re.compile(r"p\.?m|in the (?:afternoon|evening)|at night")
_EARLY = re.compile(r"a\.?m|in the morning")
_DAY_MINUTES = 24 * 60
Reader = Callable[[re.Match[str]], frozenset[Decimal]]


@dataclass(frozen=True)
class Claim:
    """One number: its possible readings and where it stands.

    kind "clock": minutes since midnight. `unit` is a price's currency, a number's measure ("g",
    "year") or the word that follows it, or "" for none.
    """

    kind: str
    values: frozenset[Decimal]
    at: int
    unit: str = ""

    def agrees(self, fact: Claim) -> bool:
        """Can both say the same?"""
        if not self.values & fact.values:
            return False
        if self.kind == "number" and fact.kind == "number":
            return not self.unit or self.unit == fact.unit
        if {self.kind, fact.kind} == {"number", "money"}:
            return "money" in (self.unit, fact.unit)
        if self.kind == fact.kind == "money":
            return self.unit == fact.unit or "" in (self.unit, fact.unit)
        return self.kind == fact.kind


@lru_cache(maxsize=8192)
def claims(text: str) -> tuple[Claim, ...]:
    """All numbers of a text in order, but for a plain "one". Kept: a programme is read again and
    again."""
    text = _NO_NUMBER.sub(lambda found: "　" * len(found[0]), narrowed(text))
    found: list[Claim] = []
    for price in mentions(text):
        found.append(Claim("money", price.amounts, price.start, price.currency or ""))
        text = _blank(text, price.start, price.start + len(price.text))
    readers: tuple[tuple[str, re.Pattern[str], Reader], ...] = (
        ("percent", _PERCENT, _digits), ("discount", _DISCOUNT, _digits),
        ("clock", _CLOCK, _clock), ("clock", _CLOCK_EN, _clock_en),
    )  # fmt: skip
    for kind, pattern, read in readers:
        for match in list(pattern.finditer(text)):
            values = read(match)
            if values:
                found.append(Claim(kind, values, match.start()))
                text = _blank(text, *match.span())
    found += _plain(text)
    return tuple(sorted(found, key=lambda claim: claim.at))


def _plain(text: str) -> Iterator[Claim]:
    for match in _NUMBER.finditer(text):
        values = _values(match[0])
        after = _UNIT.match(text, match.end())
        unit = _UNIT_OF[after[1].lower()] if after else _word_after(text, match.end())
        if values and (values != {Decimal(1)} or unit == "money"):
            yield Claim("number", values, match.start(), unit)


def _word_after(text: str, end: int) -> str:
    """What is counted, where it is no measure of the table: 泡, infusion."""
    word = _NEXT.match(text, end)
    return word[1].lower().removesuffix("s") if word else ""


def _digits(match: re.Match[str]) -> frozenset[Decimal]:
    return _values(next(text for text in match.groups() if text))


def _values(text: str) -> frozenset[Decimal]:
    if text[0].isdigit():
        return frozenset({Decimal(text.rstrip(",").replace(",", ""))})
    whole, _, fraction = text.partition("点")
    chinese = zh_value(whole)
    if chinese is None:
        return en_values(text)
    if fraction:
        rest = zh_value(fraction)
        return frozenset({Decimal(f"{chinese}.{rest}")} if rest is not None else ())
    return frozenset({chinese})


def _clock(match: re.Match[str]) -> frozenset[Decimal]:
    """Minutes since midnight, both halves of the day where nothing tells which."""
    hour_text = match["h"] or match["zh"] or match["en"]
    hours, minutes = _values(hour_text), 0
    part, marker = match["part"], (match["ampm"] or match["ampm2"] or "").lower()
    if match["m"] or match["min"]:
        minutes = int(min(_values(match["m"] or match["min"]), default=Decimal(99)))
    elif part:
        minutes = {"半": 30, "一刻": 15, "三刻": 45}.get(part, 0)
    hour = int(min(hours, default=Decimal(99)))
    bare = match["zh"] and not (part or match["min"] or match["half"])
    if hour > 24 or minutes > 59 or (bare and hour == 1):
        return frozenset()  # "一点" is a little
    late = match["half"] in _LATE_ZH or bool(_LATE.match(marker))
    early = match["half"] in ("上午", "早上", "早晨") or bool(_EARLY.match(marker))
    at = hour * 60 + minutes
    if hour <= 12 and late:
        at = hour % 12 * 60 + 720 + minutes
    elif hour == 12 and early:
        at = minutes
    both = {at} if late or early or hour > 12 or match["half"] else {at, (at + 720) % _DAY_MINUTES}
    return frozenset(Decimal(each) for each in both)


def _clock_en(match: re.Match[str]) -> frozenset[Decimal]:
    """ "nine thirty in the evening", "until nine thirty": the half of the day where it is said."""
    found: set[Decimal] = set()
    for value in _values(match["n"] or match["bare"]):
        hour, minutes = int(value), round(value % 1 * 100)
        if hour > 24 or minutes > 59:
            continue
        late = bool(match["night"]) or match["day"] in ("afternoon", "evening")
        at = hour * 60 + minutes
        if match["n"]:
            found.add(Decimal(at + 720 if late and hour < 12 else at))
        else:
            found |= {Decimal(at), Decimal((at + 720) % _DAY_MINUTES)}
    return frozenset(found)


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + "　" * (end - start) + text[end:]
