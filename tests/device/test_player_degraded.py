"""A player that cannot compute where it was meant to plays on, and the console hears of it once."""

from __future__ import annotations

import json
from pathlib import Path

from device import messages as m
from tests.sim.avatar_bundle import make_bundle
from tests.sim.player_box import Box


def test_a_fallback_is_one_fault_event_and_stands_in_the_report(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (270, 480), 4)
    box = Box(tmp_path / "root", avatar, {})
    try:
        box.start("--no-sound", "--provider", "tensorrt", "--report", str(tmp_path / "r.json"))
        for _ in range(3):  # at least two more seconds of reports
            box.state(lambda s: s.frames_shown > 0 and s.provider == "cpu")
        faults = [each.detail["what"] for each in box.happened
                  if isinstance(each, m.Happened) and each.kind == "fault"]
        assert box.stop() == 0
    finally:
        box.close()
    assert len(faults) == 1 and "runs on the CPU" in faults[0] and "models compile" in faults[0]
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["degraded"] == faults and report["provider"] == "cpu"
