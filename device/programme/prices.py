"""Prices: read from a product's card, found in a line as digits or words, and spoken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from device.programme.numerals import (
    DIGITS,
    EN_NUMERAL,
    ZH_NUMERAL,
    digits_value,
    en_values,
    narrowed,
    zh_value,
)

_SIGNS = {
    "¥": "CNY",
    "RMB": "CNY",
    "CNY": "CNY",
    "CN¥": "CNY",
    "$": "USD",
    "US$": "USD",
    "USD": "USD",
    "€": "EUR",
    "EUR": "EUR",
    "£": "GBP",
    "GBP": "GBP",
    "HK$": "HKD",
}
_SIGN = r"(?:CN¥|US\$|HK\$|[¥$€£]|\b(?:RMB|CNY|USD|EUR|GBP))"
_EN_UNITS = {
    "yuan": "CNY",
    "rmb": "CNY",
    "kuai": "CNY",
    "renminbi": "CNY",
    "dollar": "USD",
    "dollars": "USD",
    "euro": "EUR",
    "euros": "EUR",
    "pound": "GBP",
    "pounds": "GBP",
}
_ZH_UNITS = {
    "元": "CNY",
    "块": "CNY",
    "圆": "CNY",
    "人民币": "CNY",
    "美元": "USD",
    "美金": "USD",
    "欧元": "EUR",
    "港币": "HKD",
    "英镑": "GBP",
}
_EN_UNIT = "|".join(_EN_UNITS)
_ZH_UNIT = "人民币|美元|美金|欧元|港币|英镑|元|块|圆"
_NUMBER_ZH = rf"(?:{DIGITS}|{ZH_NUMERAL}+)"
_CENTS_ZH = rf"(?:{ZH_NUMERAL}|\d){{1,2}}"

_ZH_PRICE = re.compile(
    rf"(?P<n>{_NUMBER_ZH})\s*(?P<half>半)?(?P<unit>{_ZH_UNIT})钱?"
    rf"(?:(?P<jiao>{_CENTS_ZH})(?:毛|角)?(?:(?P<fen>{_CENTS_ZH})分)?(?![盒罐克片杯两斤年月天小位人点个]|包(?!邮)))?"
    rf"(?P<halfafter>半)?"
)
_SIGN_PRICE = re.compile(rf"(?P<unit>{_SIGN})\s*(?P<n>{DIGITS})", re.IGNORECASE)
_WHOLE = re.compile(
    rf"(?P<sign>{_SIGN})?\s*(?P<n>{DIGITS})\s*(?P<unit>{_ZH_UNIT}|{_EN_UNIT}|RMB|CNY|USD|EUR|GBP)?",
    re.IGNORECASE,
)
_WHOLE_CHARS_MAX = 40
_EN_PRICE = re.compile(
    rf"(?P<n>{DIGITS}|{EN_NUMERAL})[\s-]*(?P<unit>{_EN_UNIT}|RMB|CNY|USD)\b", re.IGNORECASE
)
_ZH_BARE = re.compile(
    rf"(?:售价|价格|特价|现价|定价|只要|仅需|只需|只卖|仅售|卖)(?:是|为|:|:)?\s*(?P<n>{_NUMBER_ZH})"
    rf"(?![\d.,零一二三四五六七八九十百千万%折点个盒罐克片杯斤年月天分小包位人{_ZH_UNIT[:3]}块元圆美欧港英半])"
)
_EN_BARE = re.compile(
    rf"\b(?:costs?|priced at|price is|price of|sells? (?:for|at)|yours for)\s+(?:only\s+|just\s+)?"
    rf"(?P<n>{DIGITS}|{EN_NUMERAL})(?![\w.,]*\d)"
    rf"(?!\s*-?(?:{_EN_UNIT}|RMB|CNY|USD|%|percent|minutes?|hours?|days?|people|cents?)\b)",
    re.IGNORECASE,
)
# A sum that is not the price itself: what is saved, the old price, the least to spend.
_NOT_THE_PRICE_ZH = re.compile(
    r"(便宜|省|减|满|立减|优惠|贵|差|加|原价|返|送|抵|免|超过|每)(了|去|是|为)?\s*$"
)
_NOT_THE_PRICE_EN = re.compile(
    r"\b(save|saves|saving|over|above|spend|was|were|originally|usually|regular price( is)?|"
    r"regularly|instead of|than|every|extra|another)(\s+(of|only|just))?\s*$",
    re.IGNORECASE,
)
_NOT_THE_PRICE_AFTER = re.compile(
    r"^\s*(off\b|less\b|more\b|cheaper\b|discount\b|or more\b|以上|券|优惠|代金)", re.IGNORECASE
)
_QUANTITY_BEFORE = re.compile(
    rf"(?:(?P<zh>{ZH_NUMERAL}{{1,3}}|\d{{1,3}})[盒罐包袋饼件份瓶套斤杯]|"
    rf"\b(?P<en>\d{{1,3}}|{EN_NUMERAL})\s+(?:tins?|boxes|bags?|cakes?|packs?|cups?|bottles?|sets?)\b)"
    r"[^。.;；!?！？]{0,12}$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Price:
    """A price that a text names: the amounts it may mean, and where it stands."""

    amounts: frozenset[Decimal]
    currency: str | None
    start: int
    text: str
    quantity: Decimal = Decimal(1)

    def means(self, card: Price) -> bool:
        """True when this can be the card's price, or the price of the quantity named before."""
        if self.currency and card.currency and self.currency != card.currency:
            return False
        return any(
            said in (price, price * self.quantity)
            for said in self.amounts
            for price in card.amounts
        )


