"""A base video with a damaged stretch plays on, each frame with its own number; a dead one ends."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from device.render.baseloop import BaseLoop
from device.render.video import write_base
from ota.errors import Broken

FRAMES = 60


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Grain, so that every frame has its bytes; a key frame each 50."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("film") / "base.mp4"
    write_base(path, [rng.integers(0, 255, (96, 64, 3), np.uint8) for _ in range(FRAMES)], 25)
    return path.read_bytes()


def damaged(film: bytes, path: Path, first: float, last: float) -> Path:
    """The film with a stretch of its data (shares of the file) overwritten."""
    data = bytearray(film)
    begin, end = round(len(data) * first), round(len(data) * last)
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    return path


def test_frames_beside_stand_in_for_broken_ones(film: bytes, tmp_path: Path) -> None:
    with BaseLoop(damaged(film, tmp_path / "base.mp4", 0.3, 0.34), FRAMES) as loop:
        twice = [loop.take() for _ in range(2 * FRAMES)]
        assert [index for index, _ in twice] == [*range(FRAMES), *range(FRAMES)]
        fault, = loop.faults
        assert "Install the avatar again" in fault
    pictures = [planes for _, planes in twice[:FRAMES]]
    same = sum(np.array_equal(a, b) for a, b in pairwise(pictures))
    assert 0 < same < FRAMES // 2


def test_a_sound_film_has_nothing_to_mend(film: bytes, tmp_path: Path) -> None:
    (tmp_path / "base.mp4").write_bytes(film)
    with BaseLoop(tmp_path / "base.mp4", FRAMES) as loop:
        pictures = [loop.take()[1] for _ in range(FRAMES)]
        assert not loop.faults
    assert not any(np.array_equal(a, b) for a, b in pairwise(pictures))


def test_without_one_good_frame_the_loop_says_so(film: bytes, tmp_path: Path) -> None:
    path = damaged(film, tmp_path / "base.mp4", 0.001, 0.99)
    with BaseLoop(path, FRAMES) as loop, pytest.raises(Broken, match="no frame"):
        loop.take(timeout_s=5.0)
