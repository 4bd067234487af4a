"""`programme show`: what a programme is, in a few lines, and pictures of its cards."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from device.programme.check import check
from device.programme.lines import fill, in_language
from device.programme.load import ASSET_BYTES_MAX, load_index, read_file
from device.programme.schema import Product, Programme
from device.render.cards import Look, Offer, product_card
from device.render.pixels import Picture, blend, picture_from_bytes, png_bytes
from ota.errors import Refused, Retry

SHEET_SCALE = 0.5
GAP_PX = 24
CARDS_MAX = 200


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
    colours = programme.theme.colours
    look = Look(
        k=SHEET_SCALE,
        background=_rgb(colours.background),
        text=_rgb(colours.text),
        accent=_rgb(colours.accent),
    )
    cards = {
        product.id: _card(product, programme, folder, look)
        for product in programme.products[:CARDS_MAX]
    }
    if not cards:
        return []
    width = max(card.shape[1] for card in cards.values())
    gap = np.full((GAP_PX, width, 4), 255, np.uint8)
    rows = [part for card in cards.values() for part in (card, gap)][:-1]
    pictures = {**cards, "cards": np.concatenate(rows)}
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
    def text(texts: dict[str, str] | None, language: str) -> str:
        return in_language(texts or {}, language) or ""

    first = programme.languages[0]
    second = programme.languages[1] if len(programme.languages) > 1 else ""
    price = fill(product.price or "", programme, programme.variables, first)
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
    sprite = product_card(offer, look)
    canvas: Picture = np.full((sprite.height_px, sprite.width_px, 4), 255, np.uint8)
    blend(canvas, sprite, 0, 0)
    return canvas


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
