"""A programme as one store has it: its groups, its stock, and how long its prices hold. Pure.

What a store must not say is given an end of validity here, so that one rule decides it everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from device.programme.playable import local_zone
from device.programme.schema import Answer, Product, Programme, Segment, Slot, Valid
from device.programme.times import BadTime, instant, is_valid_at
from device.programme.variables import Plain, is_stale, named_in, values

NEVER = Valid(until="1970-01-01T00:00Z")
Grouped = Segment | Answer | Product | Slot


@dataclass(frozen=True)
class Store:
    """What the console knows of one store: `until` when its values hold, and its groups."""

    variables: Mapping[str, str] = field(default_factory=dict)
    until: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()


def for_store(programme: Programme, store: Store) -> Programme:
    """The parts for this store; lines and cards end when a value in them is none any more.

    A product whose price has no value, or of which the store has 0 in stock, is never shown.
    """
    ends = _Ends(programme, store)
    return msgspec.structs.replace(
        programme,
        products=tuple(ends.product(each) for each in programme.products if _has(store, each)),
        segments=tuple(ends.segment(each) for each in programme.segments if _has(store, each)),
        answers=tuple(ends.answer(each) for each in programme.answers if _has(store, each)),
        schedule=tuple(each for each in programme.schedule if _has(store, each)),
    )


def sold_out(programme: Programme, store: Store, product_id: str, now: datetime) -> bool:
    """Has the store none left of a product that would be sold at `now`?

    `programme` as it was written, before `for_store`.
    """
    product = programme.product(product_id)
    return (
        product is not None and _has(store, product)
        and is_valid_at(product.valid, now, local_zone(programme))
        and _is_gone(product, values(programme, store.variables)))


def values_at(programme: Programme, store: Store, now: datetime) -> Mapping[str, Plain]:
    """The store's values without those that do not hold any more."""
    known = values(programme, store.variables)
    old = [name for name in store.variables
           if name in store.until and is_stale(store.until[name], now, programme.timezone)]
    return {name: value for name, value in known.items() if name not in old}


def _is_gone(product: Product, known: Mapping[str, Plain]) -> bool:
    left = known.get(product.stock) if product.stock is not None else None
    return isinstance(left, str) and left.strip() != "" and left.strip().strip("0") == ""


def _has(store: Store, part: Grouped) -> bool:
    return not part.groups or bool(store.groups & set(part.groups))


class _Ends:
    """When the values of one store end."""

    def __init__(self, programme: Programme, store: Store) -> None:
        self._programme, self._store = programme, store
        self._known = values(programme, store.variables)
        # The console may set names that no programme declares; their end counts as well.
        self._until = {name: until for name, until in store.until.items()
                       if name in store.variables}

    def product(self, product: Product) -> Product:
        """Never without a price that can be told, or while there is none of it."""
        named = named_in(product.price or "")
        if _is_gone(product, self._known) or not named <= self._known.keys():
            return msgspec.structs.replace(product, valid=NEVER)
        return msgspec.structs.replace(product, valid=self._cut(product.valid, named))

    def segment(self, segment: Segment) -> Segment:
        """Its lines, language by language; its notice ends it in all of them."""
        named = frozenset[str]().union(*map(named_in, (segment.notice or {}).values()))
        return msgspec.structs.replace(
            segment, valid=self._cut(segment.valid, named), valid_in=self._languages(segment))

    def answer(self, answer: Answer) -> Answer:
        """Its lines, language by language."""
        return msgspec.structs.replace(answer, valid_in=self._languages(answer))

    def _languages(self, item: Segment | Answer) -> dict[str, Valid] | None:
        limits = dict(item.valid_in or {})
        for language, text in item.say.items():
            valid = self._cut(limits.get(language), named_in(text))
            if valid is not None:
                limits[language] = valid
        return limits or None

    def _cut(self, valid: Valid | None, named: frozenset[str]) -> Valid | None:
        """Until the earliest end of the values that are named."""
        ends = [self._until[name] for name in named if name in self._until]
        if not ends:
            return valid
        here = local_zone(self._programme)
        ends += [valid.until] if valid is not None and valid.until is not None else []
        try:
            first = min(ends, key=lambda text: instant(text, here))
        except BadTime:
            return NEVER
        return Valid(starts=valid.starts if valid is not None else None, until=first)
