"""Sound and picture brought together at the screen: the page, the number, and who wins."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.main import main
from device import messages as m
from device.calibrate import read_line
from device.paths import Places
from device.render.cards import Look
from device.stage import offset
from device.stage.calibration import HALF, beep, gauge, hand_at, marks, plate
from ota.errors import Refused
from tests.sim.avatar_bundle import make_bundle
from tests.sim.player_box import Box


def test_what_was_measured_at_the_screen_goes_before_the_console_and_the_argument() -> None:
    assert offset.choose(-60.0, 20.0, 5.0) == offset.Chosen(-60.0, "box")
    assert offset.choose(None, 20.0, 5.0) == offset.Chosen(20.0, "console")
    assert offset.choose(None, None, 5.0) == offset.Chosen(5.0, "argument")
    assert offset.choose(None, None, 9000.0).av_offset_ms == 500.0


def test_the_number_lasts_is_bounded_and_can_be_forgotten(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert offset.on_box(places) is None
    offset.keep(places, -60)
    assert offset.on_box(places) == -60.0
    for bad in (501, float("nan"), True, "60"):
        with pytest.raises(Refused, match="from -500 to 500"):
            offset.keep(places, bad)  # type: ignore[arg-type]
    offset.keep(places, None)
    assert offset.on_box(places) is None
    offset.settings_path(places).write_text('{"av_offset_ms": 9999}')
    with pytest.raises(Refused, match="calibrate again"):
        offset.on_box(places)


@given(st.floats(-300, 300), st.floats(-500, 500))
def test_the_hand_at_the_beep_is_the_number_to_set(late_ms: float, set_ms: float) -> None:
    """The screen shows at the beep what was meant for `late_ms + set_ms` before it."""
    behind_ms = late_ms + set_ms
    step = -behind_ms / 40
    assert hand_at(0, set_ms) + step * 40 == pytest.approx(-late_ms, abs=1e-6)
    assert all(-500 <= mark <= 500 for mark in marks(set_ms)) and marks(set_ms)


def test_the_page_flashes_with_the_beep_and_its_hand_moves() -> None:
    look = Look(k=0.5)
    light = {k: float(gauge(k, -60.0, look).colour.mean()) for k in (-HALF, -1, 0, 1, 2, HALF)}
    assert min(light[0], light[1]) > 3 * max(light[-1], light[2], light[HALF])
    before, after = gauge(-6, -60.0, look).colour, gauge(6, -60.0, look).colour
    half = before.shape[1] // 2
    moved = np.abs(before.astype(int) - after).sum(axis=(0, 2))
    assert moved[:half].sum() > 0 and moved[half:].sum() > 0
    assert plate(-60.0, look).width_px == gauge(0, -60.0, look).width_px
    assert np.abs(beep()).argmax() < 48, "it begins at once"


def test_typed_lines_move_by_ten_take_numbers_and_never_leave_the_bounds() -> None:
    assert read_line("+", -60, 500).value_ms == -50
    assert read_line("--\n", -60, 500).value_ms == -80
    assert read_line("-120", 0, 500).value_ms == -120
    assert read_line("++++++", 480, 500).value_ms == 500
    assert not read_line("9999", 7, 500).understood and read_line("x", 7, 500).value_ms == 7
    kept, left = read_line("s", 7, 500), read_line("q", 7, 500)
    assert kept.ends and kept.keeps and left.ends and not left.keeps


def test_a_technician_sets_the_delay_over_ssh_and_the_picture_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (270, 480), 4)
    box = Box(tmp_path / "root", avatar, {})
    monkeypatch.setenv("VITRINE_ROOT", str(tmp_path / "root"))

    def calibrate(*words: str, lines: str = "") -> dict[str, object]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        assert main(["device", "calibrate", "--json", *words]) == 0
        found: dict[str, object] = json.loads(capsys.readouterr().out)
        return found

    try:
        box.start("--no-sound")
        assert calibrate("--set=-60") == {
            "on_box": -60.0, "player": {"av_offset_ms": -60.0, "shown": False}}
        assert box.state(lambda s: s.av_offset_set_ms != 0).av_offset_set_ms == -60
        calibrate(lines="-\n-90\n+\ns\n")
        assert box.state(lambda s: s.av_offset_set_ms == -80).frames_shown > 0
        assert offset.on_box(box.places) == -80
        box.agent.publish(m.Command(id="c", name="calibrate", args={"seconds": 5000}))
        done = box.message(lambda x: isinstance(x, m.CommandDone) and x.id == "c")
        assert isinstance(done, m.CommandDone) and not done.ok
        assert box.stop() == 0
    finally:
        box.close()
