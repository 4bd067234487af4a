"""The played sound on its way to the ear: whole, torn, stale, of a player that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from device.audio.clock import MediaClock
from device.audio.played import HEARD_HZ, Played
from device.audio.reference import (
    FILE_NAME,
    RATE_HZ,
    RING_FRAMES,
    STALE_NS,
    ReferenceReader,
    ReferenceWriter,
)
from device.paths import repository_root

NOW_NS = 1_000_000_000
KILLED = """
import sys; from pathlib import Path; import numpy as np
from device.audio.clock import MediaClock; from device.audio.reference import ReferenceWriter
writer, index = ReferenceWriter(Path(sys.argv[1]), MediaClock(48000, 0.0)), 0
while True:
    writer.write(index, np.full(480, index // 480 % 997, np.float32)); index += 480
    if index == 4_800_000: print("going", flush=True)
"""


def sine(count: int, rate_hz: int, hz: float = 440.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(count) / rate_hz).astype(np.float32)


def test_what_is_played_can_be_read_between_two_samples_at_16_khz(tmp_path: Path) -> None:
    writer, played = ReferenceWriter(tmp_path, MediaClock(RATE_HZ, 0.0)), Played(tmp_path)
    assert played.follow(NOW_NS) is None, "a player that has not begun plays nothing"
    sound = sine(RATE_HZ, RATE_HZ, 3_000)
    for at in range(0, RATE_HZ, 1_000):
        writer.write(at, sound[at : at + 1_000])
        playing = played.follow(NOW_NS)
    assert playing is not None and playing.frame_at(NOW_NS) == RATE_HZ
    positions = 4_000.3 + np.arange(512) * (1 + 50e-6)
    wanted = np.sin(2 * np.pi * 3_000 * positions / HEARD_HZ)
    assert np.abs(played.at(positions) - wanted).max() < 2e-3
    assert not played.at(positions + 100_000).any(), "what is not known is silence"


def test_a_gap_in_the_timeline_is_silence_and_the_ring_is_bounded(tmp_path: Path) -> None:
    writer, reader = ReferenceWriter(tmp_path, MediaClock(RATE_HZ, 0.0)), ReferenceReader(tmp_path)
    writer.write(0, np.ones(100, np.float32))
    writer.write(300, np.ones(100, np.float32))
    playing = reader.look(NOW_NS)
    found = reader.frames(0, 400)
    assert playing is not None and playing.end == 400 and found is not None
    assert found[:100].all() and not found[100:300].any() and found[300:].all()
    for at in range(400, 400 + RING_FRAMES, 4_096):
        writer.write(at, np.ones(4_096, np.float32))
    assert reader.frames(0, 400) is None, "overwritten"
    assert (tmp_path / FILE_NAME).stat().st_size < 1_100_000
    writer.write(10 * RING_FRAMES, np.ones(100, np.float32))  # too far: it begins anew
    later = reader.look(NOW_NS)
    assert later is not None and later.begin == 10 * RING_FRAMES


def test_a_player_that_stopped_or_was_replaced_is_noticed(tmp_path: Path) -> None:
    old, played = ReferenceWriter(tmp_path, MediaClock(RATE_HZ, 0.0)), Played(tmp_path)
    old.write(0, np.ones(1_000, np.float32))
    assert played.follow(NOW_NS) is not None
    assert played.follow(NOW_NS + 2 * STALE_NS) is None
    new = ReferenceWriter(tmp_path, MediaClock(RATE_HZ, 5.0))
    new.write(0, np.ones(48_000, np.float32))
    old.close()
    playing = played.follow(7 * NOW_NS)
    assert playing is not None and playing.end == 48_000
    assert playing.frame_at(6 * NOW_NS) == 48_000
    new.close()
    assert played.follow(9 * NOW_NS) is None and not (tmp_path / FILE_NAME).exists()


def test_a_torn_header_leaves_the_one_before_and_nonsense_is_no_reference(tmp_path: Path) -> None:
    writer, reader = ReferenceWriter(tmp_path, MediaClock(RATE_HZ, 0.0)), ReferenceReader(tmp_path)
    writer.write(0, np.ones(100, np.float32))
    writer.write(100, np.ones(100, np.float32))
    writer._map[2 * 128 - 128 + 8] ^= 0xFF if writer._number % 2 else 0
    writer._map[8] ^= 0 if writer._number % 2 else 0xFF
    playing = reader.look(NOW_NS)
    assert playing is not None and playing.end == 100
    writer.write(200, np.full(100, np.nan, np.float32))
    assert reader.frames(200, 100) is None, "no number"
    for content in (b"", b"x" * 500, os.urandom(4096 + 4 * RING_FRAMES)):
        (tmp_path / FILE_NAME).unlink()
        (tmp_path / FILE_NAME).write_bytes(content)
        assert ReferenceReader(tmp_path).look(NOW_NS) is None
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / FILE_NAME).mkdir()
    assert ReferenceReader(tmp_path).look(NOW_NS) is None


def test_a_writer_killed_in_the_middle_leaves_what_can_be_read(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(repository_root())})
    assert child.stdout is not None and child.stdout.readline() == "going\n"
    reader, seen = ReferenceReader(tmp_path), 0
    for _ in range(200):
        playing = reader.look(NOW_NS)
        assert playing is not None, "there is always a whole header"
        found = reader.frames(playing.end - 4_800, 4_800)
        if found is not None:
            seen += 1
            first = (playing.end - 4_800) // 480
            wanted = np.repeat((first + np.arange(10)) % 997, 480)
            assert (found == wanted).all()
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    assert seen and reader.look(NOW_NS) is not None
