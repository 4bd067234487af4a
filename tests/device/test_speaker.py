"""Sound out through real PortAudio into a private sound server's sink, and the clock it gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.sound import SPEAKER_SINK, VirtualSound
from device.audio.clock import JUMP_S, MediaClock, delay_or
from device.audio.speaker import CLIPS_MAX, GRID_FRAMES, RATE_HZ, Speaker
from device.paths import repository_root
from ota.errors import Retry
from tests.sim.avatar_bundle import make_bundle
from tests.sim.sound import sound_server

CHILD = Path(__file__).with_name("speaker_child.py")


def child(sound: VirtualSound, *words: str) -> Any:
    environment = {**os.environ, **sound.environment, "PYTHONPATH": str(repository_root()),
                   "PULSE_SOURCE": f"{SPEAKER_SINK}.monitor"}
    ran = subprocess.run([sys.executable, str(CHILD), *words], env=environment, timeout=90,
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_what_is_played_arrives_sample_by_sample_and_stops_within_a_buffer(tmp_path: Path) -> None:
    with sound_server(tmp_path / "s") as sound:
        found = child(sound, "say")
    assert found["grid"], "clips begin on the grid of picture frames"
    assert found["difference"] < 2e-4, "16 bit steps, nothing lost, nothing doubled"
    assert found["cut_after_second"] and found["silent_after_ms"] < 350
    assert found["largest_step"] < 0.1, "faded out, not clicked off"


def test_flash_and_beep_meet_within_40_ms(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (540, 960), 25)
    with sound_server(tmp_path / "s") as sound:
        found = child(sound, "sync", str(avatar), "12")
    offsets = np.abs(found["offsets_ms"])
    assert len(offsets) >= 0.8 * found["planned"] >= 8
    assert np.percentile(offsets, 95) <= 40, found
    assert abs(np.median(found["offsets_ms"])) <= 25, found
    assert found["dropped"] <= 0.01 * found["frames"] + 2, found


def test_a_sink_that_falls_asleep_is_noticed_and_found_again(tmp_path: Path) -> None:
    with sound_server(tmp_path / "s") as sound:
        found = child(sound, "stall", SPEAKER_SINK)
    assert found["stalled"] and found["reopened"] >= 1
    assert found["moved_s"] == pytest.approx(found["waited_s"], abs=0.15), "the picture lived on"
    assert found["running"] and found["ticking"]


def test_without_a_device_the_clock_runs_and_clips_have_their_time() -> None:
    speaker = Speaker(enabled=False)
    first = speaker.play(np.zeros(RATE_HZ, np.float32))
    second = speaker.play(np.zeros(100, np.float32))
    assert first % GRID_FRAMES == 0 and second >= first + RATE_HZ
    assert not speaker.state().running and speaker.state().fault == "off"
    assert speaker.flush() < first + RATE_HZ


def test_the_queue_of_clips_is_bounded() -> None:
    speaker = Speaker(enabled=False)
    for _ in range(CLIPS_MAX):
        speaker.play(np.zeros(10, np.float32))
    with pytest.raises(Retry, match="Too many"):
        speaker.play(np.zeros(10, np.float32))


def test_a_driver_that_reports_zeros_or_nonsense_gets_the_streams_own_latency() -> None:
    assert delay_or(10.08, 10.0, 0.12) == pytest.approx(0.08)
    assert delay_or(0.0, 0.0, 0.12) == delay_or(5.0, 0.0, 0.12) == delay_or(-1, 0, 0.12) == 0.12


@given(st.lists(st.floats(min_value=-0.004, max_value=0.004), min_size=60, max_size=200))
def test_the_clock_smooths_jitter_and_follows_the_device(jitter: list[float]) -> None:
    clock = MediaClock(RATE_HZ, 100.0)
    for k, noise_s in enumerate(jitter):
        clock.tick(100.0 + k * 0.04 + noise_s, 1920 * k, 0.12)
    now_s = 100.0 + len(jitter) * 0.04
    assert clock.position_s(now_s) == pytest.approx(len(jitter) * 0.04 - 0.12, abs=0.006)
    assert clock.jumps == 0


def test_one_wild_reading_moves_nothing_and_a_real_jump_is_followed() -> None:
    clock = MediaClock(RATE_HZ, 0.0)
    for k in range(50):
        clock.tick(k * 0.04, 1920 * k, 0.1)
    clock.tick(50 * 0.04, 1920 * 50, 0.9)
    assert clock.position_s(2.04) == pytest.approx(1.94, abs=0.01)
    for k in range(51, 60):
        clock.tick(k * 0.04 + 5 * JUMP_S, 1920 * k, 0.1)
    assert clock.jumps == 1
    assert clock.position_s(60 * 0.04 + 5 * JUMP_S) == pytest.approx(60 * 0.04 - 0.1, abs=0.02)


@given(st.floats(min_value=0, max_value=1e6), st.floats(min_value=-1, max_value=1))
def test_when_is_the_other_side_of_position(now_s: float, offset_s: float) -> None:
    clock = MediaClock(RATE_HZ, now_s - 5 + offset_s)
    assert clock.when_s(clock.position_s(now_s)) == pytest.approx(now_s, abs=1e-6)