def card_price(text: str) -> Price | None:
    """The price on a card ("¥128", "128元/盒", "$12.50"); None for "时价" or "ask us"."""
    text = narrowed(text)
    found = mentions(text)
    if found:
        amounts = frozenset().union(*(price.amounts for price in found))
        return Price(amounts, found[0].currency, 0, text)
    digits = re.findall(DIGITS, text)
    if not digits:
        return None
    return Price(frozenset(digits_value(each) for each in digits), None, 0, text)


def whole_price(text: str) -> Price | None:
    """The price that the whole text is ("¥128", "128元", "12.50 USD"); None for anything more,
    for nothing, or for no money at all."""
    found = _WHOLE.fullmatch(narrowed(text).strip())
    if not found or len(text) > _WHOLE_CHARS_MAX or bool(found["sign"]) == bool(found["unit"]):
        return None
    amount = digits_value(found["n"])
    currency = _currency(found["sign"] or found["unit"])
    return Price(frozenset({amount}), currency, 0, text) if amount > 0 else None


def mentions(line: str) -> list[Price]:
    """Every price that a line says, in order; not what is saved, spent at least, or was before."""
    line = narrowed(line)
    found: dict[int, Price] = {}
    for pattern in (_SIGN_PRICE, _ZH_PRICE, _EN_PRICE, _ZH_BARE, _EN_BARE):
        for match in pattern.finditer(line):
            start = match.start("n")
            if any(
                start < p.start + len(p.text) and p.start < match.end("n") for p in found.values()
            ):
                continue
            price = _price(match, line)
            if price is not None:
                found[start] = price
    return [found[start] for start in sorted(found)]


def _price(match: re.Match[str], line: str) -> Price | None:
    before, after = line[: match.start()], line[match.end() :]
    if _NOT_THE_PRICE_ZH.search(before) or _NOT_THE_PRICE_EN.search(before):
        return None
    if _NOT_THE_PRICE_AFTER.search(after):
        return None
    amounts = _amounts(match["n"])
    groups = match.groupdict()
    if groups.get("half") or groups.get("halfafter"):
        amounts = frozenset(a + Decimal("0.5") for a in amounts)
    cents = _cents(groups.get("jiao"), groups.get("fen"))
    amounts = frozenset(a + cents for a in amounts)
    if not amounts:
        return None
    return Price(
        amounts, _currency(groups.get("unit")), match.start("n"), match[0], _quantity(before)
    )


def _amounts(text: str) -> frozenset[Decimal]:
    if re.fullmatch(DIGITS, text):
        return frozenset({digits_value(text)})
    chinese = zh_value(text)
    return frozenset({chinese}) if chinese is not None else en_values(text)


def _cents(jiao: str | None, fen: str | None) -> Decimal:
    value = Decimal(0)
    if jiao:
        amount = next(iter(_amounts(jiao)), Decimal(0))
        value += amount / (10 if amount < 10 else 100)
    if fen:
        value += next(iter(_amounts(fen)), Decimal(0)) / 100
    return value


def _currency(unit: str | None) -> str | None:
    if not unit:
        return None
    return _SIGNS.get(unit.upper()) or _ZH_UNITS.get(unit) or _EN_UNITS.get(unit.lower())


def _quantity(before: str) -> Decimal:
    found = _QUANTITY_BEFORE.search(before)
    if not found:
        return Decimal(1)
    values = _amounts(found["zh"] or found["en"])
    return min(values, default=Decimal(1)) or Decimal(1)


_SPOKEN_ZH = {"CNY": "元", "USD": "美元", "EUR": "欧元", "GBP": "英镑", "HKD": "港币"}
_SPOKEN_EN = {
    "CNY": "yuan",
    "USD": "dollars",
    "EUR": "euros",
    "GBP": "pounds",
    "HKD": "Hong Kong dollars",
}


def spoken_price(card: str, language: str) -> str:
    """How a line names a card's price: "128元", "128 yuan"; the card's text when it is no sum.

    Digits, because the line is the caption too; the synthesiser reads them as words.
    """
    price = card_price(card)
    if price is None or len(price.amounts) != 1:
        return card
    (amount,) = price.amounts
    digits = f"{amount:f}"
    digits = (
        digits.rstrip("0").rstrip(".") if language.startswith("zh") and "." in digits else digits
    )
    units = _SPOKEN_ZH if language.startswith("zh") else _SPOKEN_EN
    unit = units[price.currency or "CNY"]
    return digits + unit if language.startswith("zh") else f"{digits} {unit}"
