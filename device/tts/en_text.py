"""English: numbers and signs of a line as the words that people say (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable

from device.tts.numerals import en_digits, en_number, en_ordinal, en_year
from device.tts.signs import DASH, NUMBER, ROMAN_NUMERAL, roman_value
from device.tts.zh_text import phone_groups

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

# (one, many)
UNITS = {
    "kg": ("kilogram", "kilograms"), "g": ("gram", "grams"), "mg": ("milligram", "milligrams"),
    "ml": ("millilitre", "millilitres"), "mL": ("millilitre", "millilitres"),
    "L": ("litre", "litres"), "l": ("litre", "litres"), "cm": ("centimetre", "centimetres"),
    "mm": ("millimetre", "millimetres"), "km": ("kilometre", "kilometres"),
    "m": ("metre", "metres"), "m²": ("square metre", "square metres"),
    "m2": ("square metre", "square metres"), "m³": ("cubic metre", "cubic metres"),
    "cm²": ("square centimetre", "square centimetres"),
    "km²": ("square kilometre", "square kilometres"),
    "km/h": ("kilometre per hour", "kilometres per hour"),
    "mph": ("mile per hour", "miles per hour"), "sq ft": ("square foot", "square feet"),
    "ft": ("foot", "feet"), "in": ("inch", "inches"), "oz": ("ounce", "ounces"),
    "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"),
    "℃": ("degree Celsius", "degrees Celsius"), "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"), "°": ("degree", "degrees"),
    "W": ("watt", "watts"), "kW": ("kilowatt", "kilowatts"), "V": ("volt", "volts"),
    "Hz": ("hertz", "hertz"), "GHz": ("gigahertz", "gigahertz"), "MHz": ("megahertz", "megahertz"),
    "mAh": ("milliamp hour", "milliamp hours"), "kcal": ("kilocalorie", "kilocalories"),
    "kJ": ("kilojoule", "kilojoules"), "dB": ("decibel", "decibels"), "h": ("hour", "hours"),
    "hrs": ("hour", "hours"), "min": ("minute", "minutes"), "GB": ("gigabyte", "gigabytes"),
    "MB": ("megabyte", "megabytes"), "TB": ("terabyte", "terabytes"),
}  # fmt: skip
# "5 in" is more often a word than inches.
_UNIT = "|".join(re.escape(u) for u in sorted(UNITS, key=len, reverse=True) if u != "in")
_MONEY = {
    "¥": ("yuan", "yuan", ""), "RMB": ("yuan", "yuan", ""), "CNY": ("yuan", "yuan", ""),
    "$": ("dollar", "dollars", "cent"), "US$": ("U S dollar", "U S dollars", "cent"),
    "HK$": ("Hong Kong dollar", "Hong Kong dollars", "cent"),
    "€": ("euro", "euros", "cent"), "£": ("pound", "pounds", "penny"),
}  # fmt: skip
_SIGN = r"(HK\$|US\$|¥|RMB|CNY|\$|€|£)"
_SCALE = r"(?:\s*(thousand|million|billion|trillion|[kKMB](?![A-Za-z])))?"
_SCALES = {"k": "thousand", "K": "thousand", "M": "million", "B": "billion"}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_MONTH = r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|" + "|".join(_MONTHS) + r")\b\.?"
_DAYS = {"Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday",
         "Thu": "Thursday", "Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday",
         "Sat": "Saturday", "Sun": "Sunday"}  # fmt: skip
_DAY = r"\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b\.?"
_CLOCK = r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])(?:\s*([aApP]\.?[mM]\b\.?))?"
_PHONE = re.compile(
    r"(?<![\d.])(?:(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}|[48]00[ -]?\d{3}[ -]?\d{4}"
    r"|[48]00[ -]?\d{4}[ -]?\d{3}|(?:1[ -])?(?:\(\d{3}\) ?|[2-9]\d{2}-)\d{3}-\d{4}"
    r"|\(?0\d{2,3}\)?[ -]\d{4} ?\d{3,4}|\+\d[\d -]{7,16}\d)(?![\d.])"
)
_CODE = re.compile(
    r"\b((?i:call|dial|room|suite|flight|code|pin|password|extension|ext\.)\s+(?:is\s+)?)"
    r"([A-Z]{0,2})(\d{3,12})(?![\d.,]*\d)")
_WORDS = {
    r"\be\.g\.,?": "for example,", r"\bi\.e\.,?": "that is,", r"\betc\.": "et cetera.",
    r"\bvs\.?(?=\s)": "versus", r"\bapprox\.": "approximately", r"\bw/o(?=\s)": "without",
    r"\bw/(?=\s?\w)": "with ", r"\b24/7\b": "twenty-four seven",
    r"\band/or\b": "and or", r"(?<=[a-z]) Rd\b\.?": " Road",
    r"(?<=[a-z]) Ave\b\.?": " Avenue", r"(?<=[a-z]) Blvd\b\.?": " Boulevard",
    r"\bN[oO]\.\s*(?=\d)": "number ", r"\bqty\b\.?": "quantity", r"\bpcs\b": "pieces",
}  # fmt: skip


def _money(match: re.Match[str]) -> str:
    one, many, cent = _MONEY[match[1]]
    if match[3]:
        return f"{en_number(match[2])} {_SCALES.get(match[3], match[3])} {many}"
    whole, _, fraction = match[2].replace(",", "").partition(".")
    if fraction and not int(fraction):
        fraction = ""
    if not cent or len(fraction) != 2:
        amount = en_number(f"{whole}.{fraction}" if fraction else whole)
        return f"{amount} {one if amount == 'one' else many}"
    cents = en_number(str(int(fraction))) + " "
    cents += "pence" if cent == "penny" else cent + ("" if int(fraction) == 1 else "s")
    if not int(whole):
        return cents
    return f"{en_number(whole)} {one if whole == '1' else many} and {cents}"


def _money_range(match: re.Match[str]) -> str:
    return f"{en_number(match[2])} to {en_number(match[3])} {_MONEY[match[1]][1]}"


def _clock(match: re.Match[str]) -> str:
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


def _bare_hour(match: re.Match[str]) -> str:
    return f"{en_number(match[1])} {'A M' if match[2] in 'aA' else 'P M'}"


def _phone(match: re.Match[str]) -> str:
    return ", ".join(en_digits(g) for g in phone_groups(match[0]))


def _iso_date(match: re.Match[str]) -> str:
    month, day = int(match[2]), int(match[3])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return ", ".join(en_digits(part) for part in match.groups())
    return f"{_MONTHS[month - 1]} {en_ordinal(day)}, {en_year(match[1])}"


def _slashed(match: re.Match[str]) -> str:
    """11/25 and 25/11 are days, 1/2 and 3/4 fractions."""
    first, second = int(match[1]), int(match[2])
    year = f", {en_year(match[3])}" if match[3] else ""
    if not year and first < second and second in (2, 3, 4, 5, 8, 10):
        return _fraction(first, second)
    month, day = (first, second) if first <= 12 else (second, first)
    if 1 <= month <= 12 and 1 <= day <= 31:
        return f"{_MONTHS[month - 1]} {en_ordinal(day)}{year}"
    return f"{en_number(match[1])} over {en_number(match[2])}{year}"


def _fraction(above: int, below: int) -> str:
    names = {2: "half", 4: "quarter"}
    name = names.get(below) or en_ordinal(below)
    many = name if above == 1 else "halves" if below == 2 else name + "s"
    return f"{en_number(str(above))} {many}"


def _month_day(match: re.Match[str]) -> str:
    return f"{_month(match[1])} {en_ordinal(int(match[2]))}"


def _day_month(match: re.Match[str]) -> str:
    return f"{_month(match[2])} {en_ordinal(int(match[1]))}"


def _month(short: str) -> str:
    return next(name for name in _MONTHS if name.startswith(short[:3]))


def _days(match: re.Match[str]) -> str:
    sign = match[2].strip()
    return f"{_DAYS[match[1]]} {'and' if sign == '&' else 'to'} {_DAYS[match[3]]}"


def _unit(match: re.Match[str]) -> str:
    one, many = UNITS[match[2]]
    amount = en_number(match[1])
    return f"{amount} {one if amount == 'one' else many}"


def _per(match: re.Match[str]) -> str:
    unit = UNITS[match[2]][0] if match[2] in UNITS else match[2]
    return f"{match[1]} per {unit}"


def _model(match: re.Match[str]) -> str:
    """A380, MP3: three digits and more are said one by one."""
    digits = match[1]
    words = en_digits(digits) if len(digits) > 2 or digits[0] == "0" else en_number(digits)
    return f" {words}" + (" " if match[2] else "")


def _decade(match: re.Match[str]) -> str:
    year = en_year(match[1]) if len(match[1]) == 4 else en_number(match[1])
    return year[:-1] + "ies" if year.endswith("ty") else year + "s"


def _version(match: re.Match[str]) -> str:
    return " point ".join(en_number(part) for part in match[0].split("."))


RULES: tuple[Rule, ...] = (
    *((re.compile(pattern), lambda _, word=word: word)
      for pattern, word in _WORDS.items()),
    (_PHONE, _phone),
    (_CODE, lambda m: m[1] + m[2] + en_digits(m[3])),
    (re.compile(r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?![\d.])"), _iso_date),
    (re.compile(r"(?<![\d/.])(\d{1,2})/(\d{1,2})(?:/(\d{4}))?(?![\d/.%])"), _slashed),
    (re.compile(_MONTH + r"\s+(\d{1,2})(?:st|nd|rd|th)?(?![\d:,]\d|\d)"), _month_day),
    (re.compile(r"(?<!\d)(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?" + _MONTH), _day_month),
    (re.compile(_DAY + rf"(\s*(?:{DASH}|&)\s*)" + _DAY), _days),
    (re.compile(rf"{_SIGN}\s*({NUMBER})\s*{DASH}\s*(?:[¥$€£]\s*)?({NUMBER})(?!\d)"),
     _money_range),
    (re.compile(rf"{_SIGN}\s*({NUMBER}){_SCALE}"), _money),
    (re.compile(rf"({NUMBER})\s*(?:RMB|CNY|元)(?![A-Za-z])"), lambda m: en_number(m[1]) + " yuan"),
    (re.compile(_CLOCK + rf"\s*{DASH}+\s*(?=\d)"), lambda m: _clock(m) + " to "),
    (re.compile(_CLOCK), _clock),
    (re.compile(rf"(?<![\d.:])(1[0-2]|[1-9])\s*([aApP])(?:\.[mM]\.?|[mM]\b)\s*{DASH}\s*(?=\d)"),
     lambda m: _bare_hour(m) + " to "),
    (re.compile(r"(?<![\d.:])(1[0-2]|[1-9])\s*([aApP])(?:\.[mM]\.?|[mM]\b)"), _bare_hour),
    (re.compile(r"(?<![\d:])(\d{1,2}):(\d{1,2})(?![\d:])"),
     lambda m: en_number(m[1]) + " to " + en_number(m[2])),
    (re.compile(rf"({NUMBER})\s*%?\s*{DASH}\s*(?={NUMBER}\s*%)"),
     lambda m: en_number(m[1]) + " to "),
    (re.compile(rf"({NUMBER})\s*%"), lambda m: en_number(m[1]) + " percent"),
    (re.compile(rf"\b(yuan|dollars?|euros?|pounds?|cents?|pence)\s*/\s*({_UNIT}|[a-z]{{2,12}})\b"),
     _per),
    (re.compile(rf"({NUMBER})\s*({_UNIT})?\s*(?:[×*]|\bx\b|x(?=\d))\s*(?=\d)"),
     lambda m: (_unit(m) if m[2] else en_number(m[1])) + " by "),
    (re.compile(r"[×]\s*(?=\d)"), lambda _: " times "),
    (re.compile(rf"({NUMBER})\s*({_UNIT})\s*{DASH}\s*(?=\d)"), lambda m: _unit(m) + " to "),
    (re.compile(rf"(?<![A-Za-z\d.-])({NUMBER})\s*{DASH}\s*(?=\d)"),
     lambda m: en_number(m[1]) + " to "),
    (re.compile(r"(?<=[A-Za-z])-(?=\d)"), lambda _: " "),
    (re.compile(r"(?<=\d)-(?=[A-Za-z])"), lambda _: " "),
    (re.compile(r"(?<!\w)[-−](?=\d)"), lambda _: "minus "),
    (re.compile(rf"({NUMBER})\s*({_UNIT})(?![A-Za-z0-9²³])"), _unit),
    (re.compile(r"(?<![\d.])(\d{1,3})(?:st|nd|rd|th)\b"), lambda m: en_ordinal(int(m[1]))),
    (re.compile(r"(?<!\d)((?:1[89]|20)\d0|[2-9]0)s\b"), _decade),
    (re.compile(r"\b(1[89]\d\d|20\d\d)\b(?![.,]\d)"), lambda m: en_year(m[1])),
    (re.compile(rf"(?<=[a-z]) ({ROMAN_NUMERAL})(?![A-Za-z'])"),
     lambda m: " " + en_number(str(roman_value(m[1])))),
    (re.compile(r"(?<=[A-Za-z])(?=\d+\.\d)"), lambda _: " "),
    (re.compile(r"\d+(?:\.\d+){2,}"), _version),
    (re.compile(r"(?<=[A-Za-z])(\d+)(?![\d.])(?=([A-Za-z]?))"), _model),
    (re.compile(rf"({NUMBER})\+(?!\s*\d)"), lambda m: "over " + en_number(m[1])),
    (re.compile(rf"~\s*({NUMBER})"), lambda m: "about " + en_number(m[1])),
    (re.compile(rf"({NUMBER})(?=([A-Za-z]?))"),
     lambda m: en_number(m[1]) + (" " if m[2] else "")),
    (re.compile(r"\s*≥\s*"), lambda _: " at least "),
    (re.compile(r"\s*≤\s*"), lambda _: " at most "),
    (re.compile(r"\s*>\s*"), lambda _: " more than "),
    (re.compile(r"\s*<\s*"), lambda _: " less than "),
    (re.compile(r"\s*=\s*"), lambda _: " equals "),
    (re.compile(r"\s*±\s*"), lambda _: " plus or minus "),
    (re.compile(r"\s*&\s*"), lambda _: " and "),
    (re.compile(r"\s*\+\s*"), lambda _: " plus "),
    (re.compile(r"\s*/\s*"), lambda _: " "),
)
