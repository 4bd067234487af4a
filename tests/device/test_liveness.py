"""A picture that does not move is a dead player, whatever its threads say."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timezone

import numpy as np
import pytest

from device.audio.speaker import Speaker
from device.render.bundle import Bundle, load_bundle
from device.render.dirty import Box
from device.render.mouth import Mouth
from device.render.pixels import Picture
from device.render.sink import NullSink
from device.stage.liveness import FROZEN_LOOKS_MAX, Liveness, Patience, PictureGuard
from device.stage.mouths import MouthMaker
from device.stage.stage import Stage
from tests.sim.avatar_bundle import make_bundle


class FreezingSink(NullSink):
    """A screen that works and then hangs: `shows` still takes frames and shows the old one;
    `blocks` never comes back from presenting one."""

    def __init__(self, after: int, blocks: bool) -> None:
        super().__init__()
        self.after, self.blocks, self.hung = after, blocks, threading.Event()
        self.old: Picture | None = None

    def present(self, at_s: float, boxes: Sequence[Box] | None = None) -> None:
        super().present(at_s, boxes)
        if self.presented < self.after:
            return
        if self.old is None:
            self.old = self._canvas.copy()
        self._canvas[...] = self.old
        if self.blocks:
            self.hung.wait(20)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = make_bundle(tmp_path_factory.mktemp("avatars") / "sim", (270, 480), 25)
    return load_bundle(folder, datetime(2026, 1, 1, tzinfo=timezone.utc))


@pytest.mark.alone
@pytest.mark.parametrize("blocks", [False, True])
def test_a_screen_that_hangs_is_noticed_and_a_resting_avatar_is_not(
    bundle: Bundle, blocks: bool
) -> None:
    speaker, sink, liveness = Speaker(enabled=False), FreezingSink(30, blocks), Liveness()
    maker = MouthMaker(Mouth(bundle)).start()
    stage = Stage(bundle, sink, speaker, maker, (270, 480))
    before: list[int] = []

    def frozen() -> None:
        before.append(sink.presented)
        sink.hung.set()
        stage.leave()

    guard = PictureGuard(liveness, frozen, look_s=0.1).start()
    stage.on_presented = lambda n, canvas: liveness.note(canvas)
    try:
        stage.open()
        stage.run()
    finally:
        guard.close()
        stage.close()
        maker.close()
    (presented,) = before
    assert presented >= 30, "an avatar that only breathes was alive"
    assert liveness.changes > 3


def test_only_presented_pixels_that_changed_are_life() -> None:
    liveness, canvas = Liveness(), np.full((192, 108, 4), 60, np.uint8)
    assert not liveness.alive and liveness.frozen_s() == 0.0
    liveness.note(canvas)
    assert liveness.alive and liveness.changes == 1
    for _ in range(50):
        liveness.note(canvas)
    assert liveness.changes == 1, "the same picture fifty times is one"
    canvas[...] += 1
    for _ in range(5):
        liveness.note(canvas)
    assert liveness.changes == 2
    liveness.still = True
    for _ in range(10):
        liveness.note(canvas)
    assert liveness.changes == 4, "where a still is meant, presenting it is life"
    canvas[...] = 0
    for _ in range(5):
        liveness.note(canvas)
    assert liveness.black and not liveness.alive, "a black picture is none"


def test_patience_counts_looks_and_begins_with_the_first_picture() -> None:
    patience = Patience()
    assert not any(patience.is_over(0) for _ in range(100)), "a slow start is no frozen picture"
    assert not any(patience.is_over(7) for _ in range(FROZEN_LOOKS_MAX))
    assert patience.is_over(7) and not patience.is_over(8)
