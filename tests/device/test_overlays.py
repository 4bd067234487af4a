"""What stands over everything: emergency notices that end by themselves, the brand's moment."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.conversation.script import Script
from device.programme.show import screens
from device.render.cards import Look, Offer, product_card
from device.render.compose import BUMPER_FADE_FRAMES, Compositor, Overlay
from device.render.notices import NOTICE_GROUND, bumper, emergency
from device.render.pixels import png_bytes
from device.stage.billboard import BUMPER_LEAVES_S, BUMPER_S, Billboard, is_open
from device.stage.stage import FPS
from device.stage.wardrobe import Wardrobe
from tests.sim.built_programme import make_programme

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
FIRE = {"en-US": "Fire alarm: leave the shop.", "zh-CN": "火警:请离开商场。"}
SIZES = [(1080, 1920), (1920, 1080)]


class Planned:
    """A stage that writes down what is to change, and when."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, str, object]] = []

    def now(self) -> int:
        return 1000

    def change_at(self, n: int, part: str, what: object) -> None:
        self.changes.append((n, part, what))

    def taken(self) -> list[tuple[int, str, bool]]:
        found = [(n, part, what is not None) for n, part, what in self.changes]
        self.changes.clear()
        return found


def shop(tmp_path: Path, theme: dict[str, Any], **of_welcome: Any) -> Wardrobe:
    folder = make_programme(tmp_path / "shop")
    programme = json.loads((folder / "programme.json").read_text())
    programme["theme"] = {"brand": {"zh-CN": "春山茶行"}, **theme}
    programme["opening_hours"] = [{"from": "09:00", "until": "21:00"}]
    programme["segments"][0].update(of_welcome)
    (folder / "programme.json").write_text(json.dumps(programme))
    return Wardrobe(Look(k=0.25, canvas=(270, 480)), Script.load(folder))


def board(stage: Planned) -> Billboard:
    return Billboard(stage)  # type: ignore[arg-type]


def test_the_consoles_notice_ends_at_its_moment_without_a_word_from_the_network(
    tmp_path: Path,
) -> None:
    wardrobe, stage = shop(tmp_path, {}), Planned()
    billboard = board(stage)
    billboard.order(FIRE, None, NOW + timedelta(minutes=5))
    billboard.look_after(wardrobe, NOW, speaks=False)
    assert stage.taken() == [(1000, "notice", True)]
    billboard.look_after(wardrobe, NOW + timedelta(seconds=299), speaks=True)
    assert stage.taken() == [], "drawn once"
    billboard.look_after(wardrobe, NOW + timedelta(minutes=5), speaks=True)
    assert stage.taken() == [(1000, "notice", False)]


def test_a_notice_without_an_end_stays_until_it_is_taken_back(tmp_path: Path) -> None:
    wardrobe, stage = shop(tmp_path, {}), Planned()
    billboard = board(stage)
    billboard.order(FIRE, "longjing", None)
    billboard.look_after(wardrobe, NOW + timedelta(days=400), speaks=False)
    assert stage.taken() == [(1000, "notice", True)] and billboard.pinned == "longjing"
    billboard.order(None, None, None)
    billboard.look_after(wardrobe, NOW, speaks=False)
    assert stage.taken() == [(1000, "notice", False)] and billboard.pinned is None


def test_a_segments_own_notice_stands_while_it_is_said(tmp_path: Path) -> None:
    wardrobe, stage = shop(tmp_path, {}, notice={"zh-CN": "{store_name}今天提前关门"}), Planned()
    billboard = board(stage)
    assert billboard.lead_s("segment/welcome/zh-CN/0", wardrobe, NOW) == 0.0
    assert stage.taken() == [(1000, "notice", True)]
    assert billboard.lead_s("segment/longjing/zh-CN/0", wardrobe, NOW) == 0.0
    assert stage.taken() == [(1000, "notice", False)]
    billboard.lead_s("segment/welcome/zh-CN/0", wardrobe, NOW)
    stage.taken()
    billboard.look_after(wardrobe, NOW, speaks=False)
    assert stage.taken() == [(1000, "notice", False)], "nothing is said any more"


def test_a_segment_asks_for_the_brands_moment_and_the_words_wait_for_it(tmp_path: Path) -> None:
    wardrobe, stage = shop(tmp_path, {}, bumper=True), Planned()
    billboard = board(stage)
    waits_s = billboard.lead_s("segment/welcome/zh-CN/0", wardrobe, NOW)
    assert waits_s == BUMPER_S + BUMPER_LEAVES_S
    assert stage.taken() == [(1000, "bumper", True),
                             (1000 + round(BUMPER_S * FPS), "bumper", False)]
    assert billboard.lead_s("segment/welcome/zh-CN/1", wardrobe, NOW) == 0.0, "once a segment"
    assert billboard.lead_s("segment/longjing/zh-CN/0", wardrobe, NOW) == 0.0
    billboard.order(FIRE, None, None)
    assert billboard.lead_s("segment/welcome/zh-CN/0", wardrobe, NOW) == 0.0, "not over a fire"


