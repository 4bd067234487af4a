"""Bad pictures, fonts, codes and letters: refused with their line, or shown as well as can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from device.conversation.cues import Sentence
from device.conversation.script import Script
from device.programme.check import check
from device.programme.load import load
from device.programme.problems import Problem
from device.programme.show import contact_sheet, screens
from device.render.cards import Look, Offer, product_card
from device.render.pixels import png_bytes
from device.render.text import FONTS_DIR, REGULAR
from device.stage.wardrobe import Wardrobe
from tests.sim.built_programme import make_programme

HARD = st.text(alphabet="茶春。，¥12 ab\n\x1e\u2029\u200dمר🍵👨é\u0301\u202e", max_size=80)
Edit = Callable[[dict, Path], object]


def put(folder: Path, name: str, data: bytes) -> str:
    (folder / "assets" / name).write_bytes(data)
    return f"assets/{name}"


def font(folder: Path, data: bytes, name: str = "house.ttf") -> str:
    return put(folder, name, data)


def latin_font() -> bytes:
    """Pillow's own small Latin type."""
    kind = ImageFont.load_default(20)
    assert isinstance(kind, ImageFont.FreeTypeFont)
    return bytes(kind.font_bytes)


def shop_with(tmp_path: Path, edit: Edit) -> tuple[Path, str]:
    folder = make_programme(tmp_path / "shop")
    programme = json.loads((folder / "programme.json").read_text(encoding="utf-8"))
    programme["languages"] = ["zh-CN", "en-US"]
    programme.setdefault("theme", {})
    edit(programme, folder)
    text = json.dumps(programme, ensure_ascii=False, indent=1)
    (folder / "programme.json").write_text(text, encoding="utf-8")
    return folder, text


def found(tmp_path: Path, edit: Edit, warnings: bool = False) -> tuple[list[Problem], str]:
    folder, text = shop_with(tmp_path, edit)
    kept = [each for each in check(folder, warnings=warnings)
            if not ("missing" in each.sentence_en or "no line uses" in each.sentence_en)]
    return kept, text


def huge() -> bytes:
    return cv2.imencode(".png", np.zeros((8, 20_000), np.uint8))[1].tobytes()


def torn() -> bytes:
    rng = np.random.default_rng(3)
    return png_bytes(rng.integers(0, 255, (90, 90, 4), np.uint8))[:9000]


