"""Captions for the deaf: word by word, in time, in both languages, on any screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.audio.soundfiles import read
from device.conversation.cues import Sentence
from device.conversation.script import Script
from device.programme.load import load_index
from device.programme.reading import second_sentence
from device.programme.word_times import aligned_ms, words
from device.render.captions import PAGES_MAX, track
from device.render.cards import Look
from device.render.compose import Compositor, Overlay
from device.stage.wardrobe import Wardrobe
from device.stage.words import estimated_ms, spread_ms
from tests.sim.built_programme import RATE_HZ, murmur

TEA_SHOP = Path(__file__).resolve().parents[2] / "programmes" / "tea-shop"
ANY = st.text(alphabet="春山茶，。“”《》 ab'c12¥%.مرحبا🍵\u200dé\n\x1e\u2029", max_size=60)


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in words(text)]


def test_a_price_is_one_word_and_a_han_character_is_one() -> None:
    assert cut("“五十克”，¥128。") == ["“五", "十", "克”，", "¥128。"]
    assert cut("It's 128 yuan, 50% off!") == ["It's ", "128 yuan, ", "50% ", "off!"]
    assert cut("…") == []


@given(ANY)
def test_words_cover_the_text_and_every_word_has_a_moment(text: str) -> None:
    found = words(text)
    assert "".join(text[a:b] for a, b in found) == (text if found else "")
    spread = spread_ms(text, "zh-CN", 3000)
    assert len(spread) == len(found) and list(spread) == sorted(spread)


def test_numbers_are_found_again_though_they_are_spoken_as_words() -> None:
    spoken = [("五十", 100.0, 500.0), ("克", 500.0, 700.0), ("一百二十八元", 900.0, 2100.0),
              ("吗", 2100.0, 2300.0)]
    assert aligned_ms("50克¥128吗？", spoken) == (50, 450, 850, 2050)
    assert aligned_ms("茶", []) == ()


def test_the_estimate_is_near_what_the_synthesiser_knows() -> None:
    """On real clips, in both languages; the whole shop's figures stand in the module."""
    speech = sorted(load_index(TEA_SHOP).speech.items())[::6]
    off = []
    for _, clip in speech:
        samples = read(TEA_SHOP / clip.file, RATE_HZ)
        found = estimated_ms(clip.text, clip.language, samples, RATE_HZ)
        assert list(found) == sorted(found) and found[-1] < clip.duration_ms
        off += list(np.abs(np.subtract(found, clip.starts_ms)))
    assert np.median(off) < 80 and np.percentile(off, 90) < 200


