"""A programme's look: its colours, brand and product cards as sprites, drawn once and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from device.audio.speaker import RATE_HZ
from device.conversation.cues import Caption, Sentence
from device.conversation.script import Script
from device.programme.lines import fill
from device.programme.load import ASSET_BYTES_MAX, read_file
from device.programme.look import theme_look
from device.programme.reading import second_sentence
from device.programme.schema import Product, Segment
from device.programme.word_times import words
from device.render.captions import Track, track
from device.render.cards import Look, Offer, brand, hint, product_card
from device.render.notices import bumper, emergency
from device.render.pills import (
    camera_pill,
    ear_mark,
    listening_pill,
    outside_pill,
    passed_on_pill,
    thinking_pill,
)
from device.render.pixels import IMAGE_SIDE_PX_MAX, Picture, Sprite, picture_from_bytes
from device.render.text import picture_size
from device.stage.stage import FPS
from device.stage.words import estimated_ms, spread_ms
from ota.errors import Refused

Sound = npt.NDArray[np.float32] | int

BRAND_WIDTH_PX = 320
CARDS_MAX = 64
HEARD_CHARACTERS_MAX = 80
ASK_WORDS = "有问题请直接问我 / Just ask me"
ON_AIR_WORDS = "真人讲解 / Live: a person speaks"


class Wardrobe:
    """Sprites for one script. One thread (the director's)."""

    def __init__(self, look: Look, script: Script | None = None) -> None:
        self.script = script
        self.look = theme_look(look, script.programme.theme, script.folder) if script else look
        self.faults: list[str] = []
        self._cards: OrderedDict[str, Sprite | None] = OrderedDict()
        self._bumper: Sprite | None = None
        self.ask = hint(ASK_WORDS, self.look)
        self.camera = camera_pill(self.look)
        self.ear = ear_mark(self.look)
        self.outside = outside_pill(self.look)
        self.passed_on = passed_on_pill(self.look)
        self.on_air = hint(ON_AIR_WORDS, self.look, accent=True)
        self.listening = listening_pill(self.look)
        self.thinking = thinking_pill(self.look)

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

    def captions(self, sentence: Sentence, sound: Sound, first_frame: int) -> Track | None:
        """The caption of a sentence, word by word and in both languages as the theme wants it.

        `sound` is its clip, or how many ms it is shown without one; None for no caption.
        """
        wish = self.script.programme.theme.captions if self.script else "one"
        if wish == "off" and sentence.file is not None:
            return None
        second = self._second(sentence) if wish == "both" else ""
        starts = self._starts_ms(sentence, sound)
        frames = [ms * FPS // 1000 for ms in starts]
        return track(sentence.text, second, frames, self.look, first_frame)

    def _second(self, sentence: Sentence) -> str:
        if self.script is None:
            return ""
        line, _, variant = sentence.key.partition("@")
        stem, number = line.rpartition("/")[0], 0
        while f"{stem}/{number}{'@' if variant else ''}{variant}" in self.script.index.speech:
            number += 1
        return second_sentence(
            self.script.programme, self.script.variables, sentence.key, number, sentence.over_in)

    def voice(self, language: str) -> str:
        """The programme's choice of a voice for words that come without a clip; "" without."""
        return (self.script.programme.voices or {}).get(language, "") if self.script else ""

    def _starts_ms(self, sentence: Sentence, sound: Sound) -> tuple[int, ...]:
        """As the synthesiser said when the clip was built, else as the clip itself sounds."""
        text = sentence.text
        clip = self.script.index.speech.get(sentence.key) if self.script else None
        if clip is not None and clip.text == text and len(clip.starts_ms) == len(words(text)):
            return clip.starts_ms
        if isinstance(sound, int):
            return spread_ms(text, sentence.language, sound)
        return estimated_ms(text, sentence.language, sound, RATE_HZ)

    def segment(self, key: str) -> Segment | None:
        """The segment whose sentence has that line key."""
        kind, _, rest = key.partition("/")
        if self.script is None or kind != "segment":
            return None
        return self.script.programme.segment(rest.partition("/")[0])

    def bumper(self) -> Sprite | None:
        """The brand over the whole picture; None where the programme names none."""
        if self._bumper is not None or self.script is None or not brand_name(self.script):
            return self._bumper
        theme = self.script.programme.theme
        names = [brand_name(self.script), *(theme.brand or {}).values()]
        second = next((each for each in names if each != names[0]), "")
        logo = self._picture(theme.logo) if theme.logo else None
        self._bumper = bumper((names[0], second), logo, self.look)
        return self._bumper

    def notice(self, texts: Mapping[str, str]) -> Sprite | None:
        """An emergency notice in the programme's languages first; None without a word."""
        languages = self.script.programme.languages if self.script else ()
        order = [*(each for each in languages if each in texts), *texts]
        found = [self._filled(texts[each], each) for each in dict.fromkeys(order)]
        kept = [each for each in found if each.strip()]
        return emergency(kept, self.look) if kept else None

    def _filled(self, text: str, language: str) -> str:
        if self.script is None or "{" not in text:
            return text
        return fill(text, self.script.programme, self.script.variables, language) or ""

    def heard(self, caption: Caption) -> Sprite:
        """What the visitor was understood to have said, or to say while they speak; or the
        question of which they are asked whether it is meant."""
        words = (caption.text or "")[:HEARD_CHARACTERS_MAX]
        if caption.asked_back:
            question = words.rstrip("?？。. ")
            is_chinese = caption.language.startswith("zh")
            asked = f"您是想问:{question}?" if is_chinese else f"Did you mean: {question}?"
            return hint(asked, self.look, accent=True)
        return hint(f"「{words}」" if caption.final else f"{words}…", self.look, caption.final)

    def draw_all(self) -> None:
        """Draw cards and bumper now: later nothing has to be drawn while the avatar speaks."""
        if self.script is None:
            return
        programme = self.script.programme
        for product in programme.products[:CARDS_MAX]:
            self.card(product.id)
        if programme.theme.bumper_at_opening or any(each.bumper for each in programme.segments):
            self.bumper()

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
