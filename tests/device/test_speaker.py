"""Sound out through real PortAudio into a private sound server's sink, and the clock it gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.sound import SPEAKER_SINK
from device.audio.clock import JUMP_S, MediaClock, delay_or
from device.audio.drift import Drift
from device.audio.speaker import BREATH_FRAMES, CLIPS_MAX, GRID_FRAMES, RATE_HZ, Speaker
from device.audio.underflow import LATENCIES_S, Underflows
from device.paths import repository_root
from ota.clock import monotonic_s
from ota.errors import Retry
from tests.sim.avatar_bundle import make_bundle
from tests.sim.sound import sound_server

CHILD = Path(__file__).with_name("speaker_child.py")


def child(environment: dict[str, str], *words: str) -> Any:
    environment = {**os.environ, **environment, "PYTHONPATH": str(repository_root()),
                   "PULSE_SOURCE": f"{SPEAKER_SINK}.monitor"}
    ran = subprocess.run([sys.executable, str(CHILD), *words], env=environment, timeout=90,
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.alone
def test_what_is_played_arrives_sample_by_sample_and_stops_within_a_buffer(tmp_path: Path) -> None:
    with sound_server(tmp_path / "s") as sound:
        found = child(sound.environment, "say")
    assert found["grid"], "clips begin on the grid of picture frames"
    assert found["difference"] < 2e-4, "16 bit steps, nothing lost, nothing doubled"
    assert found["cut_after_second"] and found["silent_after_ms"] < 350
    assert found["largest_step"] < 0.1, "faded out, not clicked off"


@pytest.mark.alone
def test_flash_and_beep_meet_within_40_ms(tmp_path: Path) -> None:
    avatar = make_bundle(tmp_path / "avatars" / "sim", (540, 960), 25)
    with sound_server(tmp_path / "s") as sound:
        found = child(sound.environment, "sync", str(avatar), "12")
    offsets_ms = np.array(found["offsets"])[:, 1]
    assert len(offsets_ms) >= 0.8 * found["planned"] >= 8
    assert np.percentile(np.abs(offsets_ms), 95) <= 40, found
    assert abs(np.median(offsets_ms)) <= 25, found
    assert found["dropped"] <= 0.01 * found["frames"] + 2, found


@pytest.mark.alone
def test_a_sink_asleep_unplugged_or_without_its_server_is_found_again(tmp_path: Path) -> None:
    found = child({}, "lost", str(tmp_path / "s"))
    assert found["stalled"] and found["dead"], "both are noticed"
    for when in ("at_first", "after_suspend", "after_unplugging", "after_the_server"):
        assert found[when], f"the tone came out of the sink: {when}"
    # Samples that waited in a sleeping device are heard late: the timeline slips with them once
    # for each loss, and in between it runs.
    assert found["pace"]["leap_s"] < 0.3 and found["pace"]["slips"] <= 6, found
    assert found["pace"]["behind_s"] < 6, found
    assert found["reopened"] >= 1 and len(found["news"]) == 1
    assert "gives no sound" in found["news"][0]


@pytest.mark.alone
def test_without_a_device_the_clock_runs_and_clips_have_their_time() -> None:
    speaker = Speaker(enabled=False)
    first = speaker.play(np.zeros(RATE_HZ, np.float32))
    second = speaker.play(np.zeros(100, np.float32))
    assert first % GRID_FRAMES == 0 and second >= first + RATE_HZ
    assert not speaker.state().running and speaker.state().fault == "off"
    assert speaker.flush() < first + RATE_HZ


def test_an_answer_does_not_wait_for_the_silence_it_begins_with() -> None:
    speaker = Speaker(enabled=False)
    speaker.clock = MediaClock(RATE_HZ, monotonic_s() - 1.0)
    quiet = RATE_HZ // 20
    horizon = speaker.horizon()
    start = speaker.play(np.zeros(RATE_HZ, np.float32), 0, quiet)
    assert start % GRID_FRAMES == 0
    # The voice itself comes at the first point of the grid that is still to be chosen.
    assert horizon <= start + quiet <= speaker.horizon() + GRID_FRAMES


def test_a_held_breath_is_silence_for_a_moment_and_no_click() -> None:
    speaker = Speaker(enabled=False)
    speaker.clock = MediaClock(RATE_HZ, monotonic_s() + 60.0)  # nothing is heard yet
    start = speaker.play(np.full(3 * RATE_HZ, 0.5, np.float32), 1)

    def taken(blocks: int) -> np.ndarray:
        """What the device would take."""
        out, times = np.zeros((720, 2), np.float32), SimpleNamespace(
            outputBufferDacTime=0.06, currentTime=0.0)
        heard = []
        for _ in range(blocks):
            speaker._callback(out, 720, times, SimpleNamespace(output_underflow=False))
            heard.append(out[:, 0].copy())
        return np.concatenate(heard)

    loud = taken(1 + start // 720 + 4)
    speaker.hold_breath(True)
    held = taken(12)
    assert loud[-720:].min() == 0.5 and held[400] == 0.0 and held[-1] == 0.5
    assert np.count_nonzero(held == 0.0) == pytest.approx(BREATH_FRAMES, abs=2 * 720)
    assert np.abs(np.diff(np.concatenate([loud[-720:], held]))).max() < 0.01, "no click"
    speaker.hold_breath(True)
    taken(2)
    speaker.hold_breath(False)
    assert taken(2)[-1] == 0.5, "given up at once"


def test_the_queue_of_clips_is_bounded() -> None:
    speaker = Speaker(enabled=False)
    for _ in range(CLIPS_MAX):
        speaker.play(np.zeros(10, np.float32))
    with pytest.raises(Retry, match="Too many"):
        speaker.play(np.zeros(10, np.float32))


def test_without_a_device_sentences_whose_time_has_passed_make_room() -> None:
    speaker = Speaker(enabled=False)
    for _ in range(CLIPS_MAX):
        speaker.play(np.zeros(10, np.float32))
    speaker.clock = MediaClock(RATE_HZ, -1e5)  # a day later
    assert speaker.play(np.zeros(10, np.float32)) > 1e5 * RATE_HZ


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


class Crystal:
    """A device whose clock is `ppm` off, calls back in uneven blocks and reports noisy times."""

    def __init__(self, ppm: float, jitter_s: float, seed: int) -> None:
        self._rate_hz, self._jitter_s = RATE_HZ * (1 + ppm / 1e6), jitter_s
        self._random = np.random.default_rng(seed)

    def play(self, clock: MediaClock, hours: float) -> float:
        """Feed the clock; the largest error of its position after the first minute, in s."""
        count = round(hours * 3600 / 0.04)
        blocks = self._random.choice([960, 1920, 2880], count)
        index = np.cumsum(blocks) - blocks
        noise_s = self._random.uniform(-self._jitter_s, self._jitter_s, count)
        noise_s[self._random.random(count) < 0.002] += 0.06  # a busy machine calls late
        worst_s = 0.0
        for k in range(count):
            called_s = index[k] / self._rate_hz  # the block is heard 0.12 s after this
            clock.tick(called_s + noise_s[k], int(index[k]), 0.12)
            if called_s > 60.0:
                heard = (called_s - 0.12) * self._rate_hz / RATE_HZ
                worst_s = max(worst_s, abs(clock.position_s(called_s) - heard))
        return worst_s


@settings(max_examples=8, deadline=None)
@given(st.floats(-200, 200), st.floats(0, 0.004), st.integers(0, 2**32 - 1))
def test_for_hours_the_picture_follows_a_clock_that_is_off(
    ppm: float, jitter_s: float, seed: int
) -> None:
    clock = MediaClock(RATE_HZ, 0.0)
    assert Crystal(ppm, jitter_s, seed).play(clock, hours=0.4) < 0.005
    assert clock.jumps == 0
    assert clock.drift.ppm == pytest.approx(ppm, abs=5)


def test_three_hours_at_200_ppm_are_two_seconds_and_none_of_them_is_seen() -> None:
    clock = MediaClock(RATE_HZ, 0.0)
    assert Crystal(200.0, 0.002, 7).play(clock, hours=3) < 0.005
    assert abs(clock.position_s(10_800.0) - 10_800.0) > 1.9, "else this test proves nothing"


def test_drift_needs_a_minute_and_forgets_another_device() -> None:
    drift = Drift()
    for second in range(50):
        drift.note(second, second * 40e-6)
    assert drift.ppm is None
    for second in range(50, 700):
        drift.note(second, second * 40e-6)
    assert drift.ppm == pytest.approx(40.0)
    drift.forget()
    assert drift.ppm is None


def test_underflows_deepen_the_buffer_for_the_run_and_are_told_seldom() -> None:
    under = Underflows()
    assert [under.note(at_s) for at_s in (0.0, 100.0, 200.0)] == [False] * 3, "now and then"
    assert [under.note(at_s) for at_s in (201.0, 202.0)] == [False, True]
    assert under.latency_s == LATENCIES_S[1]
    assert "5 times" in str(under.news(203.0)) and under.news(204.0) is None
    for at_s in (300.0, 310.0):
        assert [under.note(at_s + k) for k in range(3)] == [False, False, True]
    assert not any(under.note(400.0 + k) for k in range(20)), "there is an end to it"
    assert under.latency_s == LATENCIES_S[-1] and under.news(500.0) is None
    assert "26 times" in str(under.news(900.0)) and under.news(2000.0) is None


@given(st.floats(min_value=0, max_value=1e6), st.floats(min_value=-1, max_value=1))
def test_when_is_the_other_side_of_position(now_s: float, offset_s: float) -> None:
    clock = MediaClock(RATE_HZ, now_s - 5 + offset_s)
    assert clock.when_s(clock.position_s(now_s)) == pytest.approx(now_s, abs=1e-6)
