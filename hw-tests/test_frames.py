"""The real screen: an X window by shared memory, or KMS without X; run once with each.

`VITRINE_SCREEN=kms pytest hw-tests/test_frames.py` on a console without X.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from device.paths import has_display
from device.render.sink_window import WindowSink
from ota.clock import monotonic_s, process_cpu_s, sleep_s

FRAMES, FPS = 500, 25


def test_frames_reach_the_screen_in_time(budget: dict[str, Any]) -> None:
    if not has_display():
        pytest.skip("no X, and VITRINE_SCREEN=kms is not set")
    sink = WindowSink(full_screen=True)
    sink.open(1080, 1920)
    noise = np.random.default_rng(0).integers(0, 255, (1920, 1080, 4), np.uint8)
    begun_s, cpu_s, late = monotonic_s(), process_cpu_s(), 0
    for n in range(FRAMES):
        sink.frame_buffer()[...] = np.roll(noise, 16 * n, axis=0)
        wait_s = begun_s + n / FPS - monotonic_s()
        late += wait_s < -1 / FPS
        sleep_s(max(0.0, wait_s))
        sink.present(monotonic_s())
        sink.closed_by_user()
    state, used_s = sink.state(), process_cpu_s() - cpu_s
    sink.close()
    assert state.presented == FRAMES and late == 0
    print(f"{1e3 * used_s / FRAMES:.1f} CPU-ms a frame")
