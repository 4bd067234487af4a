"""Sizes said in numbers: "250 g", 两百五十克, "the 256 gigabyte one"."""

from __future__ import annotations

import re
from decimal import Decimal

from device.programme import numerals

_UNITS = {
    "g": "g|gram|grams|克", "kg": "kg|kilo|kilos|kilogram|kilograms|公斤|千克", "jin": "斤",
    "ml": "ml|millilitre|millilitres|milliliter|milliliters|毫升",
    "l": "litre|litres|liter|liters|升",
    "oz": "oz|ounce|ounces|盎司", "gb": "gb|gig|gigs|gigabyte|gigabytes|吉",
    "inch": "inch|inches|英寸|寸", "cm": "cm|centimetre|centimetres|centimeter|centimeters|厘米",
}  # fmt: skip
_CANONICAL = {word: unit for unit, words in _UNITS.items() for word in words.split("|")}
_UNIT = "|".join(sorted(_CANONICAL, key=len, reverse=True))
_END = r"(?![a-z])"
_SIZE = re.compile(
    rf"(?P<digits>{numerals.DIGITS})[\s-]*(?P<a>{_UNIT}){_END}"
    rf"|(?P<zh>{numerals.ZH_NUMERAL}+)(?P<b>{_UNIT}){_END}"
    rf"|(?P<en>{numerals.EN_NUMERAL})[\s-]+(?P<c>{_UNIT}){_END}",
    re.IGNORECASE,
)


def sizes(text: str) -> frozenset[str]:
    """Every size in the text, as "250g", however it is said or written."""
    found: set[str] = set()
    for match in _SIZE.finditer(numerals.narrowed(text.lower())):
        unit = _CANONICAL[match["a"] or match["b"] or match["c"]]
        values: frozenset[Decimal | None]
        if match["digits"]:
            values = frozenset({numerals.digits_value(match["digits"])})
        elif match["zh"]:
            values = frozenset({numerals.zh_value(match["zh"])})
        else:
            values = frozenset(numerals.en_values(match["en"]))
        found |= {f"{value.normalize():f}{unit}" for value in values if value is not None}
    return frozenset(found)
