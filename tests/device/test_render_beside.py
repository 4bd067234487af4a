"""A lying screen and a standing presenter: whole at one side, on her own ground, words beside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.render import pixels
from device.render.captions import track
from device.render.cards import Look, Offer, product_card
from device.render.compose import FADE_FRAMES, Compositor, Layer, Overlay
from device.render.framing import framed

BASE, HEAD = (270, 480), (135, 155)
SIZES = {"1080p": (1920, 1080), "small": (480, 270), "odd": (455, 257)}
sides = st.integers(64, 4000)


def planes(grey: int = 90) -> np.ndarray:
    made = np.full((BASE[1] * 3 // 2, BASE[0]), 128, np.uint8)
    made[: BASE[1]] = grey
    return made


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.none() | st.tuples(sides, sides))
def test_any_base_on_any_screen_keeps_its_proportions_and_stays_inside(
    base: tuple[int, int], canvas: tuple[int, int], focus: tuple[int, int] | None
) -> None:
    found = framed(base, canvas, focus)
    crop, place = found.crop, found.place
    assert 0 <= crop.left < crop.right <= base[0] and 0 <= crop.top < crop.bottom <= base[1]
    assert 0 <= place.left < place.right <= canvas[0] and place.top == 0
    assert place.bottom >= canvas[1] - 1 and place.right == canvas[0]
    if found.beside:
        across, down = found.scale
        assert abs(across / down - 1) < 0.1 or min(*base, *canvas) < 200
        assert all(side % 2 == 0 for side in (*crop.corners, place.right - place.left))
    else:
        assert place.corners == (0, 0, *canvas)


def test_a_standing_presenter_fills_a_standing_screen_and_stands_beside_on_a_lying_one() -> None:
    assert not framed((1080, 1920), (1080, 1920)).beside
    assert not framed((1080, 1920), (1200, 1600)).beside
    assert not framed((1920, 1080), (1920, 1080)).beside
    found = framed((1080, 1920), (1920, 1080), (540, 622))
    assert found.beside and found.crop.right - found.crop.left == 1080, "none of her is cut off"
    assert found.crop.top < 330 and found.crop.bottom > 1500, "from above the hair to the waist"
    assert abs(found.scale[0] / found.scale[1] - 1) < 0.003


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_the_mouth_lies_where_the_base_has_it(size: tuple[int, int]) -> None:
    compositor = Compositor(*size, BASE, HEAD)
    base, left, top = planes(), 120, 200
    base[top : top + 32, left : left + 32] = 235
    white = pixels.premultiplied_patch(np.full((32, 32, 4), 255, np.uint8))
    matrix = np.array([[1, 0, left], [0, 1, top]], np.float32)
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    plain = np.zeros_like(canvas)
    compositor.frame(canvas, planes(), white, matrix, Overlay())
    Compositor(*size, BASE, HEAD).frame(plain, base, None, matrix, Overlay())
    spots = []
    for picture in (canvas, plain):
        light = np.clip(picture[size[1] // 4 :, size[0] * 6 // 10 :, 1].astype(float) - 140, 0, 90)
        ys, xs = np.indices(light.shape)
        spots.append(((xs * light).sum() / light.sum(), (ys * light).sum() / light.sum()))
    assert np.allclose(spots[0], spots[1], atol=0.3), spots


def test_the_ground_goes_on_from_the_edge_without_a_seam_and_is_drawn_once() -> None:
    compositor = Compositor(960, 540, BASE, HEAD)
    base = planes()
    base[:480] = np.linspace(40, 220, 480, dtype=np.uint8)[:, None]
    canvas = np.zeros((540, 960, 4), np.uint8)
    none = np.eye(2, 3, dtype=np.float32)
    compositor.frame(canvas, base, None, none, Overlay())
    rows = canvas[200:, :, 1].astype(int)
    assert np.abs(np.diff(rows, axis=1)).max() <= 4, "no step from one column to the next"
    ground = canvas[:, : 960 * 6 // 10].copy()
    boxes = compositor.frame(canvas, planes(200), None, none, Overlay())
    assert [box.left for box in boxes] == [960 * 6 // 10], "the ground is not touched again"
    assert np.array_equal(canvas[:, : 960 * 6 // 10], ground)


def laid(look_side: bool, words: bool) -> tuple[dict[str, Layer], Compositor]:
    compositor = Compositor(1920, 1080, (1080, 1920), (540, 622))
    compositor.wear(Look(side_card=look_side))
    card = product_card(Offer("明前龙井", "Longjing", "¥128", qr="https://e.com"), compositor.look)
    said = track("这是今年的明前龙井，清明前采的嫩芽，当天手工炒制", "Longjing", [0] * 24,
                 compositor.look, 0) if words else None
    overlay = Overlay(card=card, said=said).at(0)
    for _ in range(FADE_FRAMES + 1):
        layers = compositor.layers(overlay)
    return {"card": layers[0], "words": layers[1], "label": layers[-1]}, compositor


@pytest.mark.parametrize("side", [False, True])
def test_card_words_and_label_share_the_left_column(side: bool) -> None:
    found, compositor = laid(side, words=True)
    shade = 40
    card, words, label = found["card"].box, found["words"].box, found["label"].box
    assert max(card.right - shade, words.right, label.right) <= 1920 * 6 // 10 + shade
    assert words.bottom <= card.top + shade or words.right <= card.left + shade
    assert label.bottom <= min(card.top + shade, words.top) and min(card.left, words.left) >= 0
    assert max(card.bottom - shade, words.bottom) <= 1080 and compositor.look.beside
