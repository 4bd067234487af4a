"""A programme's look: its colours, brand and product cards as sprites, drawn once and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from device.conversation.script import Script
from device.programme.load import ASSET_BYTES_MAX, read_file
from device.programme.schema import Product
from device.render.cards import (
    Look,
    Offer,
    brand,
    caption,
    caption_pages,
    hint,
    product_card,
)
from device.render.pixels import IMAGE_SIDE_PX_MAX, Picture, Sprite, picture_from_bytes
from device.render.text import picture_size
from ota.errors import Refused

BRAND_WIDTH_PX = 320
CARDS_MAX = 64
HEARD_CHARACTERS_MAX = 80
ASK_WORDS = "有问题请直接问我 / Just ask me"
LISTENING_WORDS = "正在听… / Listening…"


class Wardrobe:
    """Sprites for one script. One thread (the director's)."""

    def __init__(self, look: Look, script: Script | None = None) -> None:
        self.script = script
        self.look = _dressed(look, script)
        self.faults: list[str] = []
        self._cards: OrderedDict[str, Sprite | None] = OrderedDict()
        self.ask = hint(ASK_WORDS, self.look)
        self.listening = hint(LISTENING_WORDS, self.look, accent=True)

    def name_plate(self, box: str) -> Sprite:
        """The box's own name, for whoever stands before a row of screens."""
        return hint(f"本机 / This box: {box or '-'}", self.look, accent=True)

    def brand(self) -> Sprite | None:
        """The chain's name and logo; None where the programme names none."""
        if self.script is None:
            return None
        theme = self.script.programme.theme
        name = brand_name(self.script)
        logo = self._picture(theme.logo) if theme.logo else None
        if not name and logo is None:
            return None
        return brand(name, logo, self.look, self.look.px(BRAND_WIDTH_PX))

    def card(self, product_id: str | None) -> Sprite | None:
        """The card of a product, None for none."""
        product = self.script.product(product_id) if self.script else None
        if product is None:
            return None
        if product.id not in self._cards:
            self._cards[product.id] = self._draw(product)
            while len(self._cards) > CARDS_MAX:
                self._cards.popitem(last=False)
        return self._cards[product.id]

    def captions(self, text: str) -> list[tuple[float, Sprite]]:
        """The pages of a sentence's caption, each with the share of the sentence it begins at."""
        pages = caption_pages(text, self.look)
        sizes = [sum(len(line) for line in page) for page in pages]
        total, done = max(1, sum(sizes)), 0
        found = []
        for page, size in zip(pages, sizes, strict=True):
            found.append((done / total, caption(page, self.look)))
            done += size
        return found

    def heard(self, text: str) -> Sprite:
        """What the visitor was understood to have said."""
        return hint(f"「{text[:HEARD_CHARACTERS_MAX]}」", self.look, accent=True)

    def draw_all(self) -> None:
        """Draw every card now: later nothing has to be drawn while the avatar speaks."""
        if self.script is not None:
            for product in self.script.programme.products[:CARDS_MAX]:
                self.card(product.id)

    def _draw(self, product: Product) -> Sprite | None:
        languages = self.script.programme.languages if self.script else ()
        names = [product.name[each] for each in languages if each in product.name]
        names += [each for each in product.name.values() if each not in names]
        picture = self._picture(product.image) if product.image else None
        offer = Offer(
            name=names[0], second_name=names[1] if len(names) > 1 else "",
            price=product.price or "", unit=_first(product.unit, languages),
            note=_first(product.note, languages), picture=picture, qr=product.qr)
        try:
            return product_card(offer, self.look)
        except Refused as error:
            self.faults.append(str(error))
            return product_card(replace(offer, qr=None), self.look)

    def _picture(self, path: str) -> Picture | None:
        if self.script is None:
            return None
        try:
            data = read_file(self.script.folder, path, ASSET_BYTES_MAX)
            size = picture_size(data)
            if size is None or max(size) > IMAGE_SIDE_PX_MAX:
                raise Refused(
                    f"{path} is no picture of at most {IMAGE_SIDE_PX_MAX} px; save a smaller one.")
            return picture_from_bytes(data, path)
        except Refused as error:
            self.faults.append(str(error))
            return None


def brand_name(script: Script) -> str:
    """The brand in the programme's first language, else the store's name, else nothing."""
    programme = script.programme
    found = _first(programme.theme.brand, programme.languages)
    if found:
        return found
    value = script.variables.get("store_name", "")
    return value if isinstance(value, str) else _first(value, programme.languages)




def _first(texts: Mapping[str, str] | None, languages: tuple[str, ...]) -> str:
    if not texts:
        return ""
    return next((texts[each] for each in languages if each in texts), next(iter(texts.values())))


def _dressed(look: Look, script: Script | None) -> Look:
    if script is None:
        return look
    colours = script.programme.theme.colours
    return replace(look, background=_rgb(colours.background), text=_rgb(colours.text),
                   accent=_rgb(colours.accent))


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
