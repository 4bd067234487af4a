"""Idle beats in random order: never a gap, never a jump, never the same row again."""

from __future__ import annotations

import struct
from datetime import datetime, timezone
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.paths import repository_root
from device.render.baseloop import BaseLoop
from device.render.beats import Beat, Order, beats_of
from device.render.bundle import load_bundle
from device.render.video import write_base

FRAMES, JOINS = 80, (0, 20, 40, 60)
SIZE = (96, 128)
lengths = st.lists(st.integers(5, 90), min_size=3, max_size=9)


def picture(index: int) -> np.ndarray:
    """A ball on its way round within each beat; every beat has its own shade of it."""
    canvas = np.random.default_rng(1).integers(30, 90, (SIZE[1], SIZE[0], 3), np.uint8)
    turn = 2 * np.pi * (index % 20) / 20
    x, y = round(48 + 20 * np.sin(turn)), round(64 - 20 * np.cos(turn))
    canvas[y - 8 : y + 8, x - 8 : x + 8] = 120 + (index % 20 > 0) * (20 + 25 * (index // 20))
    return canvas


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("idle") / "base.mp4"
    write_base(path, [picture(index) for index in range(FRAMES)], 25)
    return path


def rows(path: Path, count: int, seed: int | None) -> list[tuple[int, np.ndarray]]:
    with BaseLoop(path, FRAMES, joins=JOINS, seed=seed) as loop:
        found = [loop.take(10) for _ in range(count)]
        assert loop.fault is None and not loop.faults
    return found


def test_each_frame_of_a_beat_is_the_files_own_wherever_it_comes(video: Path) -> None:
    plain = dict(rows(video, FRAMES, None))
    row = rows(video, 20 * 24, seed=3)
    assert all(np.array_equal(planes, plain[index]) for index, planes in row)
    beats = [index // 20 for index, _ in row[::20]]
    assert [index for index, _ in row] == [20 * beat + k for beat in beats for k in range(20)]
    assert set(beats) == {0, 1, 2, 3}
    assert all(a != b for a, b in pairwise(beats)) and beats != sorted(beats)
    again = [index for index, _ in rows(video, 20 * 24, seed=3)]
    assert again == [index for index, _ in row], "the same seed, the same row"


def test_without_a_seed_or_with_two_beats_it_loops_as_it_was_filmed(video: Path) -> None:
    assert [i for i, _ in rows(video, 170, None)] == [n % FRAMES for n in range(170)]
    with BaseLoop(video, FRAMES, joins=(0, 40), seed=1) as loop:
        assert [loop.take(10)[0] for _ in range(170)] == [n % FRAMES for n in range(170)]


def test_a_file_with_fewer_frames_than_it_should_have_is_played_as_it_is(video: Path) -> None:
    with BaseLoop(video, FRAMES + 20, joins=(0, 20, 40, 60, 80), seed=1) as loop:
        assert [loop.take(10)[0] for _ in range(100)] == [n % FRAMES for n in range(100)]


def test_a_file_that_cannot_be_joined_anew_repeats_and_says_so(
    video: Path, tmp_path: Path
) -> None:
    """Its index does not know the key frame 50: a seek there lands elsewhere."""
    broken = tmp_path / "broken.mp4"
    data = video.read_bytes()
    table = b"stss" + struct.pack(">IIII", 0, 2, 1, 51)
    assert data.count(table) == 1
    broken.write_bytes(data.replace(table, table[:-4] + struct.pack(">I", 71)))
    plain = dict(rows(video, FRAMES, None))
    with BaseLoop(broken, FRAMES, joins=JOINS, seed=2) as loop:
        row = [loop.take(10) for _ in range(300)]
        assert all(np.array_equal(planes, plain[index]) for index, planes in row), "no garbage"
        assert loop.fault is None
        assert "joined anew" in loop.faults[0]


@given(lengths, st.integers(1, 60), st.integers(0, 2**32))
@settings(max_examples=60)
def test_the_next_beat_can_be_reached_in_time_and_none_of_the_newest_comes_back(
    lengths: list[int], gop: int, seed: int
) -> None:
    firsts = [sum(lengths[:n]) for n in range(len(lengths))]
    beats = beats_of(firsts, sum(lengths), range(0, sum(lengths), gop))
    order, beat, played = Order(beats, seed), beats[0], [0]
    for _ in range(60):
        following = order.after(beat)
        assert following.first == beat.end or following.lead <= beat.frames or (
            following.number == 0)
        beat = following
        played.append(beat.number)
    assert all(a != b for a, b in pairwise(played))
    if all(each.lead <= min(lengths) for each in beats):
        window = len(beats) // 2 + 1
        assert all(len(set(played[n : n + window])) == window for n in range(60 - window))


def test_seven_beats_have_no_period() -> None:
    beats = tuple(Beat(n, 72 * n, 72, 0) for n in range(7))
    order, beat, played = Order(beats, 1), beats[0], []
    for _ in range(2000):
        beat = order.after(beat)
        played.append(beat.number)
    row = np.array(played)
    same = [float((row[lag:] == row[:-lag]).mean()) for lag in range(4, 400)]
    assert max(same) < 0.35, "an ordinary loop would come to 1.0"
    assert {played.count(n) // 100 for n in range(7)} <= {2, 3}


def test_lins_own_seams_are_no_larger_than_her_videos_key_frames() -> None:
    folder = repository_root() / "models/avatars/lin"
    bundle = load_bundle(folder, datetime(2026, 12, 1, tzinfo=timezone.utc))
    seams: list[float] = []
    keys: list[float] = []
    with BaseLoop.of(bundle, seed=7) as loop:
        before, last = loop.take(10)[1], 0
        for _ in range(72 * 8):
            if len(seams) == 2:
                break
            index, planes = loop.take(10)
            if index != last + 1 or index % 50 == 0:
                step = float(np.abs(planes[:1920].astype(np.int16) - before[:1920]).mean())
                (keys if index == last + 1 else seams).append(step)
            before, last = planes, index
    assert len(seams) >= 2 and max(seams) <= max(keys)
