"""The summary and the preview pictures of a programme."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from device.programme.load import load
from device.programme.show import contact_sheet, summary

ROOT = Path(__file__).resolve().parents[2]
TEA_SHOP = ROOT / "programmes" / "tea-shop"


def test_every_product_gets_a_picture_of_its_card(tmp_path: Path) -> None:
    programme = load(TEA_SHOP)
    pictures = contact_sheet(programme, TEA_SHOP, tmp_path)
    assert [p.stem for p in pictures] == [*(p.id for p in programme.products), "cards"]
    card, sheet = Image.open(pictures[0]), Image.open(pictures[-1])
    assert sheet.height > 4 * card.height - 10 and sheet.width == card.width
    colours = card.convert("RGB").getcolors(maxcolors=1 << 20)
    assert colours is not None and len(colours) > 500, "a card with a picture, not a blank"


def test_the_summary_counts_what_there_is() -> None:
    found = summary(load(TEA_SHOP), TEA_SHOP)
    assert found["errors"] == 0 and found["warnings"] == 0
    assert len(found["products"]) == 4 and len(found["answers"]) == 8  # type: ignore[arg-type]
    assert found["sentences"] == 80