def test_the_brands_moment_at_opening_comes_once_a_day(tmp_path: Path) -> None:
    wardrobe, stage = shop(tmp_path, {"bumper_at_opening": True}), Planned()
    billboard = board(stage)
    assert wardrobe.script is not None
    night = NOW.replace(hour=15)  # 23:00 in Shanghai
    assert is_open(wardrobe.script.programme, NOW)
    assert not is_open(wardrobe.script.programme, night)
    keys = ["segment/longjing/zh-CN/0", "segment/longjing/zh-CN/1"]
    times = [NOW, NOW, night, NOW + timedelta(days=1)]
    waits = [billboard.lead_s(key, wardrobe, now) > 0
             for key, now in zip(keys * 2, times, strict=True)]
    assert waits == [True, False, False, True]
    billboard.hush()
    assert stage.taken()[-1] == (1000, "bumper", False)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_but_the_ai_label_is_seen_over_a_bumper_and_a_notice(
    size: tuple[int, int],
) -> None:
    compositor = Compositor(*size, size)
    overlay = Overlay(
        card=product_card(Offer("明前龙井", price="¥128"), compositor.look),
        bumper=bumper(("春山茶行", "Spring Hill"), None, compositor.look))
    shown = [compositor.layers(overlay) for _ in range(BUMPER_FADE_FRAMES)]
    assert len(shown[0]) == 3 and 0 < shown[0][1].opacity < 0.1
    assert [layer.sprite for layer in shown[-1]] == [overlay.bumper, compositor.label.sprite]
    notice = emergency(list(FIRE.values()), compositor.look)
    layers = compositor.layers(overlay.changed("notice", notice))
    assert layers[-2].sprite is notice and layers[-1].sprite is compositor.label.sprite
    assert notice.width_px == size[0] and layers[-2].y + notice.height_px == size[1]
    red = (notice.colour[..., :3] == NOTICE_GROUND[2::-1]).all(axis=2)
    assert red.mean() > 0.5, "unmistakable"


@settings(max_examples=10, deadline=None)
@given(st.lists(st.text(alphabet="请离开。 ab\n\x1e\u2029م🍵", max_size=300), max_size=4))
def test_any_words_make_a_notice_that_fits(texts: list[str]) -> None:
    for look in (Look(k=0.25, canvas=(270, 480)),
                 Look(k=0.25, canvas=(480, 270), landscape=True)):
        notice = emergency(texts, look)
        assert notice.width_px == look.canvas[0] and notice.height_px <= look.canvas[1]


def test_a_notice_of_five_thousand_characters_ends_with_an_ellipsis_under_the_face() -> None:
    notice = emergency(["请立即离开商场。" * 625, "Leave now. " * 450], Look())
    assert notice.height_px <= 0.5 * 1920


def test_a_standing_card_keeps_off_the_face_and_off_the_caption() -> None:
    for size, wanted in ((SIZES[0], (600, 860, 1080, 1500)), (SIZES[1], (1330, 0, 1920, 1080))):
        compositor = Compositor(*size, size)
        picture = np.full((300, 300, 4), 90, np.uint8)
        look = Look(**{**vars(compositor.look), "side_card": True})
        card = product_card(Offer("八年陈熟普", "Pu'er", "¥168", "200 克 / 饼", picture=picture,
                                  qr="https://example.com/tea/puer"), look)
        for _ in range(8):
            layer = compositor.layers(Overlay(card=card))[0]
        shade = 40
        left, top = layer.x + shade, layer.y + shade
        assert left >= wanted[0] and top >= wanted[1]
        assert left + card.width_px - 2 * shade <= wanted[2]
        assert top + card.height_px - 2 * shade <= wanted[3]


def test_show_draws_the_theme_on_both_screens(tmp_path: Path) -> None:
    wardrobe = shop(tmp_path, {"card": "side", "logo": "assets/logo.png"})
    assert wardrobe.script is not None
    folder = wardrobe.script.folder
    (folder / "assets" / "logo.png").write_bytes(png_bytes(np.full((40, 160, 4), 200, np.uint8)))
    found = screens(wardrobe.script.programme, folder, tmp_path / "out")
    assert [path.stem for path in found] == [
        "screen-portrait", "bumper-portrait", "screen-landscape", "bumper-landscape"]
