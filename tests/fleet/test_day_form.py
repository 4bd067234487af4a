"""Hours, quiet hours and the screen in the settings: as people write them, judged as a box does."""

from __future__ import annotations

import pytest
from rig import Fleet, SimBox

from fleet.console.day_form import curve_lines, day_settings
from ota.errors import Refused

HOURS = "mon-fri 09:00-21:00\n\nsat,sun 10:00-02:00;\n2026-12-25 closed"


def test_what_people_write_becomes_settings_and_comes_back_the_same() -> None:
    form = {"hours": HOURS, "curve": "09:00 60 %\n21:00 → 30%", "rotation": "90",
            "timezone": " Europe/Berlin ", "screen_mode": ""}
    found = day_settings(form)
    assert found == {
        "hours": "mon-fri 09:00-21:00; sat,sun 10:00-02:00; 2026-12-25 closed",
        "volume_curve": {"09:00": 0.6, "21:00": 0.3}, "rotation": 90,
        "timezone": "Europe/Berlin", "screen_mode": None}
    assert curve_lines(found["volume_curve"]) == "09:00 60 %\n21:00 30 %"
    assert day_settings({"hours": " ", "curve": "", "rotation": ""}) == {
        "hours": None, "volume_curve": {}, "rotation": None}
    assert day_settings({"percent": "50"}) == {}, "a form without these fields changes none"
    assert day_settings({"av_offset_ms": " -60 "}) == {"av_offset_ms": -60.0}
    assert day_settings({"av_offset_ms": ""}) == {"av_offset_ms": None}, "as it was calibrated"
    for bad in ("late", "501", "nan"):
        with pytest.raises(Refused):
            day_settings({"av_offset_ms": bad})
    with pytest.raises(Refused, match="21:00 30 %"):
        day_settings({"curve": "in the evening quiet"})


def test_a_slip_is_refused_in_a_sentence_and_the_box_keeps_its_day(
    fleet: Fleet, box: SimBox
) -> None:
    good = {"hours": "mon-fri 09:00-21:00", "volume_curve": {"21:00": 0.3}, "rotation": 270}
    assert fleet.ask(f"/api/v1/boxes/{box.box}", {"settings": good}, "PUT")[0] == 200
    wanted = box.follow().settings
    assert (wanted.hours, wanted.volume_curve, wanted.rotation) == tuple(good.values())
    for bad in ({"hours": "mon 9-5"}, {"volume_curve": {"21:00": 3}}, {"rotation": 45},
                {"timezone": "Mars/Base"}, {"screen_mode": "big"}):
        status, answer = fleet.ask(f"/api/v1/boxes/{box.box}", {"settings": bad}, "PUT")
        assert status == 422 and answer["error"], bad
    assert fleet.ask(f"/api/v1/boxes/{box.box}")[1]["settings"]["rotation"] == 270
