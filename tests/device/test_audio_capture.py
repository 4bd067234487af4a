"""The microphone through real PortAudio streams, and the recording in its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli.sound import VirtualSound, virtual_sound
from device.audio.capture import CHUNK_SAMPLES, FileSource
from device.audio.soundfiles import write_wav
from device.paths import repository_root
from ota.clock import Deadline, monotonic_s
from ota.errors import Refused
from tests.sim.sound import sound_server, speak_into, start_server

CHILD = Path(__file__).with_name("capture_child.py")


def listen(sound: VirtualSound, seconds: float) -> subprocess.Popen[str]:
    environment = {**os.environ, **sound.environment, "PYTHONPATH": str(repository_root())}
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(seconds)], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def wait_for(child: subprocess.Popen[str], wanted: Callable[[dict[str, Any]], bool]) -> Any:
    deadline, last = Deadline(25), None
    assert child.stdout is not None
    for line in child.stdout:
        last = json.loads(line)
        if wanted(last):
            return last
        assert not deadline.passed, f"last seen: {last}"
    raise AssertionError(f"the listener ended; last seen: {last}")


@pytest.mark.alone
def test_what_is_spoken_into_the_card_arrives_at_16_khz(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(48_000 * 6) / 48_000)
    write_wav(tmp_path / "tone.wav", tone.astype(np.float32), 48_000)
    with sound_server(tmp_path / "s") as sound:
        child, player = listen(sound, 20), speak_into(sound, tmp_path / "tone.wav")
        try:
            # An idle server's first second comes late; then it keeps up.
            line = wait_for(
                child,
                lambda seen: seen["peak"] > 0.4 and seen["level"] > -15 and seen["late_ms"] < 250,
            )
        finally:
            child.kill()
            player.kill()
    assert abs(line["hz"] - 440) < 5
    assert line["dropped"] == 0 and line["in_order"]
    assert line["fault"] is None
    assert line["rate_hz"] % 16_000 == 0, "from another rate it is heard 21 ms later"


def test_a_microphone_that_vanishes_is_said_and_found_again(tmp_path: Path) -> None:
    sound = virtual_sound(tmp_path / "s")
    server = start_server(sound)
    child = listen(sound, 40)
    try:
        wait_for(child, lambda seen: seen["chunks"] >= 31)
        server.kill()
        server.wait(10)
        gone = wait_for(child, lambda seen: seen["fault"] is not None)
        assert "microphone" in gone["fault"].lower()
        server = start_server(sound)
        back = wait_for(child, lambda seen: seen["chunks"] >= 31 and seen["fault"] is None)
        assert back["reopened"] >= 1
    finally:
        child.kill()
        server.kill()
        server.wait(10)


@pytest.mark.alone
def test_a_recording_is_paced_like_a_microphone_and_then_silent(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.full(4_410, 0.5, np.float32), 44_100)
    source = FileSource((tmp_path / "a.wav",), gap_s=0.1)
    before = source.read(0.5)
    assert before is not None and not before.samples.any()
    source.start()
    started_s, chunks = monotonic_s(), []
    while not source.over:
        chunk = source.read(0.5)
        assert chunk is not None and chunk.samples.shape == (CHUNK_SAMPLES,)
        chunks.append(chunk)
    assert 0.15 < monotonic_s() - started_s < 0.6
    assert abs(float(np.sum([c.samples.sum() for c in chunks])) - 800) < 25
    steps = np.diff([c.end_ns for c in chunks])
    assert (steps == 32_000_000).all()
    after = source.read(0.5)
    assert after is not None and not after.samples.any()


def test_a_silent_recording_is_refused_before_anything_starts(tmp_path: Path) -> None:
    write_wav(tmp_path / "s.wav", np.zeros(16_000, np.float32), 16_000)
    with pytest.raises(Refused, match="silent"):
        FileSource((tmp_path / "s.wav",))
