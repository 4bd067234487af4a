"""The screen through a day: pulled, exchanged, turned, switched off, and one that does not obey."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from device import messages as m
from device.hal.screen import Output, RealScreen, Seen, monitor_lit, read_outputs
from device.hal.sim import SimScreen
from device.render.canvas import canvas_for
from device.stage.day import ShopDay
from device.stage.screenkeeper import KeeperParts, ScreenKeeper
from device.stage.screenplan import TRIES_MAX
from tests.sim.xscreen import x_screen

XRANDR = """Screen 0: minimum 8 x 8, current 1080 x 1920, maximum 16384 x 16384
HDMI-A-1 connected primary 1080x1920+0+0 right (normal left inverted right x axis y axis) 5mm x 3mm
   3840x2160     30.00    25.00
   1920x1080     60.00*+  59.94    50.00
DP-1 disconnected (normal left inverted right x axis y axis)
"""


class Shop:
    """A keeper with a simulated screen; the test is the agent and the clock on the wall."""

    def __init__(self, folder: Path) -> None:
        self.screen, self.told = SimScreen(), list[m.Happened]()
        self.day = ShopDay()
        self.now = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)  # noon in China
        self.day.now = lambda: self.now  # type: ignore[method-assign]
        self.memory = folder / "screen.json"
        self.keeper = self.restarted()

    def restarted(self) -> ScreenKeeper:
        return ScreenKeeper(KeeperParts(self.screen, self.day, self.memory, self.told.append))

    def set(self, **settings: object) -> None:
        told = m.Settings(**settings)  # type: ignore[arg-type]
        self.keeper.take(m.ContentReady(path="", programme_id="p", version=1, settings=told))

    def turn(self, times: int = 1) -> list[tuple[object, ...]]:
        before = len(self.screen.orders)
        for _ in range(times):
            self.keeper.turn()
        return self.screen.orders[before:]

    def faults(self) -> list[tuple[str, str]]:
        return [(each.kind, each.detail["fault"]) for each in self.told]


@pytest.fixture()
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_without_wishes_nothing_is_ever_ordered(shop: Shop) -> None:
    assert shop.turn(50) == [] and shop.told == []


def test_off_at_night_on_before_opening_and_awake_when_somebody_wakes_it(shop: Shop) -> None:
    shop.set(hours="09:00-21:00")
    assert shop.turn(3) == []
    shop.now += timedelta(hours=9, minutes=2)
    assert shop.turn(3) == [("power", False)] and shop.screen.seen.lit is False
    shop.keeper.take(m.Command(id="1", name="wake", args={"minutes": 30}))
    assert shop.turn(3) == [("power", True)]
    shop.now += timedelta(minutes=31)
    assert shop.turn(3) == [("power", False)]
    shop.keeper = shop.restarted()
    assert shop.turn(3) == [], "it knows its hours after a restart, without any network"
    shop.now += timedelta(hours=11, minutes=26)
    assert shop.turn(3) == [("power", True)], "a minute before nine"
    assert shop.told == []


def test_a_screen_that_does_not_go_out_is_covered_and_told_and_not_nagged(shop: Shop) -> None:
    shop.set(hours="09:00-21:00")
    shop.turn()
    shop.screen.obeys = frozenset()
    shop.now += timedelta(hours=10)
    assert shop.turn(50) == [("power", False)] * TRIES_MAX
    assert shop.keeper.cover and shop.faults() == [("fault", "screen-stays-on")]
    shop.now += timedelta(hours=11)
    shop.turn(2)
    assert not shop.keeper.cover and shop.faults()[1:] == [("fault-over", "screen-stays-on")]


def test_pulled_and_back_is_a_fault_its_end_and_a_screen_set_up_anew(shop: Shop) -> None:
    shop.set(rotation=90)
    assert shop.turn(3) == [("configure", "HDMI-1", None, 90)]
    shop.screen.pull()
    assert shop.turn() == [] and shop.told == [], "a television that changes its input"
    assert shop.turn(20) == [] and shop.faults() == [("fault", "screen-unplugged")]
    shop.screen.plug()
    assert shop.turn(5) == [("configure", "HDMI-1", None, 90)]
    assert shop.screen.seen.outputs[0].rotation == 90 and shop.screen.seen.outputs[0].mode
    assert shop.faults()[1:] == [("fault-over", "screen-unplugged")]


def test_a_screen_that_forgot_what_it_can_gets_the_mode_it_showed_before(shop: Shop) -> None:
    shop.turn()
    shop.screen.pull()
    shop.turn(2)
    shop.screen.plug("1024x600@60", "1024x600@60")  # a wrong EDID
    assert shop.turn(3) == [("configure", "HDMI-1", "1920x1080@60", None)]


def test_a_wished_mode_is_pinned_and_a_turn_that_is_refused_is_told_once(shop: Shop) -> None:
    shop.set(screen_mode="1280x720", rotation=0)
    assert shop.turn(3) == [("configure", "HDMI-1", "1280x720", 0)]
    shop.screen.obeys = frozenset({"power"})
    shop.set(rotation=270)
    orders = shop.turn(30)
    assert orders == [("configure", "HDMI-1", None, 270)] * TRIES_MAX
    assert ("fault", "screen-rotation") in shop.faults()
    assert shop.turn(30) == [], "and left alone until something changes"


def test_what_xrandr_and_xset_say() -> None:
    outputs, desktop = read_outputs(XRANDR)
    first, second = outputs
    assert desktop == (1080, 1920) and not second.connected
    assert (first.name, first.mode, first.rotation) == ("HDMI-A-1", "1920x1080@60", 90)
    assert "3840x2160@25" in first.modes and "1920x1080@50" in first.modes
    assert read_outputs("nonsense\n   *+") == ((), None)
    assert monitor_lit("DPMS is Enabled\n  Monitor is Off") is False
    assert monitor_lit("Server does not have the DPMS Extension") is None


def test_without_x_the_kernel_tells_and_takes_orders(tmp_path: Path) -> None:
    socket = tmp_path / "sys/class/drm/card0-HDMI-A-1"
    light = tmp_path / "sys/class/backlight/panel"
    for folder in (socket, light):
        folder.mkdir(parents=True)
    (socket / "status").write_text("connected\n")
    (socket / "dpms").write_text("On\n")
    (light / "bl_power").write_text("0")
    screen = RealScreen(tmp_path, display=False)
    assert screen.look() == Seen(plugged=True, lit=True)
    assert screen.power(False) and (light / "bl_power").read_text() == "4"
    (socket / "status").write_text("disconnected\n")
    assert screen.look().plugged is False and RealScreen(tmp_path / "no", False).look() == Seen()


def test_a_real_x_server_without_dpms_says_so_instead_of_lying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with x_screen(tmp_path / "fb", (540, 960)) as server:
        monkeypatch.setenv("DISPLAY", server.display)
        screen = RealScreen(tmp_path)
        seen = screen.look()
        if not seen.outputs:
            pytest.skip("xrandr is not there (install x11-xserver-utils)")
        assert seen.desktop == (540, 960) and seen.plugged and seen.lit is None
        assert replace(seen.outputs[0], modes=()) == Output("screen", True, "540x960@0")
        screen.keep_awake()
        # Nothing tells of the monitor's light, but the output can be seen to be off.
        assert screen.power(False) and screen.look().lit is False
        assert screen.power(True) and screen.look().outputs[0].mode
        assert not screen.configure("screen", None, 90), "Xvfb cannot turn"


def test_the_picture_takes_the_shape_of_the_screen_and_the_avatars_size() -> None:
    lin, lin_4k = (1080, 1920), (2160, 3840)
    assert canvas_for(None, lin_4k) == (1080, 1920)
    assert canvas_for((1920, 1080), lin) == (1920, 1080)
    assert canvas_for((2160, 3840), lin) == (1080, 1920)
    assert canvas_for((3840, 2160), lin_4k) == (3840, 2160)
    assert canvas_for((1280, 800), lin) == (1280, 800)
    assert canvas_for((1200, 1920), lin) == (1080, 1728)
