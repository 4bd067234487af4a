"""The window on a real X server: what was composed is what stands on the screen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from device.paths import Places, repository_root
from device.stage.keeper import Presence
from ota.clock import Deadline, sleep_s
from tests.sim.xscreen import Screen, x_screen

CHILD = Path(__file__).with_name("window_child.py")


class Window:
    """A child with a WindowSink that does one order a line."""

    def __init__(self, screen: Screen, size: tuple[int, int]) -> None:
        environment = {**os.environ, "DISPLAY": screen.display,
                       "PYTHONPATH": str(repository_root())}
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(size[0]), str(size[1])], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def do(self, order: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()


@contextmanager
def window(screen: Screen, size: tuple[int, int]) -> Iterator[Window]:
    child = Window(screen, size)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.wait()


def until(screen: Screen, wanted: object, at: tuple[int, int], seconds: float = 5) -> np.ndarray:
    """Wait until the pixel at (x, y) is `wanted` (BGR)."""
    deadline = Deadline(seconds)
    while True:
        pixels = screen.pixels()
        if tuple(int(v) for v in pixels[at[1], at[0]]) == wanted:
            return pixels
        assert not deadline.passed, f"{at} is {pixels[at[1], at[0]]}, not {wanted}"
        sleep_s(0.05)


def test_on_a_screen_of_its_size_every_pixel_is_the_composed_one(tmp_path: Path) -> None:
    with x_screen(tmp_path / "fb", (540, 960)) as screen, window(screen, (540, 960)) as child:
        assert child.do("fill 10 120 230").split() == ["1", "True"], "drawn in place"
        pixels = until(screen, (10, 120, 230), (500, 900))
        assert (pixels[:480, :270] == 255).all() and (pixels[480:, 270:] == (10, 120, 230)).all()


def test_the_talk_key_is_told_and_other_keys_keep_their_meaning(tmp_path: Path) -> None:
    with x_screen(tmp_path / "fb", (540, 960)) as screen, window(screen, (270, 480)) as child:
        child.do("fill 10 120 230")
        assert child.do("press space").split() == ["True", "False"]
        assert child.do("press f11") == "\n"
        child.do("fill 10 120 230")
        until(screen, (10, 120, 230), (530, 950))  # it fills the screen now


def test_on_a_smaller_screen_the_whole_picture_is_scaled(tmp_path: Path) -> None:
    with x_screen(tmp_path / "fb", (800, 600)) as screen, window(screen, (1080, 1920)) as child:
        child.do("fill 10 120 230")
        deadline = Deadline(5)
        while (screen.pixels() == (10, 120, 230)).all(axis=2).sum() == 0:
            assert not deadline.passed
            sleep_s(0.05)
        seen = (screen.pixels() != 0).any(axis=2)
        ys, xs = np.nonzero(seen)
        wide, high = xs.max() - xs.min() + 1, ys.max() - ys.min() + 1
        assert high <= 560 and wide / high == pytest.approx(1080 / 1920, abs=0.01)


def test_the_safe_picture_stands_while_nobody_presents(tmp_path: Path) -> None:
    places = Places(tmp_path / "root")
    presence = Presence(places)
    presence.hold()
    with x_screen(tmp_path / "fb", (1080, 1920)) as screen:
        environment = {**os.environ, "DISPLAY": screen.display, "VITRINE_ROOT": str(places.root),
                       "PYTHONPATH": str(repository_root())}
        safe = subprocess.Popen([sys.executable, "-m", "cli", "device", "safe"], env=environment,
                                cwd=repository_root())
        try:
            sleep_s(4.5)
            assert not screen.pixels().any(), "a player presents: nothing to be seen of it"
            presence.close()
            until(screen, (28, 35, 16), (5, 5), 8)
            presence = Presence(places)
            presence.hold()
            until(screen, (0, 0, 0), (5, 5), 8)
        finally:
            safe.terminate()
            assert safe.wait(10) == 0
            presence.close()
