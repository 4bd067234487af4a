"""While the microphone is on, an ear beside the AI label says so, over everything."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from device import messages as m
from device.bus import Bus
from device.paths import Places
from device.player import Player, PlayerSettings
from device.render.bundle import load_bundle
from device.render.cards import brand
from device.render.compose import Compositor, Overlay
from device.render.notices import bumper, emergency
from device.render.pills import ear_mark
from device.render.sink import NullSink
from device.stage.incoming import listens
from ota.clock import monotonic_ns
from tests.sim.avatar_bundle import make_bundle

SIZES = [(1080, 1920), (1920, 1080), (540, 960), (960, 540)]


@pytest.mark.parametrize("size", SIZES)
def test_the_ear_is_beside_the_label_and_hides_nothing(size: tuple[int, int]) -> None:
    compositor = Compositor(*size, size)
    look = compositor.look
    ear, name = ear_mark(look), brand("清和茶铺 · 南京西路旗舰店", None, look, look.px(320))
    placed = {id(layer.sprite): layer.box
              for layer in compositor.layers(Overlay(brand=name, ear=ear))}
    box, label = placed[id(ear)], placed[id(compositor.label.sprite)]
    assert not box.meets(placed[id(name)])
    assert box.within(*size) == box
    away = (max(box.left - label.right, label.left - box.right, 0)
            + max(box.top - label.bottom, label.top - box.bottom, 0))
    assert away <= look.px(24), "beside it"
    over = compositor.label.margin_px  # the label's own shade
    assert box.left >= label.right - over or box.top >= label.bottom - over


@pytest.mark.parametrize("size", SIZES[2:])
def test_nothing_covers_the_ear(size: tuple[int, int]) -> None:
    compositor = Compositor(*size, size)
    ear, look = ear_mark(compositor.look), compositor.look
    for whole in (Overlay(notice=emergency(["请从安全出口离开"], look), ear=ear),
                  Overlay(bumper=bumper(("清和茶铺", "Qinghe"), None, look), ear=ear)):
        for _ in range(30):  # the bumper fades in
            layers = compositor.layers(whole)
        assert [layer.sprite for layer in layers[-2:]] == [ear, compositor.label.sprite]
    opaque = 255 - ear.inverse[..., 0]
    assert np.count_nonzero(opaque > 200) > 100, "strokes that can be seen"


def state(**fields: object) -> m.EarState:
    given: dict[str, object] = {"at_ns": monotonic_ns(), "ready": True, "level_dbfs": -40.0}
    return m.EarState(**{**given, **fields})  # type: ignore[arg-type]


def test_who_waits_for_a_wake_phrase_listens_and_who_is_deaf_does_not() -> None:
    assert listens(state()) and listens(state(listening="armed"))
    assert not listens(state(listening="deaf"))
    assert not listens(state(ready=False)) and not listens(state(level_dbfs=None))


def test_the_player_shows_what_the_ear_says(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (270, 480), 25)
    bundle = load_bundle(avatar, datetime(2026, 1, 1, tzinfo=timezone.utc))
    places = Places(tmp_path / "root")
    options = PlayerSettings(headless=True, sound=False, width_px=270, height_px=480)
    with Bus(places.run, "player") as bus, Bus(places.run, "ear") as ear:
        player = Player(places, options, bundle, bus, NullSink())
        shown = []
        for told in (state(), state(listening="deaf"), state(listening="armed"),
                     state(ready=False)):
            ear.publish(told)
            player.director.turn()
            planned = [sprite for _, part, sprite in player.stage._changes if part == "ear"]
            shown.append(planned[-1] is player.performer.wardrobe.ear)
        player.stage.base.close()
    assert shown == [True, False, True, False]