def test_a_pause_in_the_clip_is_the_comma_of_the_text() -> None:
    samples = np.concatenate([
        murmur(1.0, 1), np.zeros(RATE_HZ // 2, np.float32), murmur(1.0, 2)])
    found = estimated_ms("先看龙井，春天新采的嫩芽", "zh-CN", samples, RATE_HZ)
    assert found[3] < 1000 and 1450 <= found[4] <= 1650
    assert estimated_ms("龙井", "zh-CN", np.zeros(0, np.float32), RATE_HZ) == (0, 0)


def test_every_line_of_the_shop_stands_in_its_other_language_too() -> None:
    script = Script.load(TEA_SHOP)

    def second(key: str, count: int) -> str:
        return second_sentence(script.programme, script.variables, key, count)

    assert second("segment/longjing/zh-CN/0", 4) == "Let's begin with our Longjing."
    assert second("segment/longjing/en-US/0", 4) == "先看看这一罐明前龙井。"
    whole = "".join(second(f"segment/longjing/zh-CN/{n}", 2) + " " for n in range(2))
    assert whole.startswith("Let's") and whole.strip().endswith("128 yuan.")
    assert second("notice/said/zh-CN/0", 1) == "" and second("segment/x/zh-CN/0", 1) == ""
    assert all(second(f"segment/longjing/zh-CN/{n}", 9) for n in range(9)), "fewer than nine"


def test_words_light_up_one_after_the_other_and_the_panel_is_never_drawn_again() -> None:
    said = track("明前龙井", "Longjing", [0, 10, 20, 30], Look(), 100)
    assert said.begins == (100, 110, 120, 130)
    assert said.at(99) is None and said.at(115) is said.views[1] is said.at(119)
    panels = {id(view.parts[0].sprite) for view in said.views}
    lit = [view.parts[-1].sprite.width_px for view in said.views]
    assert len(panels) == 1 and lit == sorted(set(lit))


def lights(overlay: Overlay, n: int) -> int:
    """How many bright pixels the caption has in frame n."""
    compositor = Compositor(1080, 1920, (1080, 1920))
    base = np.full((1920 * 3 // 2, 1080), 128, np.uint8)
    canvas = np.zeros((1920, 1080, 4), np.uint8)
    compositor.frame(canvas, base, None, np.eye(2, 3, dtype=np.float32), overlay.at(n))
    return int((canvas[1000:, :, :3].min(axis=2) > 240).sum())


def test_on_the_screen_the_light_grows_and_then_the_caption_goes() -> None:
    overlay = Overlay(said=track("The tea is fresh", "茶正飘香", [0, 5, 10, 15], Look(), 50))
    seen = [lights(overlay, n) for n in (49, 50, 56, 61, 66)]
    assert seen[0] == 0 and seen == sorted(seen) and len(set(seen)) == len(seen)
    shown = overlay.at(66)
    assert shown.at(67) is shown, "nothing changes between two words"
    assert shown.changed("said", None).at(70).caption is None


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (540, 960)])
@settings(max_examples=8, deadline=None)
@given(text=ANY, second=ANY)
def test_any_text_makes_a_caption_that_stays_inside_the_picture(
    size: tuple[int, int], text: str, second: str
) -> None:
    compositor = Compositor(*size, size)
    said = track(text, second, spread_ms(text, "zh-CN", 90), compositor.look, 0)
    for view in said.views[-1:]:
        for layer in compositor.layers(Overlay(caption=view)):
            assert layer.x >= 0 and layer.x + layer.sprite.width_px <= size[0]
            assert layer.y >= 0 and layer.y + layer.sprite.height_px <= size[1]


def test_five_thousand_characters_end_after_some_pages() -> None:
    text = "明前龙井，清香四溢。" * 500
    said = track(text, "", spread_ms(text, "zh-CN", 60_000), Look(k=0.25), 0)
    assert len({id(view.parts[0].sprite) for view in said.views}) == PAGES_MAX


def test_in_landscape_no_word_lies_over_the_face() -> None:
    compositor = Compositor(1920, 1080, (1080, 1920), (540, 622))
    said = track("The buds are picked in early spring, and fired by hand the same day.",
                 "清明前采的嫩芽，当天手工炒制。", [0] * 14, compositor.look, 0)
    face_left_px = 1920 * 6 // 10  # the presenter stands in the right four tenths
    for layer in compositor.layers(Overlay(said=said).at(0))[:-1]:
        assert layer.x + layer.sprite.width_px <= face_left_px


@pytest.mark.parametrize(("wish", "height"), [("off", 0), ("one", 1), ("both", 2)])
def test_the_theme_chooses_no_caption_one_language_or_both(
    wish: str, height: int, tmp_path: Path
) -> None:
    text = (TEA_SHOP / "programme.json").read_text(encoding="utf-8")
    (tmp_path / "programme.json").write_text(
        text.replace('"theme": {', f'"theme": {{"captions": "{wish}",'), encoding="utf-8")
    (tmp_path / "index.json").write_bytes((TEA_SHOP / "index.json").read_bytes())
    script = Script.load(tmp_path)
    clip = script.index.speech["segment/longjing/zh-CN/0"]
    sentence = Sentence("segment/longjing/zh-CN/0", clip.text, "zh-CN", tmp_path / clip.file)
    said = Wardrobe(Look(), script).captions(sentence, 2000, 0)
    if height == 0:
        assert said is None
        return
    assert said is not None and said.begins[1:] == tuple(
        ms * 25 // 1000 for ms in clip.starts_ms)[-len(said.begins) + 1 :]
    assert (said.views[0].height_px > 130) == (height == 2)
