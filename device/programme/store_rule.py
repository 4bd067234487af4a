"""The rules for what differs between stores: variables and their types, stock, groups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from device.programme.positions import Path
from device.programme.problems import Fault, near
from device.programme.rules import Checked, lines
from device.programme.schema import (
    NAME_CHARS_MAX,
    PLACEHOLDER,
    Answer,
    Product,
    Programme,
    Segment,
    Slot,
)
from device.programme.variables import declared, is_typed, kind_of, wrong


def variables(checked: Checked) -> Iterator[Fault]:
    """A placeholder that nobody fills, a lone brace, a variable that nobody uses."""
    programme = checked.programme
    used = {product.stock for product in programme.products if product.stock}
    notices = (text for each in programme.segments for text in (each.notice or {}).values())
    used |= {name.strip() for text in notices for name in PLACEHOLDER.findall(text)}
    places = [(path, text) for path, _, text, _ in lines(checked)]
    places += [
        (checked.path(product, "price"), product.price)
        for product in programme.products
        if product.price
    ]
    for path, text in places:
        for name in PLACEHOLDER.findall(text):
            used.add(name.strip())
            yield from _placeholder(programme, path, name.strip())
        if re.search(r"[{}]", PLACEHOLDER.sub("", text)):
            yield Fault(
                path, "大括号没有成对出现", "there is a brace { or } without its other half"
            )
    for name in programme.variables:
        if name not in used:
            yield Fault(
                ("variables", name),
                f"变量“{name}”没有被任何台词用到",
                f'no line uses the variable "{name}"',
                "warning",
                at_key=True,
            )


def _placeholder(programme: Programme, path: Path, name: str) -> Iterator[Fault]:
    product_id, dot, what = name.partition(".")
    if path[0] == "sold_out" and name in ("product.name", "product.unit"):
        return  # of the product that was asked for
    if not dot:
        if name not in programme.variables:
            zh, en = near(name, list(programme.variables))
            yield Fault(path, f"没有名为“{name}”的变量{zh}", f'there is no variable "{name}"{en}')
        return
    product = programme.product(product_id)
    if product is None:
        zh, en = near(product_id, [each.id for each in programme.products])
        yield Fault(
            path, f"没有编号为“{product_id}”的商品{zh}", f'there is no product "{product_id}"{en}'
        )
    elif what not in ("price", "name", "unit"):
        zh, en = near(what, ["price", "name", "unit"])
        yield Fault(
            path,
            f"商品没有“{what}”可以引用{zh};可用 price、name、unit",
            f'a product has no "{what}" to speak of{en}; there are price, name and unit',
        )
    elif what != "name" and not getattr(product, what):
        yield Fault(
            path,
            f"商品“{product_id}”没有填写 {what}",
            f'the product "{product_id}" has no {what}',
        )


def types(checked: Checked) -> Iterator[Fault]:
    """A default that is none of its type, and a variable that every store has to set."""
    for name, value in checked.programme.variables.items():
        found = declared(value)
        if isinstance(value, dict) and not is_typed(value):
            yield from _texts(name, value)
        if found is None or not is_typed(value):
            continue
        path: Path = ("variables", name, "default")
        if found.default is None:
            yield Fault(
                ("variables", name),
                f"变量“{name}”没有默认值:没有设置它的门店会跳过用到它的台词",
                f'"{name}" has no default: a store that does not set it skips the lines with it',
                "warning",
                at_key=True,
            )
        elif isinstance(found.default, dict) and found.type != "text":
            yield Fault(path, f"{found.type} 类型的默认值不分语言,应是一段文字",
                        f"the default of a {found.type} is one text for all languages")
        elif isinstance(found.default, str) and (good := wrong(found.type, found.default)):
            yield Fault(path, f"“{found.default}”不是{good[0]}",
                        f'"{found.default}" is not {good[1]}')


def _texts(name: str, value: Mapping[str, object]) -> Iterator[Fault]:
    """The texts of a plain variable, one a language."""
    for language, text in value.items():
        if not isinstance(text, str) or not 0 < len(text) <= NAME_CHARS_MAX:
            yield Fault(("variables", name, language),
                        f"这里应该是一段文字,1 到 {NAME_CHARS_MAX} 个字",
                        f"this must be a text of 1 to {NAME_CHARS_MAX} characters")


def stock(checked: Checked) -> Iterator[Fault]:
    """Stock that no variable counts, and nothing to say when there is none."""
    programme = checked.programme
    counted = [name for name in programme.variables if kind_of(programme, name) == "stock"]
    stocked = [product for product in programme.products if product.stock is not None]
    for product in stocked:
        if product.stock not in counted:
            zh, en = near(product.stock or "", counted)
            yield Fault(
                checked.path(product, "stock"),
                f"没有类型为 stock 的变量“{product.stock}”{zh}",
                f'there is no variable "{product.stock}" of type stock{en}',
            )
        elif programme.sold_out is None:
            yield Fault(
                checked.path(product, "stock"),
                "没有写 sold_out:卖完时只能说 fallback",
                "without sold_out, the fallback is said when there is none left",
                "warning",
            )
    if programme.sold_out is not None and not stocked:
        yield Fault(("sold_out",), "没有商品写了 stock,sold_out 不会用到",
                    "no product has a stock, so sold_out is never said", "warning", at_key=True)


def groups(checked: Checked) -> Iterator[Fault]:
    """A group of stores that is not declared, or that nothing is for."""
    programme = checked.programme
    used: set[str] = set()
    parts: tuple[Product | Segment | Answer | Slot, ...] = (
        *programme.products, *programme.segments, *programme.answers, *programme.schedule)
    for part in parts:
        for number, name in enumerate(part.groups):
            used.add(name)
            if name not in programme.groups:
                zh, en = near(name, list(programme.groups))
                yield Fault(
                    checked.path(part, "groups", number),
                    f"groups 里没有门店组“{name}”{zh}",
                    f'there is no group "{name}" among the programme\'s groups{en}',
                )
    for number, name in enumerate(programme.groups):
        if name in programme.groups[:number]:
            yield Fault(("groups", number), f"门店组“{name}”重复了", f'"{name}" is listed twice')
        elif name not in used:
            yield Fault(("groups", number), f"没有内容只给门店组“{name}”",
                        f'nothing is for the group "{name}" alone', "warning")
