"""`programme show`: what a programme is, in a few lines, and pictures of its cards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from device.programme.check import check
from device.programme.lines import card_price_text, fill, in_language, merged
from device.programme.load import ASSET_BYTES_MAX, load_index, read_file
from device.programme.look import theme_look
from device.programme.schema import Product, Programme
from device.render.captions import track
from device.render.cards import Look, Offer, brand, product_card
from device.render.compose import BUMPER_FADE_FRAMES, Compositor, Overlay
from device.render.notices import bumper
from device.render.pixels import Picture, Sprite, blend, picture_from_bytes, png_bytes
from device.tts.sentences import split
from ota.errors import Refused, Retry

SHEET_SCALE = 0.5
GAP_PX = 24
CARDS_MAX = 200
BRAND_WIDTH = 320
AVATAR_PX = (1080, 1920)  # as most are; what lies over them is laid out by that
SCREENS_PX = {"portrait": (1080, 1920), "landscape": (1920, 1080)}


def summary(programme: Programme, folder: Path) -> dict[str, object]:
    """Numbers and names, for people and programs; `speech_s` is None before the first build."""
    try:
        index = load_index(folder)
    except Refused:
        index = None
    problems = check(folder, warnings=True)
    return {
        "id": programme.id,
        "version": programme.version,
        "languages": list(programme.languages),
        "avatar": f"{programme.avatar.id} {programme.avatar.version}",
        "products": [f"{p.id} {p.price or ''}".strip() for p in programme.products],
        "segments": [s.id for s in programme.segments],
        "answers": [a.id for a in programme.answers],
        "questions": sum(len(ask) for a in programme.answers for ask in a.ask.values()),
        "errors": sum(p.severity == "error" for p in problems),
        "warnings": sum(p.severity == "warning" for p in problems),
        "sentences": len(index.speech) if index else None,
        "speech_s": round(sum(c.duration_ms for c in index.speech.values()) / 1000, 1)
        if index
        else None,
    }


def contact_sheet(programme: Programme, folder: Path, out: Path) -> list[Path]:
    """Write one PNG a product card, and `cards.png` with all of them; returns their paths."""
    look = theme_look(Look(k=SHEET_SCALE), programme.theme, folder)
    cards = {
        product.id: _card(product, programme, folder, look)
        for product in programme.products[:CARDS_MAX]
    }
    if not cards:
        return []
    width = max(card.shape[1] for card in cards.values())
    gap = np.full((GAP_PX, width, 4), 255, np.uint8)
    rows = [part for card in cards.values() for part in (card, gap)][:-1]
    return _written({**cards, "cards": np.concatenate(rows)}, out)


def screens(programme: Programme, folder: Path, out: Path) -> list[Path]:
    """Write how the theme looks on a screen: card, caption, brand and bumper, on plain grey."""
    pictures: dict[str, Picture] = {}
    for name, size in SCREENS_PX.items():
        compositor = Compositor(*size, AVATAR_PX)
        compositor.wear(theme_look(compositor.look, programme.theme, folder))
        overlay = _overlay(programme, folder, compositor.look)
        pictures[f"screen-{name}"] = _shot(compositor, overlay)
        if words := _brand_names(programme):
            moment = bumper(words, _logo(programme, folder), compositor.look)
            pictures[f"bumper-{name}"] = _shot(compositor, Overlay(bumper=moment))
    return _written(pictures, out)


def _shot(compositor: Compositor, overlay: Overlay) -> Picture:
    """The overlays, faded in, on grey."""
    canvas: Picture = np.full((compositor.height_px, compositor.width_px, 4), 96, np.uint8)
    for _ in range(BUMPER_FADE_FRAMES):
        layers = compositor.layers(overlay)
    for layer in layers:
        blend(canvas, layer.sprite, layer.x, layer.y, layer.opacity)
    return canvas


def _overlay(programme: Programme, folder: Path, look: Look) -> Overlay:
    """The first segment with a card, half said."""
    segment = next((each for each in programme.segments if each.show), None)
    product = programme.product(segment.show) if segment else None
    names, logo = _brand_names(programme), _logo(programme, folder)
    plate = brand(names[0], logo, look, look.px(BRAND_WIDTH)) if names else None
    card = _card_sprite(product, programme, folder, look) if product else None
    caption = None
    if segment is not None and programme.theme.captions != "off":
        said = [fill(segment.say[each], programme, merged(programme, None), each) or ""
                for each in programme.languages if each in segment.say]
        first = split(said[0], programme.languages[0])[0] if said and said[0] else ""
        second = split(said[1], programme.languages[1])[0] if len(said) > 1 and said[1] else ""
        both = second if programme.theme.captions == "both" else ""
        views = track(first, both, [], look, 0).views
        caption = views[len(views) // 2] if views else None
    return Overlay(card=card, caption=caption, brand=plate)


def _brand_names(programme: Programme) -> tuple[str, str] | None:
    """The brand in the programme's first and in another language; None for no brand."""
    known = programme.theme.brand or {}
    names = [known[each] for each in programme.languages if each in known]
    return (names[0], names[1] if len(names) > 1 else "") if names else None


def _logo(programme: Programme, folder: Path) -> Picture | None:
    name = programme.theme.logo
    return picture_from_bytes(read_file(folder, name, ASSET_BYTES_MAX), name) if name else None


def _written(pictures: Mapping[str, Picture], out: Path) -> list[Path]:
    written = []
    for name, picture in pictures.items():
        path = out / f"{name}.png"
        try:
            out.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png_bytes(picture))
        except OSError as error:
            raise Retry(f"{path} cannot be written ({error.strerror}); free the disk.") from error
        written.append(path)
    return written


def _card(product: Product, programme: Programme, folder: Path, look: Look) -> Picture:
    sprite = _card_sprite(product, programme, folder, look)
    canvas: Picture = np.full((sprite.height_px, sprite.width_px, 4), 255, np.uint8)
    blend(canvas, sprite, 0, 0)
    return canvas


def _card_sprite(product: Product, programme: Programme, folder: Path, look: Look) -> Sprite:
    def text(texts: dict[str, str] | None, language: str) -> str:
        return in_language(texts or {}, language) or ""

    first = programme.languages[0]
    second = programme.languages[1] if len(programme.languages) > 1 else ""
    price = card_price_text(product, programme, merged(programme, None), first)
    picture = None
    if product.image:
        data = read_file(folder, product.image, ASSET_BYTES_MAX)
        picture = picture_from_bytes(data, product.image)
    offer = Offer(
        name=text(product.name, first) or product.id,
        second_name=text(product.name, second) if second else "",
        price=price or "",
        unit=text(product.unit, first),
        note=text(product.note, first),
        picture=picture,
        qr=product.qr,
    )
    return product_card(offer, look)
