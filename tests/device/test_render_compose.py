"""One frame: the base untouched where nothing lies over it, the AI label always there."""

from __future__ import annotations

import numpy as np
import pytest

from device.render import pixels
from device.render.captions import track
from device.render.cards import Look, Offer, brand_picture, hint, product_card
from device.render.compose import BUMPER_FADE_FRAMES, FADE_FRAMES, Compositor, Overlay
from device.render.notices import bumper, emergency
from ota.errors import Refused

SIZE = (540, 960)
STILL = np.eye(2, 3, dtype=np.float32)


@pytest.fixture()
def base() -> np.ndarray:
    rng = np.random.default_rng(7)
    return rng.integers(16, 235, (SIZE[1] * 3 // 2, SIZE[0]), np.uint8)


def drawn(compositor: Compositor, base: np.ndarray, overlay: Overlay, patch=None, matrix=STILL):
    canvas = np.zeros((compositor.height_px, compositor.width_px, 4), np.uint8)
    compositor.frame(canvas, base, patch, matrix, overlay)
    return canvas


def plain(base: np.ndarray) -> np.ndarray:
    canvas = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    pixels.i420_to_bgra(base, canvas)
    return canvas


def settled(compositor: Compositor, base: np.ndarray, overlay: Overlay) -> np.ndarray:
    for _ in range(FADE_FRAMES + 1):
        canvas = drawn(compositor, base, overlay)
    return canvas


def changed_box(one: np.ndarray, other: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero((one != other).any(axis=2))
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def test_with_a_closed_mouth_every_pixel_outside_the_label_is_the_base(base: np.ndarray) -> None:
    compositor = Compositor(*SIZE, SIZE)
    canvas = drawn(compositor, base, Overlay())
    left, top, right, bottom = changed_box(canvas, plain(base))
    label = compositor.layers(Overlay())[-1]
    assert left >= label.x and top >= label.y
    assert right <= label.x + label.sprite.width_px
    assert bottom <= label.y + label.sprite.height_px


def test_a_mouth_touches_its_own_rectangle_only(base: np.ndarray) -> None:
    compositor = Compositor(*SIZE, SIZE)
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:48, 16:48] = (200, 30, 30, 255)
    matrix = np.array([[1, 0, 200], [0, 1, 400]], np.float32)
    patch = pixels.premultiplied_patch(rgba)
    canvas = drawn(compositor, base, Overlay(), patch, matrix)
    box = changed_box(canvas, drawn(compositor, base, Overlay()))
    assert box == (216, 416, 248, 448)
    assert tuple(canvas[432, 232, :3]) == (30, 30, 200)


def test_a_patch_at_the_edge_or_outside_of_the_picture_is_clipped(base: np.ndarray) -> None:
    compositor = Compositor(*SIZE, SIZE)
    patch = pixels.premultiplied_patch(np.full((64, 64, 4), 255, np.uint8))
    for x, y in ((-40, -40), (520, 940), (2000, 0), (-500, 10)):
        matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
        drawn(compositor, base, Overlay(), patch, matrix)


@pytest.mark.parametrize("size", [(1080, 1920), (2160, 3840), (1920, 1080), (540, 960)])
def test_the_label_is_five_percent_high_and_visible_at_every_size(size: tuple[int, int]) -> None:
    compositor = Compositor(*size, SIZE)
    assert compositor.label.text_px >= 0.05 * min(size)
    for grey in (0, 128, 255):
        planes = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
        planes[: SIZE[1]] = grey
        canvas = drawn(compositor, planes, Overlay())
        layer = compositor.layers(Overlay())[-1]
        region = canvas[layer.y : layer.y + layer.sprite.height_px,
                        layer.x : layer.x + layer.sprite.width_px, 0].astype(int)
        rows = np.nonzero((region > 200).sum(axis=1) * (region < 170).sum(axis=1))[0]
        assert len(rows) >= 0.05 * min(size), "white words on a dark pill, as high as the law says"


def test_the_label_lies_over_everything_else(base: np.ndarray) -> None:
    compositor = Compositor(*SIZE, SIZE)
    everything = Overlay(
        card=product_card(Offer("明前龙井", price="¥128"), compositor.look),
        said=track("欢迎光临", "Welcome", [0, 5, 10, 15], compositor.look, 0),
        brand=hint("春山", compositor.look), bumper=bumper(("春山", ""), None, compositor.look),
        notice=emergency(["火警", "Fire"], compositor.look)).at(7)
    for _ in range(BUMPER_FADE_FRAMES):
        assert compositor.layers(everything)[-1].sprite is compositor.label.sprite


def test_a_card_comes_and_goes_softly_and_leaves_no_trace(base: np.ndarray) -> None:
    compositor = Compositor(*SIZE, SIZE)
    card = product_card(Offer("明前龙井", "Longjing", "¥128", qr="https://e.com"), compositor.look)
    bare = drawn(compositor, base, Overlay())
    first = drawn(compositor, base, Overlay(card=card))
    whole = settled(compositor, base, Overlay(card=card))
    assert 0 < np.abs(first.astype(int) - bare).sum() < np.abs(whole.astype(int) - bare).sum()
    assert np.array_equal(settled(compositor, base, Overlay()), bare)


def test_in_portrait_captions_stand_above_the_card_and_in_landscape_beside_it() -> None:
    for size in ((1080, 1920), (1920, 1080)):
        compositor = Compositor(*size, size)
        card = product_card(Offer("明前龙井", price="¥128"), compositor.look)
        words = track("这是今年的明前龙井", "Longjing", [0] * 9, compositor.look, 0)
        for _ in range(FADE_FRAMES + 1):
            layers = compositor.layers(Overlay(card=card, said=words).at(0))
        boxes = {id(x.sprite): (x.x, x.y, x.x + x.sprite.width_px, x.y + x.sprite.height_px)
                 for x in layers}
        c, w = boxes[id(card)], boxes[id(words.views[0].parts[0].sprite)]
        shade = 40
        apart = w[3] <= c[1] + shade or w[2] <= c[0] + shade
        assert apart and w[0] >= 0 and w[3] <= size[1], (size, c, w)


def test_any_base_size_fills_any_canvas_and_the_mouth_goes_with_it(base: np.ndarray) -> None:
    compositor = Compositor(1080, 1080, SIZE)
    rgba = np.zeros((64, 64, 4), np.uint8)
    rgba[16:48, 16:48] = (255, 255, 255, 255)
    matrix = np.array([[1, 0, 238], [0, 1, 448]], np.float32)
    planes = np.full_like(base, 128)
    planes[: SIZE[1]] = 60
    canvas = drawn(compositor, planes, Overlay(), pixels.premultiplied_patch(rgba), matrix)
    assert canvas[540, 540, 0] > 240 and canvas[540, 440, 0] < 100


def test_a_long_name_an_absent_picture_and_a_hopeless_qr_still_make_a_card() -> None:
    name = "特级明前西湖龙井茶礼盒装二百五十克送礼佳品" * 3
    card = product_card(Offer(name, price="¥1,280.00"), Look())
    assert card.width_px > 900
    with pytest.raises(Refused, match="QR"):
        product_card(Offer("茶", qr="x" * 4096), Look())


def test_a_broken_picture_is_refused_with_its_name() -> None:
    with pytest.raises(Refused, match=r"tea\.png"):
        pixels.picture_from_bytes(b"not a picture", "tea.png")


def test_the_brand_picture_has_the_themes_colour_and_readable_words() -> None:
    picture = brand_picture("春山茶行", "Spring Hill Tea", 540, 960, Look(k=0.5))
    assert tuple(picture[2, 2, :3]) == (28, 35, 16)
    assert (picture[..., :3].min(axis=2) > 200).sum() > 500
