"""The names by which people call a product: written out, and found again in a line."""

from __future__ import annotations

import re

from device.programme.schema import Option, Product, Programme

_GENERIC_WORDS = "a an the of and tea teas tin box pack set our classic premium organic finest fine"
_GENERIC_EN = frozenset(_GENERIC_WORDS.split())
_HAN = re.compile(r"[\u4e00-\u9fff]")


def called(programme: Programme) -> dict[str, tuple[str, ...]]:
    """Names, aliases and short forms of every product id, lower case, longest first.

    Short forms are the tail of a Chinese name (龙井 of 明前龙井) and an English name without
    its general words (longjing of "Longjing tea"), where only one product has them.
    """
    full = {product.id: _written(product) for product in programme.products}
    out: dict[str, tuple[str, ...]] = {}
    for product in programme.products:
        others = [name for pid, names in full.items() if pid != product.id for name in names]
        names = set(full[product.id])
        for name in full[product.id]:
            names.update(s for s in _short_forms(name) if not any(s in other for other in others))
        out[product.id] = tuple(sorted(names, key=lambda n: (-len(n), n)))
    return out


def options_called(programme: Programme) -> dict[str, tuple[str, ...]]:
    """Names and aliases of every option by its id; one id of two products is one option."""
    out: dict[str, tuple[str, ...]] = {}
    for product in programme.products:
        for option in product.options:
            names = (*out.get(option.id, ()), *_written(option))
            out[option.id] = tuple(sorted(set(names), key=lambda n: (-len(n), n)))
    return out


def _written(product: Product | Option) -> list[str]:
    names = [*product.name.values()]
    for phrases in (product.aliases or {}).values():
        names += phrases
    return [" ".join(name.lower().split()) for name in names if name.strip()]


def _short_forms(name: str) -> list[str]:
    if _HAN.search(name):
        han = "".join(_HAN.findall(name))
        return [han[-length:] for length in (2, 3) if len(han) >= length + 2]
    words = [word for word in re.findall(r"[\w'-]+", name) if word not in _GENERIC_EN]
    core = " ".join(words)
    return [core] if len(core) >= 4 and core != name else []


def named_in(line: str, names: dict[str, tuple[str, ...]]) -> list[tuple[int, str]]:
    """(position, product id) of every product named in a line, in order, longest name first."""
    line = line.lower()
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, str]] = []
    candidates = sorted(
        ((name, product_id) for product_id, each in names.items() for name in each),
        key=lambda pair: -len(pair[0]),
    )
    for name, product_id in candidates:
        start = line.find(name)
        while start >= 0:
            end = start + len(name)
            if not any(start < b and a < end for a, b in taken) and _whole_word(line, start, end):
                taken.append((start, end))
                found.append((start, product_id))
            start = line.find(name, end)
    return sorted(found)


def _whole_word(line: str, start: int, end: int) -> bool:
    if _HAN.match(line[start]):
        return True
    before, after = line[start - 1 : start], line[end : end + 1]
    return not (before.isascii() and before.isalnum()) and not (after.isascii() and after.isalpha())
