"""What a store's form sets for its programme: values by their types, until when, its groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from device.programme.schema import TypedVariable, VariableValue
from device.programme.variables import declared, is_typed, wrong
from ota.errors import Refused

FIELD = "var/"
NAME_CHARS_MAX, VALUE_CHARS_MAX = 80, 400
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """One input of the form: a variable that the programme declares with a type."""

    name: str
    kind: str
    label: str
    default: str
    value: str
    until: str


def typed(document: Document) -> dict[str, TypedVariable]:
    """The variables with a type of a programme's document; what cannot be read has none."""
    found = document.get("variables")
    kinds: dict[str, TypedVariable] = {}
    for name, raw in (found.items() if isinstance(found, dict) else ()):
        try:
            value = msgspec.convert(raw, VariableValue)
            what = declared(value) if is_typed(value) else None
        except msgspec.ValidationError:
            continue
        if what is not None:
            kinds[str(name)] = what
    return kinds


def fields(
    document: Document, values: Mapping[str, str], until: Mapping[str, str], language: str
) -> list[Field]:
    """The inputs for one store, as a reader of that language sees them."""
    found = []
    for name, what in typed(document).items():
        label = (what.label or {}).get(language) or next(iter((what.label or {}).values()), name)
        default = what.default
        if isinstance(default, dict):
            default = default.get(language) or next(iter(default.values()), "")
        found.append(Field(
            name, what.type, label, default or "", values.get(name, ""), until.get(name, "")))
    return found


def others(document: Document, values: Mapping[str, str]) -> dict[str, str]:
    """The values without an input of their own."""
    known = typed(document)
    return {name: value for name, value in values.items() if name not in known}


def posted(form: Mapping[str, str], document: Document) -> dict[str, str]:
    """The values of a posted form: its inputs, and `name = value` lines. Raises Refused."""
    found = _lines(form.get("variables", ""))
    for name in typed(document):
        value = form.get(FIELD + name, "").strip()
        if value:
            found[name] = value[:VALUE_CHARS_MAX]
    checked(document, found)
    return found


def checked(document: Document, values: Mapping[str, str]) -> None:
    """Raises Refused with every value that is none of its variable's type."""
    faults = []
    for name, what in typed(document).items():
        good = wrong(what.type, values[name]) if name in values else None
        if good is not None:
            shown = values[name][:40]
            faults.append(f"{name}:“{shown}”不是{good[0]} / {shown!r} is not {good[1]}.")
    if faults:
        raise Refused("\n".join(faults))


def until_of(
    document: Document, before: Mapping[str, str], after: Mapping[str, str],
    until: Mapping[str, str], now: datetime, all_new: bool,
) -> dict[str, str]:
    """Until when each value may be said: for `fresh_h` hours from when it was set.

    A form sends all its values again: only those that changed are new, unless `all_new`.
    """
    found: dict[str, str] = {}
    kinds = typed(document)
    for name, value in after.items():
        hours = kinds[name].fresh_h if name in kinds else None
        if not all_new and before.get(name) == value and name in until:
            found[name] = until[name]
        elif hours is not None:
            found[name] = (now + timedelta(hours=hours)).isoformat(timespec="seconds")
    return found


def groups_of(text: str) -> list[str]:
    """The groups of a line such as "flagship, airport"."""
    return list(dict.fromkeys(each for each in re.split(r"[\s,，、;]+", text.strip()) if each))


def _lines(text: str) -> dict[str, str]:
    """`name = value` lines; raises Refused with the line that is not."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise Refused(f"Line {number} of the variables is not `name = value`.")
        found[name.strip()[:NAME_CHARS_MAX]] = value.strip()[:VALUE_CHARS_MAX]
    return found
