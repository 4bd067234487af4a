"""The rule that a price said is the price shown."""

from __future__ import annotations

from collections.abc import Iterator

from device.programme.lines import card_price_text, fill, merged
from device.programme.names import called, named_in
from device.programme.prices import Price, card_price, mentions
from device.programme.problems import Fault
from device.programme.rules import Checked, lines
from device.programme.schema import Product


def prices(checked: Checked) -> Iterator[Fault]:
    """A line that shows or names a product, and says a price that is not the product's.

    Each price belongs to the product named last before it in the line, else to the one on the
    card, else to the first named. What is saved, or was the price before, is not compared.
    """
    programme = checked.programme
    names, values = called(programme), merged(programme, None)
    for path, language, text, shown in lines(checked):
        line = fill(text, programme, values, language)
        if line is None:
            continue
        named = named_in(line, names)
        for said in mentions(line):
            product_id = _owner(said, named, shown)
            product = programme.product(product_id)
            if product is None or not product.price:
                continue
            price = card_price_text(product, programme, values, language)
            card = card_price(price) if price else None
            if card is not None and not said.means(card):
                yield _fault(path, said, product, language)


def _owner(said: Price, named: list[tuple[int, str]], shown: str | None) -> str | None:
    before = [product_id for at, product_id in named if at < said.start]
    if before:
        return before[-1]
    return shown or (named[0][1] if named else None)


def _fault(path: tuple[str | int, ...], said: Price, product: Product, language: str) -> Fault:
    name = product.name.get(language) or next(iter(product.name.values()), product.id)
    hint = f"{{{product.id}.price}}"
    return Fault(
        path,
        f"说的价格“{said.text.strip()}”与「{name}」的价格 {product.price} 不一致;"
        f"写成 {hint} 就会始终一致",
        f'the price said, "{said.text.strip()}", is not the price of {name}, {product.price}; '
        f"write {hint} and it always is",
    )
