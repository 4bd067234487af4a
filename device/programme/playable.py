"""What may be said and shown now: the one pure place where time and validity decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from device.programme import times
from device.programme.lines import Variables, fill, in_language, merged
from device.programme.schema import (
    PLACEHOLDER,
    Answer,
    Fallback,
    Product,
    Programme,
    Segment,
    Valid,
)


@dataclass(frozen=True)
class Playable:
    """The programme, as it stands at one moment in one language.

    `segments` are in the order to play, with repeats as the schedule has them; `why` is
    "" or the reason why nothing plays: "expired", "not yet", "nothing scheduled". `is_open`
    tells whether the shop is open: for dimming the screen; the schedule says what plays.
    """

    segments: tuple[Segment, ...] = ()
    answers: tuple[Answer, ...] = ()
    products: Mapping[str, Product] = field(default_factory=dict)
    why: str = ""
    is_open: bool = True


def local_zone(programme: Programme) -> tzinfo:
    """The programme's time zone; China's when its name cannot be read."""
    for name in (programme.timezone, "Asia/Shanghai"):
        try:
            return times.zone(name)
        except times.BadTime:
            continue
    raise times.BadTime(programme.timezone)


def speaking_language(texts: Mapping[str, str], wanted: str, programme: Programme) -> str | None:
    """The language in which a line is said: the wanted one, else the programme's first it has."""
    for language in (wanted, *programme.languages):
        if in_language(texts, language) is not None:
            return language
    return None


def line_text(
    texts: Mapping[str, str], wanted: str, programme: Programme, variables: Variables
) -> tuple[str, str] | None:
    """(language, filled-in line), or None when it cannot be said."""
    language = speaking_language(texts, wanted, programme)
    text = in_language(texts, language) if language else None
    if language is None or text is None:
        return None
    filled = fill(text, programme, variables, language)
    return (language, filled) if filled else None


def playable(
    programme: Programme, now: datetime, variables: Variables | None, language: str
) -> Playable:
    """What may be said and shown at the aware moment `now`.

    Nothing past its `valid` is in it, nor a line that shows an expired product or names one
    by a placeholder, nor a line with a variable that has no value.
    """
    zone = local_zone(programme)
    local = now.astimezone(zone)
    if not times.is_valid_at(programme.valid, local, zone):
        return Playable(products={}, why=_outside(programme.valid, local, zone))
    values = merged(programme, variables)
    products = {p.id: p for p in programme.products if times.is_valid_at(p.valid, local, zone)}

    def fits(item: Segment | Answer) -> bool:
        return (
            times.is_valid_at(item.valid, local, zone)
            and (item.show is None or item.show in products)
            and products_named(item) <= products.keys()
            and line_text(said_at(programme, item, local), language, programme, values) is not None
        )

    answers = tuple(item for item in programme.answers if fits(item))
    hours = programme.opening_hours
    is_open = not hours or any(times.is_on(each, local, programme.holidays) for each in hours)
    by_id = {item.id: item for item in programme.segments if fits(item)}
    segments = tuple(by_id[each] for each in scheduled(programme, now) if each in by_id)
    why = "" if segments else "nothing scheduled"
    return Playable(segments, answers, products, why, is_open)


def products_named(item: Segment | Answer) -> frozenset[str]:
    """Ids of the products that a line's placeholders speak of (`{longjing.price}`)."""
    names = (name for text in item.say.values() for name in PLACEHOLDER.findall(text))
    return frozenset(name.partition(".")[0].strip() for name in names if "." in name)


def said_at(
    programme: Programme, item: Segment | Answer | Fallback, now: datetime
) -> dict[str, str]:
    """The line in the languages in which it holds at `now`."""
    if isinstance(item, Fallback) or not item.valid_in:
        return item.say
    zone = local_zone(programme)
    return {language: text for language, text in item.say.items()
            if times.is_valid_at(item.valid_in.get(language), now, zone)}


def may_say(programme: Programme, item: Segment | Answer, now: datetime) -> bool:
    """Is this one line still to be said at `now`? The same rules as `playable`, but cheap."""
    zone = local_zone(programme)
    if not (
        times.is_valid_at(programme.valid, now, zone) and times.is_valid_at(item.valid, now, zone)
    ):
        return False
    named = products_named(item) | ({item.show} if item.show else set())
    return bool(said_at(programme, item, now)) and all(
        may_show(programme, product_id, now) for product_id in named)


def may_show(programme: Programme, product_id: str, now: datetime) -> bool:
    """May that product's card be shown at `now`? False for a product that is not there."""
    zone = local_zone(programme)
    product = programme.product(product_id)
    return (
        product is not None
        and times.is_valid_at(product.valid, now, zone)
        and times.is_valid_at(programme.valid, now, zone)
    )


def scheduled(programme: Programme, now: datetime) -> tuple[str, ...]:
    """Ids of the segments of this part of the day, in the order to play; parts may overlap."""
    zone = local_zone(programme)
    local = now.astimezone(zone)
    if not programme.schedule:
        return tuple(item.id for item in programme.segments)
    return tuple(
        each
        for slot in programme.schedule
        if times.is_on(slot, local, programme.holidays)
        and times.is_valid_at(slot.valid, local, zone)
        for each in slot.play
    )


def _outside(valid: Valid | None, local: datetime, zone: tzinfo) -> str:
    try:
        if valid and valid.starts and local < times.instant(valid.starts, zone):
            return "not yet"
    except times.BadTime:
        pass
    return "expired"
