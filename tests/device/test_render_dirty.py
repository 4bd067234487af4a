"""Over a base that stands still only what changed is drawn, and nobody can tell the difference."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.render import pixels
from device.render.compose import Compositor, Overlay
from device.render.dirty import Box, apart
from device.render.dress import Dressed

SIZE = (160, 240)
RNG = np.random.default_rng(3)
BASES = [RNG.integers(16, 235, (SIZE[1] * 3 // 2, SIZE[0]), np.uint8) for _ in range(2)]


def mouth(seed: int) -> pixels.Picture:
    rgba = np.random.default_rng(seed).integers(0, 255, (32, 32, 4), np.uint8)
    return pixels.premultiplied_patch(rgba)


def sprite(width: int, height: int) -> pixels.Sprite:
    return pixels.sprite_from_rgba(RNG.integers(0, 255, (height, width, 4), np.uint8))


MOUTHS = [None, mouth(1), mouth(2)]
PLACES = [np.array([[a, 0.02, x], [-0.02, a, y]], np.float32)
          for a, x, y in ((1.0, 60.0, 100.0), (1.13, 62.4, 101.7), (1.0, -10.0, 230.0))]
CAPTIONS, CARDS = [None, sprite(90, 30), sprite(120, 40)], [None, sprite(140, 60)]

# Base, mouth, place, caption, card; and for which place the mouth was dressed ahead (-1: not).
looks = st.tuples(st.sampled_from(range(2)), st.sampled_from(range(3)), st.sampled_from(range(3)),
                  st.sampled_from(range(3)), st.sampled_from(range(2)), st.integers(-1, 2))


@pytest.mark.parametrize("size", [SIZE, (300, 160)], ids=["filled", "beside"])
@settings(max_examples=30, deadline=None)
@given(st.lists(looks, min_size=2, max_size=8))
def test_what_is_touched_up_is_what_would_have_been_drawn(
    size: tuple[int, int], rows: list[tuple[int, ...]]
) -> None:
    once, anew = (Compositor(*size, SIZE, (80, 90)) for _ in range(2))
    assert once.look.beside == (size != SIZE)
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    waiting: deque[pixels.Picture | Dressed | None] = deque(MOUTHS[row[1]] for row in rows)
    for number, (base, patch, place, caption, card, _) in enumerate(rows):
        before, fresh = canvas.copy(), np.zeros_like(canvas)
        words = Overlay(caption=CAPTIONS[caption], card=CARDS[card])
        boxes = once.frame(canvas, BASES[base], waiting.popleft(), PLACES[place], words)
        # Made while this frame stands, shown two frames later: over whatever base there is then.
        for ahead in range(min(2, len(waiting))):
            raw, guess = MOUTHS[rows[number + 1 + ahead][1]], rows[number + 1 + ahead][5]
            if raw is not None and guess >= 0 and not isinstance(waiting[ahead], Dressed):
                waiting[ahead] = once.dress(raw, PLACES[guess])
        anew.frame(fresh, BASES[base], MOUTHS[patch], PLACES[place], words)
        assert np.array_equal(canvas[..., :3], fresh[..., :3])
        touched = np.zeros(canvas.shape[:2], bool)
        for box in boxes:
            touched[box.top : box.bottom, box.left : box.right] = True
        assert not (canvas != before).any(axis=2)[~touched].any()


def test_a_new_mouth_on_a_still_base_touches_its_box_alone() -> None:
    compositor, canvas = Compositor(*SIZE, SIZE), np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    whole = compositor.frame(canvas, BASES[0], MOUTHS[1], PLACES[0], Overlay())
    assert whole == [Box(0, 0, *SIZE)]
    assert compositor.frame(canvas, BASES[0], MOUTHS[1], PLACES[0], Overlay()) == []
    assert MOUTHS[2] is not None
    box, = compositor.frame(canvas, BASES[0], MOUTHS[2], PLACES[0], Overlay())
    assert box == Box(*pixels.patch_box(MOUTHS[2], PLACES[0], *SIZE))


def test_a_mouth_laid_on_a_base_that_stands_is_copied_and_on_any_other_drawn() -> None:
    compositor, canvas = Compositor(*SIZE, SIZE), np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    assert MOUTHS[1] is not None and MOUTHS[2] is not None
    for patch in (MOUTHS[1], MOUTHS[2]):
        compositor.frame(canvas, BASES[0], patch, PLACES[1], Overlay())
    made = compositor.dress(MOUTHS[1], PLACES[1])
    assert made.finished is not None and made.whole_over(BASES[0]) is made.finished
    compositor.frame(canvas, BASES[0], made, PLACES[1], Overlay())
    rows, columns = slice(made.box.top, made.box.bottom), slice(made.box.left, made.box.right)
    assert np.array_equal(canvas[rows, columns], made.finished)
    for base, place in ((BASES[1], PLACES[1]), (BASES[1], PLACES[0])):
        fresh = np.zeros_like(canvas)
        assert made.whole_over(base) is None
        compositor.frame(canvas, base, made, place, Overlay())
        Compositor(*SIZE, SIZE).frame(fresh, base, MOUTHS[1], place, Overlay())
        assert np.array_equal(canvas[..., :3], fresh[..., :3])


boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), *[st.integers(0, 40)] * 4)


@given(st.lists(boxes, max_size=8))
def test_boxes_apart_cover_all_and_do_not_meet(given_boxes: list[Box]) -> None:
    found = apart(given_boxes)
    for one in given_boxes:
        assert not one.area_px or any(
            one.left >= b.left and one.right <= b.right and one.top >= b.top
            and one.bottom <= b.bottom for b in found)
    assert not any(a.meets(b) for n, a in enumerate(found) for b in found[:n])


@given(boxes, boxes)
def test_a_box_without_another_is_every_pixel_of_it_once_and_none_of_the_other(
    one: Box, other: Box
) -> None:
    count = np.zeros((90, 90), int)
    for part in one.without(other):
        count[part.top : part.bottom, part.left : part.right] += 1
    wanted = np.zeros((90, 90), int)
    wanted[one.top : one.bottom, one.left : one.right] = 1
    if other.area_px:
        wanted[other.top : other.bottom, other.left : other.right] = 0
    assert np.array_equal(count, wanted)


def test_what_covers_the_picture_is_no_frozen_picture_and_leaves_no_strip() -> None:
    compositor, canvas = Compositor(*SIZE, SIZE), np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    compositor.shift = (3, 2)
    red = np.full((SIZE[1], SIZE[0], 4), (200, 0, 0, 255), np.uint8)
    notice = pixels.sprite_from_rgba(red)
    compositor.frame(canvas, BASES[0], None, PLACES[0], Overlay(notice=notice))
    assert compositor.covered
    assert (canvas[[0, -1], :, 2] == 200).all() and (canvas[:, [0, -1], 2] == 200).all()
    compositor.frame(canvas, BASES[0], None, PLACES[0], Overlay())
    assert not compositor.covered