# (edit, field, words of the English sentence, a text on the named line)
REFUSED: list[tuple[Edit, str, str, str]] = [
    (lambda p, f: p["products"][0].update(image=put(f, "a.png", huge())),
     "products[0].image", "20000x8, at most 8192 px", '"image"'),
    (lambda p, f: p["products"][0].update(image=put(f, "a.png", torn())),
     "products[0].image", "is broken", '"image"'),
    (lambda p, f: p["theme"].update(logo=put(f, "a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40)),
     "theme.logo", "there is no picture in it", '"logo"'),
    (lambda p, f: p["theme"].update(font=font(f, latin_font())),
     "theme.font", "of the characters that are shown: ", '"font"'),
    (lambda p, f: p["theme"].update(bold_font=font(f, b"\0\1\0\0 no font at all")),
     "theme.bold_font", "cannot be used", '"bold_font"'),
    (lambda p, f: p["theme"].update(font=font(f, b"GIF89a")),
     "theme.font", "is no TrueType or OpenType font", '"font"'),
    (lambda p, f: p["theme"].update(font="../fonts/house.ttf"),
     "theme.font", "leaves the programme's folder", '"font"'),
    (lambda p, f: p["theme"].update(card="sied"),
     "theme.card", 'did you mean "side"', '"card"'),
    (lambda p, f: p["segments"][0].update(bumper="yes"),
     "segments[0].bumper", "must be true or false", '"bumper"'),
    (lambda p, f: p["products"][0].update(qr="https://e.com/" + "x" * 4096),
     "products[0].qr", "too long", '"qr"'),
    (lambda p, f: p["products"][0].update(qr="茶" * 490),
     "products[0].qr", "too long to be scanned", '"qr"'),
    (lambda p, f: p["segments"][0]["say"].update({"en-US": "Tea. " * 1000}),
     "segments[0].say.en-US", "too long: at most 600", '"en-US": "Tea.'),
    (lambda p, f: p["segments"][0]["say"].update({"en-US": "مرحبا بكم"}),
     "segments[0].say.en-US", "the built-in type cannot draw", "مرحبا"),
    (lambda p, f: p["products"][0]["name"].update({"en-US": "תה"}),
     "products[0].name.en-US", "theme.font", "תה"),
    (lambda p, f: p["segments"][0].update(notice={"zh-CN": "关门" * 150}),
     "segments[0].notice.zh-CN", "too long: at most 200", "关门关门"),
]


@pytest.mark.parametrize(("edit", "field", "words", "on_line"), REFUSED)
def test_what_cannot_be_shown_is_refused_with_its_line(
    edit: Edit, field: str, words: str, on_line: str, tmp_path: Path
) -> None:
    problems, text = found(tmp_path, edit)
    assert [each.field for each in problems][:1] == [field], problems
    first = problems[0]
    assert words in first.sentence_en and first.sentence_zh != first.sentence_en
    lines = text.splitlines()
    assert on_line in lines[first.line - 1]


def test_an_emoji_is_only_a_warning_and_the_picture_goes_without_it(tmp_path: Path) -> None:
    problems, _ = found(
        tmp_path, lambda p, f: p["products"][0]["name"].update({"zh-CN": "好茶🍵👨‍👩‍👧"}), True)
    assert [(each.severity, each.field) for each in problems] == [
        ("warning", "products[0].name.zh-CN")]
    assert "🍵" in problems[0].sentence_en


def test_a_dense_code_is_warned_of(tmp_path: Path) -> None:
    problems, _ = found(
        tmp_path, lambda p, f: p["products"][0].update(qr="https://e.com/" + "x" * 400), True)
    assert [(each.severity, each.field) for each in problems] == [("warning", "products[0].qr")]


def test_a_whole_font_is_taken_and_used(tmp_path: Path) -> None:
    data = (FONTS_DIR / REGULAR).read_bytes()
    folder, _ = shop_with(tmp_path, lambda p, f: p["theme"].update(font=font(f, data)))
    assert check(folder) == []
    look = Wardrobe(Look(k=0.25), Script.load(folder)).look
    assert look.bold == look.regular == str(folder / "assets" / "house.ttf")
    assert look.face("VitrineSans-Bold.otf", 40, "龙井").font.path == look.bold


def test_where_the_themes_type_lacks_a_letter_the_built_in_one_is_used(tmp_path: Path) -> None:
    (tmp_path / "house.ttf").write_bytes(latin_font())
    look = Look(k=0.5, bold=str(tmp_path / "house.ttf"))
    assert look.face("VitrineSans-Bold.otf", 40, "Tea").font.path == look.bold
    assert look.face("VitrineSans-Bold.otf", 40, "龙井 Tea").font.path != look.bold


@pytest.mark.parametrize("number", range(6))
def test_the_player_draws_a_refused_programme_all_the_same(number: int, tmp_path: Path) -> None:
    """A box may hold what an older console let through."""
    folder, _ = shop_with(tmp_path, REFUSED[number][0])
    wardrobe = Wardrobe(Look(k=0.25, canvas=(270, 480)), Script.load(folder))
    assert wardrobe.card("longjing") is not None
    assert wardrobe.captions(
        Sentence("notice/said/zh-CN/0", "欢迎 مرحبا 🍵", "zh-CN", None), 2000, 0) is not None


@pytest.mark.parametrize("side", [False, True])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=HARD, price=HARD, unit=HARD, note=HARD)
@example(name="茶\x1e\n🍵", price="¥1\u2029", unit="\x85", note="مرحبا\u200f\ud800")
def test_any_words_make_a_card(side: bool, name: str, price: str, unit: str, note: str) -> None:
    offer = Offer(name, note[:80], price, unit, note, qr="https://e.com")
    card = product_card(offer, Look(k=0.25, side_card=side))
    assert (card.height_px > card.width_px) == side


def test_show_refuses_nothing_that_check_lets_pass(tmp_path: Path) -> None:
    folder, _ = shop_with(
        tmp_path, lambda p, f: p["segments"][0]["say"].update({"en-US": "Good tea 🍵."}))
    assert contact_sheet(load(folder), folder, tmp_path / "out")
    assert len(screens(load(folder), folder, tmp_path / "out")) == 2
