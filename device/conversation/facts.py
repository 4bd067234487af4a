"""What a programme states at a moment, in a form that another text can be held against. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from device.conversation.english import words
from device.conversation.script import Script
from device.programme.claims import Claim, claims
from device.programme.lines import card_price_text
from device.programme.names import called, named_in
from device.programme.playable import line_text, local_zone, said_at
from device.programme.schema import Answer, Product, Segment
from device.programme.times import is_valid_at

HAN_RUN = re.compile(r"[\u3400-\u9fff]+")


@dataclass(frozen=True)
class Fact:
    """One thing that is said or shown, about a product or (None) about the shop."""

    product_id: str | None
    language: str
    text: str


@dataclass(frozen=True)
class Facts:
    """All facts of a moment. `names` are the names of all products, `sold` those that hold now.

    `pairs` and `letters` are the Han characters in use, `words` the English ones (stemmed).
    """

    facts: tuple[Fact, ...]
    names: dict[str, tuple[str, ...]]
    sold: frozenset[str]
    claimed: dict[str | None, tuple[Claim, ...]]
    pairs: frozenset[str]
    letters: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, script: Script, now: datetime) -> Facts:
        """What holds at the aware moment `now` in this store."""
        programme = script.programme
        names = called(programme)
        zone = local_zone(programme)
        local = now.astimezone(zone)
        sold = {
            product.id: product for product in programme.products
            if is_valid_at(programme.valid, local, zone) and is_valid_at(product.valid, local, zone)
        }  # fmt: skip
        found = tuple(dict.fromkeys(_all(script, now, sold, names)))
        claimed: dict[str | None, list[Claim]] = {}
        for fact in found:
            for owner, claim in owned(fact.text, names, fact.product_id):
                claimed.setdefault(owner, []).append(claim)
        spoken = [fact.text for fact in found]
        for answer in programme.answers:
            spoken += [phrase for phrases in answer.ask.values() for phrase in phrases]
        runs = [run for text in spoken for run in HAN_RUN.findall(text)]
        return cls(
            found, names, frozenset(sold), {key: tuple(each) for key, each in claimed.items()},
            frozenset(run[at : at + 2] for run in runs for at in range(len(run) - 1)),
            frozenset("".join(runs)),
            frozenset(word for text in spoken for word in words(text)),
        )  # fmt: skip


def owned(
    text: str, names: dict[str, tuple[str, ...]], default: str | None
) -> list[tuple[str | None, Claim]]:
    """Each claim with its product: the one named last before it, else the first, else `default`."""
    named = named_in(text, names)
    found: list[tuple[str | None, Claim]] = []
    for claim in claims(text):
        before = [product_id for at, product_id in named if at <= claim.at]
        first = default or (named[0][1] if named else None)
        found.append((before[-1] if before else first, claim))
    return found


def _all(
    script: Script, now: datetime, sold: dict[str, Product], names: dict[str, tuple[str, ...]]
) -> Iterator[Fact]:
    programme, values = script.programme, script.values_at(now)
    for language in programme.languages:
        for product in sold.values():
            yield from _of_product(script, product, language)
        now_on = script.playable(now, language)
        items: tuple[Answer | Segment, ...] = (*now_on.answers, *now_on.segments)
        for item in items:
            line = line_text(said_at(programme, item, now), language, programme, values)
            if line is not None:
                about = {product_id for _, product_id in named_in(line[1], names)}
                only = next(iter(about)) if len(about) == 1 else None
                yield Fact(item.show or only, line[0], line[1])
        for value in values.values():
            text = value if isinstance(value, str) else str(value.get(language, ""))
            if text:
                yield Fact(None, language, text)
        for hours in programme.opening_hours:
            yield Fact(None, language, f"{hours.days} {hours.starts}-{hours.until}")


def _of_product(script: Script, product: Product, language: str) -> Iterator[Fact]:
    parts = [product.name.get(language, "")]
    if product.price:
        parts.append(
            card_price_text(product, script.programme, script.variables, language) or "")
    for texts in (product.unit, product.note):
        parts.append((texts or {}).get(language, ""))
    yield Fact(product.id, language, ", ".join(part for part in parts if part))
    for name in (product.aliases or {}).get(language, ()):
        yield Fact(product.id, language, name)
