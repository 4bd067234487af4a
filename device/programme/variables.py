"""Values of the stores: what a programme declares, what a store has set, what may be said. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from device.programme.prices import whole_price
from device.programme.schema import PLACEHOLDER, Programme, TypedVariable, VariableValue
from device.programme.times import BadTime, clock_minutes, instant, zone

Plain = str | dict[str, str]
TEXT_CHARS_MAX = 200
_STOCK = re.compile(r"\d{1,6}", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,9}(\.\d{1,3})?", re.ASCII)
_WANTED = {
    "price": ("一个价格,例如 ¥128", "a price such as ¥128"),
    "stock": ("件数,0 到 999999", "a number of pieces, 0 to 999999"),
    "number": ("一个数,例如 12 或 3.5", "a number such as 12 or 3.5"),
    "time": ("一天里的时间,例如 21:30", "a time of day such as 21:30"),
    "text": (f"一段文字,最多 {TEXT_CHARS_MAX} 个字,不含大括号",
             f"a text of at most {TEXT_CHARS_MAX} characters without braces"),
}


def declared(value: VariableValue | TypedVariable) -> TypedVariable | None:
    """What `variables` says of one name; None for a type that this version cannot read."""
    if isinstance(value, TypedVariable):
        return value
    try:
        if isinstance(value, str) or "type" not in value:
            return TypedVariable(type="text", default=msgspec.convert(value, str | dict[str, str]))
        return msgspec.convert(value, TypedVariable)
    except msgspec.ValidationError:
        return None


def is_typed(value: VariableValue | TypedVariable) -> bool:
    """Was it written with a type?"""
    return isinstance(value, TypedVariable) or (isinstance(value, dict) and "type" in value)


def kind_of(programme: Programme, name: str) -> str:
    """The type of a variable; "text" for one that is not declared."""
    found = declared(programme.variables[name]) if name in programme.variables else None
    return found.type if found else "text"


def wrong(kind: str, value: str) -> tuple[str, str] | None:
    """What a value of that type looks like, zh and en; None when `value` is one."""
    text = value.strip()
    if kind == "price":
        good = whole_price(text) is not None
    elif kind == "stock":
        good = _STOCK.fullmatch(text) is not None
    elif kind == "number":
        good = _NUMBER.fullmatch(text) is not None
    elif kind == "time":
        good = _is_clock(text)
    else:
        good = len(value) <= TEXT_CHARS_MAX and not re.search(r"[{}\x00-\x1f]", value)
    return None if good else _WANTED[kind]


def _is_clock(text: str) -> bool:
    try:
        clock_minutes(text)
    except BadTime:
        return False
    return True


@dataclass(frozen=True)
class Withheld:
    """A variable without a value that may be said: `why` is "malformed", "stale" or "not set"."""

    name: str
    why: str


def values(programme: Programme, own: Mapping[str, Plain] | None) -> dict[str, Plain]:
    """The store's values over the programme's defaults.

    A value that is none of its type leaves the name without any: an older price is no price.
    """
    found: dict[str, Plain] = {}
    for name, value in programme.variables.items():
        what = declared(value)
        if what is not None and what.default is not None:
            found[name] = what.default
    for name, set_here in (own or {}).items():
        typed = name in programme.variables and is_typed(programme.variables[name])
        kind = kind_of(programme, name)
        good = wrong(kind, set_here) is None if isinstance(set_here, str) else kind == "text"
        if typed and not good:
            found.pop(name, None)
        else:
            found[name] = set_here
    return found


def withheld(
    programme: Programme, own: Mapping[str, str], until: Mapping[str, str], now: datetime
) -> Iterator[Withheld]:
    """The typed variables of which this store has no value to say at `now`."""
    known = values(programme, own)
    for name, value in programme.variables.items():
        if not is_typed(value):
            continue
        if name not in known:
            yield Withheld(name, "malformed" if name in own else "not set")
        elif name in own and name in until and is_stale(until[name], now, programme.timezone):
            yield Withheld(name, "stale")


def is_stale(until: str, now: datetime, zone_name: str) -> bool:
    """Is a value that holds until that moment too old? Also when the moment cannot be read."""
    try:
        return now >= instant(until, zone(zone_name))
    except BadTime:
        return True


def named_in(text: str) -> frozenset[str]:
    """The variables (not the products) that a text's placeholders name."""
    names = (each.strip() for each in PLACEHOLDER.findall(text))
    return frozenset(name for name in names if "." not in name)
