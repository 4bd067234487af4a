"""The menu of the speech-to-intent set's coffee shop, as a vocabulary of slots."""

from __future__ import annotations

_AMOUNTS = ("", "some ", "a bit of ", "a little bit of ", "a lot of ", "lots of ")


def _each(*names: str) -> dict[str, tuple[str, ...]]:
    return {name: (name,) for name in names}


def _amounts(*names: str) -> dict[str, tuple[str, ...]]:
    return _each(*(amount + name for amount in _AMOUNTS for name in names))


MENU: dict[str, dict[str, tuple[str, ...]]] = {
    "size": _each(
        "small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce"
    ),
    "roast": _each("light roast", "medium roast", "dark roast"),
    "numberOfShots": _each("single shot", "double shot", "triple shot"),
    "coffeeDrink": _each(
        "mocha", "iced mocha", "cappuccino", "house coffee", "coffee", "americano", "iced coffee",
        "drip coffee", "latte", "espresso",
    ),
    "milkAmount": _amounts("cream", "milk", "almond milk", "soy milk", "whole milk", "skim milk"),
    "sugarAmount": _amounts("sugar", "brown sugar", "sweetener"),
}  # fmt: skip
