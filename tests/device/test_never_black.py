"""On a real X server, full screen: no black pixel while players come, are killed and come back."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from device.paths import Places, repository_root
from device.render.pixels import jpeg_bytes
from device.render.sink import NullSink
from device.safe import Safe, fitted, safe_picture
from device.stage.keeper import last_picture_path, somebody_presents
from ota.clock import Deadline, sleep_s
from ota.files import write_durable
from tests.sim.avatar_bundle import make_bundle
from tests.sim.xscreen import Screen, x_screen


class Eye(threading.Thread):
    """Looks at the screen all the time; `darkest` is the least light it ever saw."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(daemon=True)
        self.screen, self.shut, self.darkest, self.looks = screen, threading.Event(), 255.0, 0
        self.start()

    def run(self) -> None:
        while not self.shut.wait(0.01):
            self.darkest = min(self.darkest, float(self.screen.pixels().mean()))
            self.looks += 1


@pytest.mark.beside
def test_the_screen_is_never_black_from_the_first_picture_on(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatar" / "sim", (270, 480), 25)
    places = Places(tmp_path / "root")
    with x_screen(tmp_path / "fb", (270, 480)) as screen:
        environment = {**os.environ, "DISPLAY": screen.display, "VITRINE_ROOT": str(places.root),
                       "PYTHONPATH": str(repository_root())}

        def start(*command: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [sys.executable, "-m", "cli", "device", *command, "--full-screen"],
                env=environment, cwd=repository_root())

        def player() -> subprocess.Popen[bytes]:
            found = start("player", "--no-sound", "--size", "270x480", "--avatar", str(avatar))
            until(lambda: somebody_presents(places))
            return found

        safe = start("safe")
        children = [safe]
        try:
            until(lambda: bool(screen.pixels().any()))
            eye, brand = Eye(screen), screen.pixels().astype(int)
            children.append(player())
            # Presented is not yet drawn by the server.
            until(lambda: last_picture_path(places).exists()
                  and screen.pixels().mean() > brand.mean() + 12)
            seen = screen.pixels().astype(int)
            children[-1].kill()
            children[-1].wait(15)
            sleep_s(0.3)
            stands = screen.pixels().astype(int)
            assert np.abs(stands - seen).mean() < 12, "the last good frame, not the brand"
            before_ns = last_picture_path(places).stat().st_mtime_ns
            children.append(player())
            # Before its first picture it has no last one.
            until(lambda: last_picture_path(places).stat().st_mtime_ns > before_ns)
            begun_ns = last_picture_path(places).stat().st_mtime_ns
            children[-1].terminate()
            children[-1].wait(15)
            assert last_picture_path(places).stat().st_mtime_ns > begun_ns, "its very last frame"
            eye.shut.set()
            eye.join(5)
            assert eye.looks > 20 and eye.darkest > 10, eye.darkest
        finally:
            for child in children:
                child.kill()
                child.wait()


def test_a_player_that_came_and_went_between_two_looks_leaves_its_picture(tmp_path: Path) -> None:
    places, sink = Places(tmp_path), NullSink()
    safe = Safe(places, sink, (96, 192), under=True)
    safe.open()
    brand = sink.frame_buffer().copy()
    light = np.full((192, 96, 4), 200, np.uint8)
    write_durable(last_picture_path(places), jpeg_bytes(light, 90))
    safe.look()
    assert np.abs(sink.frame_buffer().astype(int) - light)[..., :3].mean() < 3
    assert np.abs(brand.astype(int) - light)[..., :3].mean() > 50, "what stood before"


def until(true: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = Deadline(seconds)
    while not true():
        assert not deadline.passed
        sleep_s(0.02)


def test_the_safe_picture_is_never_stretched_and_never_dark(tmp_path: Path) -> None:
    portrait = np.zeros((960, 540, 4), np.uint8)
    portrait[...], portrait[100:200] = (40, 160, 220, 255), (255, 255, 255, 255)
    wide = fitted(portrait, 1920, 1080)
    inside, outside = wide[500, 960, :3].astype(int), wide[500, 100, :3].astype(int)
    assert np.abs(inside - (40, 160, 220)).max() < 3, "the picture itself"
    assert 0 < outside.max() < 0.7 * inside.max(), "on its own dim ground"
    band = np.nonzero((wide[:, 960, :3] > 250).all(axis=1))[0]
    assert abs(len(band) - 100 * 1080 / 960) < 4, "a tenth stays a tenth"
    assert fitted(portrait, 1080, 1920).shape == (1920, 1080, 4)

    places = Places(tmp_path)
    brand = safe_picture(places, 192, 108)
    for broken in (b"", b"\xff\xd8\xff\xe0 torn", b"x" * 100):
        write_durable(last_picture_path(places), broken)
        assert np.array_equal(safe_picture(places, 192, 108), brand)
    write_durable(last_picture_path(places), jpeg_bytes(np.zeros((96, 54, 4), np.uint8), 90))
    assert np.array_equal(safe_picture(places, 192, 108), brand), "a black frame was no good frame"
    write_durable(last_picture_path(places), jpeg_bytes(portrait, 90))
    assert safe_picture(places, 192, 108).shape == (108, 192, 4)
