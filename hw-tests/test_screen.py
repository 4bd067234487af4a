"""The real screen on the bench goes off and on, keeps its mode, and is turned and turned back.

Run at the box's own X session: `DISPLAY=:0 pytest hw-tests/test_screen.py --box NAME`. The light
itself is seen by the machine (DPMS state, output); a person, or a photo diode, has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from device.hal.screen import Output, RealScreen
from device.paths import has_display
from ota.clock import Deadline, sleep_s

SETTLE_S = 10.0


@pytest.fixture()
def screen() -> Iterator[RealScreen]:
    if not has_display():
        pytest.skip("no DISPLAY: run this in the box's own X session")
    found = RealScreen()
    before = shown(found)
    yield found
    found.power(True)
    found.configure(before.name, before.mode, before.rotation)


def shown(screen: RealScreen) -> Output:
    outputs = [each for each in screen.look().outputs if each.connected]
    assert outputs, "no screen is connected"
    return outputs[0]


def becomes_lit(screen: RealScreen, lit: bool) -> bool:
    deadline = Deadline(SETTLE_S)
    while screen.look().lit is not lit and not deadline.passed:
        sleep_s(0.2)
    return screen.look().lit is lit


def test_the_light_goes_out_and_comes_back_ten_times(screen: RealScreen) -> None:
    before = shown(screen).mode
    for _ in range(10):
        assert screen.power(False) and becomes_lit(screen, False)
        assert screen.power(True) and becomes_lit(screen, True)
    assert shown(screen).mode == before, "in the mode it had"


@pytest.mark.parametrize("rotation", [90, 180, 270, 0])
def test_the_screen_is_turned(screen: RealScreen, rotation: int) -> None:
    output = shown(screen)
    assert screen.configure(output.name, output.mode, rotation)
    assert shown(screen).rotation == rotation
    wide, high = screen.look().desktop or (0, 0)
    assert (wide < high) is (rotation in (90, 270))


def test_a_mode_of_fifty_hertz_is_pinned(screen: RealScreen) -> None:
    assert screen.configure(shown(screen).name, "1920x1080@50", 0)
    assert shown(screen).mode == "1920x1080@50"


def test_the_kernel_sees_the_plug(screen: RealScreen) -> None:
    assert screen.look().plugged is True
