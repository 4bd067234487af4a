"""Large pictures: hardly anything is decoded unseen, and decoded frames share their memory."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from device.render import beats as beats_module
from device.render.baseloop import PLANES_KEPT, BaseLoop
from device.render.beats import Order, Reader, Reel, beats_of, holding, scan, unseen_share
from device.render.video import PlanePool, open_video, planes_of, whole_frames
from models.movie import write_loop

BEAT, BEATS = 24, 5
FRAMES, JOINS = BEAT * BEATS, tuple(range(0, BEAT * BEATS, BEAT))
LARGE = (2160, 3840)
SIZE = (64, 96)


def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    ground = rng.integers(30, 220, (SIZE[1], SIZE[0], 3), np.uint8)
    return [np.roll(ground, index, 0) for index in range(FRAMES)]


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key frames where the joins are not."""
    path = tmp_path_factory.mktemp("reach") / "sparse.mp4"
    write_loop(path, pictures(), 25)
    return path


@pytest.fixture(scope="module")
def plain(sparse: Path) -> list[np.ndarray]:
    return [planes_of(frame) for _, frame in whole_frames(*open_video(sparse))]


def test_an_avatar_is_made_with_key_frames_where_a_beat_may_begin(
    sparse: Path, tmp_path: Path
) -> None:
    assert write_loop(tmp_path / "base.mp4", pictures(), 25, joins=JOINS) == FRAMES
    for path, keys in ((tmp_path / "base.mp4", JOINS), (sparse, (0, 50, 100))):
        times, found = scan(*open_video(path))
        assert len(times) == FRAMES and set(keys) <= set(found)
    leads = [each.lead for each in beats_of(JOINS, FRAMES, scan(*open_video(sparse))[1])]
    assert max(leads) > 0
    found = scan(*open_video(tmp_path / "base.mp4"))[1]
    assert [each.lead for each in beats_of(JOINS, FRAMES, found)] == [0] * BEATS


def test_of_large_pictures_only_near_beats_are_reached_and_the_farthest_are_kept() -> None:
    keys = range(0, 504, 50)
    beats = beats_of(range(0, 504, 72), 504, keys)
    assert not any(each.held for each in holding(beats, keys, (1080, 1920)))
    large = holding(beats, keys, LARGE)
    assert {each.first: each.held for each in large if each.held} == {144: 6}
    order, beat, unseen = Order(large, 4, unseen_share(LARGE)), large[0], 0
    for _ in range(400):
        following = order.after(beat, ready=[2])
        if following.first not in (beat.end, 0, 144):
            unseen += following.lead
            assert following.lead <= 72 * unseen_share(LARGE)
        beat = following
    assert unseen / (400 * 72) < 0.15, "it was a third of all frames"


def test_a_kept_head_and_the_frames_behind_it_are_the_files_own(
    sparse: Path, plain: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats_module, "UNSEEN_PX_MAX", SIZE[0] * SIZE[1] // 8)
    monkeypatch.setattr(beats_module, "HELD_BYTES_MAX", SIZE[0] * SIZE[1] * 3 // 2 * 8)
    times, keys = scan(*open_video(sparse))
    held = holding(beats_of(JOINS, FRAMES, keys), keys, SIZE)
    assert any(each.held for each in held)
    readers = tuple(Reader(*open_video(sparse), times) for _ in range(2))
    reel = Reel(held, (readers[0], readers[1]), 3, unseen_share(SIZE))
    row = [(index, planes_of(frame)) for (index, frame), _ in zip(reel, range(BEAT * 40),
                                                                  strict=False)]
    reel.close()
    assert all(np.array_equal(planes, plain[index]) for index, planes in row)
    starts = [index for index, _ in row[::BEAT]]
    jumps = {(before, after) for before, after in pairwise(starts)
             if after != (before + BEAT) % FRAMES}
    kept = {each.first for each in held if each.held}
    assert kept & {after for _, after in jumps}, "a kept beat is come to by a jump"


def test_frames_that_somebody_looks_at_are_never_written_again(
    sparse: Path, plain: list[np.ndarray]
) -> None:
    with BaseLoop(sparse, FRAMES, joins=JOINS) as loop:
        looked_at = [loop.take(10) for _ in range(PLANES_KEPT + 5)]
        for _ in range(FRAMES - len(looked_at)):
            loop.take(10)
    assert all(np.array_equal(planes, plain[index]) for index, planes in looked_at)


def test_memory_of_frames_that_are_gone_is_used_again(sparse: Path) -> None:
    pool, addresses = PlanePool(3), set()
    for _, frame in whole_frames(*open_video(sparse)):
        addresses.add(pool.planes(frame).ctypes.data)
    assert len(addresses) <= 2
