"""The box on the bench keeps its budget: sensors, self-test, and a minute of play."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from device.hal import open_box
from device.hal.jetson import JetsonBox
from ota.clock import monotonic_s

ROOT = Path(__file__).resolve().parent.parent


def test_every_sensor_of_the_board_is_read(budget: dict[str, Any]) -> None:
    box = open_box()
    assert isinstance(box, JetsonBox)
    seen = box.readings(Path("/"))
    for name in ("cpu_c", "gpu_c", "hottest_c", "memory_used_bytes", "disk_free_bytes", "power_w"):
        assert getattr(seen, name) is not None, f"{name} cannot be read on this board"
    assert seen.hottest_c is not None and seen.hottest_c < budget["hottest_c_max"]
    assert seen.memory_used_bytes is not None
    assert seen.memory_used_bytes < budget["memory_used_bytes_max"]


def test_a_screen_is_connected_and_its_light_can_be_switched() -> None:
    box = open_box()
    assert box.screens(), "no screen is connected to the board"


def test_the_self_test_passes_and_is_quick(budget: dict[str, Any]) -> None:
    start_s = monotonic_s()
    done = subprocess.run(
        [sys.executable, "-m", "cli", "device", "check", "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=180, check=False,
    )
    report = json.loads(done.stdout)
    assert report["ok"], [check for check in report["checks"] if check["ok"] is False]
    assert monotonic_s() - start_s < budget["selftest_s_max"]


def test_a_minute_of_play_keeps_frames_sound_heat_and_power(budget: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        report_path = Path(name) / "r.json"
        player = subprocess.Popen(
            [sys.executable, "-m", "cli", "device", "player", "--programme",
             str(ROOT / "programmes" / "tea-shop"), "--seconds", "60",
             "--report", str(report_path)], cwd=ROOT,
        )
        box, hottest, power = open_box(), [], []
        while player.poll() is None:
            seen = box.readings(Path("/"))
            hottest.append(seen.hottest_c)
            power.append(seen.power_w)
        assert player.returncode == 0
        report = json.loads(report_path.read_text())
    assert report["fps"] >= budget["player_fps_min"] * 0.99
    assert report["frames_dropped"] <= 0.01 * report["frames_shown"]
    assert report["av_offset_ms"]["p95_abs"] <= budget["av_offset_p95_ms_max"]
    assert report["render_ms"]["p99"] <= budget["render_p99_ms_max"]
    assert report["ai_label"] is True
    assert max(c for c in hottest if c is not None) < budget["hottest_c_max"]
    assert max(w for w in power if w is not None) < budget["power_w_max"]
