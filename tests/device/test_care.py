"""Care for the panel: the overlay wanders and rests, and the avatar moves without words."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.audio.speaker import Speaker
from device.conversation import cues
from device.conversation.script import Script
from device.paths import Places
from device.render.bundle import load_bundle
from device.render.cards import hint
from device.render.compose import Compositor, Overlay
from device.render.mouth import Mouth
from device.render.sink import NullSink
from device.stage.announcer import Announcer
from device.stage.care import (
    GESTURE_S_MAX,
    GESTURE_S_MIN,
    IDLE_S,
    QUIET_S,
    ROUND_S,
    SHIFT_PX,
    TURN_S,
    Idle,
    idle_gestures,
    resting,
    shift_px,
)
from device.stage.clips import ClipShelf
from device.stage.mouths import MouthMaker
from device.stage.performer import Performer
from device.stage.stage import Stage
from device.stage.wardrobe import Wardrobe
from ota.clock import monotonic_s
from tests.sim.avatar_bundle import make_bundle
from tests.sim.built_programme import make_programme

scales = st.sampled_from([0.25, 0.5, 1.0, 2.0])


@given(st.floats(0, 1e8), scales)
def test_the_overlay_wanders_slowly_near_its_place_and_comes_back(at_s: float, k: float) -> None:
    here, soon, round_ = (shift_px(t, k) for t in (at_s, at_s + 0.04, at_s + ROUND_S))
    assert max(map(abs, here)) <= round(SHIFT_PX * k)
    assert max(abs(a - b) for a, b in zip(here, soon, strict=True)) <= 1
    assert max(abs(a - b) for a, b in zip(here, round_, strict=True)) <= 1


def test_no_pixel_of_an_edge_stays_lit_all_round_the_path() -> None:
    places = [shift_px(float(s), 1.0) for s in range(int(ROUND_S))]
    for axis in (0, 1):
        row = [place[axis] for place in places]
        assert max(row) - min(row) == 2 * SHIFT_PX
    most = max(places.count(place) for place in set(places))
    assert most < ROUND_S / 12, "and nowhere does it linger"


@pytest.mark.parametrize("size", [(1080, 1920), (1920, 1080), (540, 960)])
def test_the_label_and_all_else_stay_whole_wherever_the_overlay_stands(
    size: tuple[int, int],
) -> None:
    compositor = Compositor(*size, size)
    pill = hint("有问题请直接问我 / Just ask me", compositor.look)
    overlay = Overlay(brand=pill, hint=pill, caption=None)
    still = compositor.layers(overlay)
    base = np.zeros((size[1] * 3 // 2, size[0]), np.uint8)
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    matrix = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    labels = set()
    for second in (0, 90, 270, 450, 630):
        compositor.shift = shift_px(float(second), compositor.look.k)
        for before, layer in zip(still, compositor.layers(overlay), strict=True):
            assert (layer.x - before.x, layer.y - before.y) == compositor.shift
            assert layer.x >= 0 and layer.x + layer.sprite.width_px <= size[0]
            assert layer.y >= 0 and layer.y + layer.sprite.height_px <= size[1]
        compositor.frame(canvas, base, None, matrix, overlay)
        at = compositor.layers(overlay)[-1]
        here = canvas[at.y : at.y + at.sprite.height_px, at.x : at.x + at.sprite.width_px]
        labels.add(here.tobytes())
    assert len(labels) == 1, "the label looks the same at each place"


def test_after_long_quiet_card_and_brand_rest_in_turns_and_a_word_brings_both_back() -> None:
    idle = Idle(())
    idle.happened(100.0)
    assert idle.resting(100.0 + QUIET_S - 1) is None
    turns = [idle.resting(100.0 + QUIET_S + TURN_S * n + 1) for n in range(4)]
    assert turns == ["card", "brand", "card", "brand"]
    idle.happened(9000.0)
    assert idle.resting(9001.0) is None and resting(0.0) is None


def test_the_screen_rests_and_wakes_with_a_visitor(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (270, 480), 10, gestures=("greet",))
    bundle = load_bundle(avatar, datetime(2026, 1, 1, tzinfo=timezone.utc))
    speaker, maker = Speaker(enabled=False), MouthMaker(Mouth(bundle))
    stage = Stage(bundle, NullSink(), speaker, maker, (270, 480))
    script = Script.load(make_programme(tmp_path / "shop"))
    performer = Performer(stage, speaker, maker, ClipShelf(Mouth(bundle)),
                          Wardrobe(stage.compositor.look, script), Announcer(Places(tmp_path)))
    performer.dress(performer.wardrobe)
    performer.perform(cues.ShowCard("longjing"))

    def shows() -> tuple[bool, bool]:
        overlay = stage._overlay_of(stage.now())
        return overlay.card is not None, overlay.brand is not None

    assert shows() == (True, True)
    for quiet_s, seen in ((QUIET_S + 1, (False, True)), (QUIET_S + TURN_S + 1, (True, False))):
        performer._idle.since_s = monotonic_s() - quiet_s
        performer.look_after()
        assert shows() == seen
    performer.camera(True)
    assert shows() == (True, True), "the camera's mark never rests"
    performer.camera(False)
    assert shows() == (True, False)
    performer.perform(cues.Caption("龙井多少钱", "zh-CN"))
    assert shows() == (True, True), "somebody is there"
    performer._idle.gesture_at_s = 0.0
    performer.look_after()
    assert stage.base.waiting, "and at some time she greets by herself"
    stage.base.close()


def test_gestures_without_words_come_rarely_and_never_soon_after_speech() -> None:
    idle = Idle(idle_gestures(("point-left", "greet")), random.Random(4))
    idle.happened(0.0)
    times = [s for s in range(7200) if idle.gesture(float(s)) == "greet"]
    assert times[0] == IDLE_S
    pauses = np.diff(times)
    assert pauses.min() >= GESTURE_S_MIN - 1 and pauses.max() <= GESTURE_S_MAX + 1
    assert len(set(pauses.tolist())) > len(pauses) // 2, "at no steady beat"
    idle.happened(7200.0)
    assert idle.gesture(7200.0 + IDLE_S - 1) is None


def test_only_gestures_that_need_no_words_are_made_without_them() -> None:
    assert idle_gestures(("greet", "point-left", "glance-left")) == ("glance-left",)
    assert idle_gestures(("point-left", "point-right")) == ()
    silent = Idle(())
    assert silent.gesture(1e6) is None


