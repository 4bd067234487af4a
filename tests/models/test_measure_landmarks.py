"""Stories of lips: the camera puts them where it should, and the finder sees when they are off."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.measure import landmarks
from models.measure.landmarks import LipFinder, Lips

SIDE = 128


def lips() -> Lips:
    """A round mouth of radius 2 cm in the plane of the face; one code opens it downwards."""
    angle = np.linspace(np.pi, -np.pi, 20, endpoint=False)
    still = np.stack([2 * np.cos(angle), np.sin(angle) * 0.6, np.zeros(20)], 1)
    moves = np.zeros((2, 20, 3))
    moves[0, :, 1] = np.where(np.sin(angle) < 0, np.sin(angle) * 1.2, 0)
    moves[1, :, 0] = -0.5 * np.cos(angle)
    return Lips(still.astype(np.float32), moves.astype(np.float32), (0.0, 0.0, 0.0), (500.0, 600.0),
                24.0, 140.0, (436.0, 536.0, 128.0, 128.0))


def drawn(marks: np.ndarray) -> np.ndarray:
    """(n, 3, SIDE, SIDE): skin with a red mouth through the landmarks."""
    pictures = []
    for points in marks:
        image = np.full((SIDE, SIDE, 3), (215, 170, 150), np.uint8)
        corners = np.rint(points * 16).astype(np.int32)
        cv2.fillPoly(image, [corners], (150, 40, 50), cv2.LINE_AA, shift=4)
        pictures.append(cv2.GaussianBlur(image, (0, 0), 1.0).transpose(2, 0, 1))
    return np.array(pictures)


def codes(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (count, 2)).astype(np.float32)


def test_the_camera_is_a_pinhole() -> None:
    known = lips()
    marks = known.at(np.zeros((1, 2), np.float32), SIDE)[0]
    assert marks[:, 0].mean() == pytest.approx(64, abs=0.01)
    assert np.ptp(marks[:, 0]) == pytest.approx(4 * 24, abs=0.5)
    opened = known.at(np.array([[1, 0]], np.float32), SIDE)[0]
    assert opened[:, 1].max() == pytest.approx(64 + 1.8 * 24, abs=0.5)
    assert known.at(np.zeros((1, 2), np.float32), 2 * SIDE)[0] == pytest.approx(2 * marks, abs=0.01)
    near = Lips(known.still + np.float32([0, 0, 14]), known.moves, known.face_cm, known.face_px,
                known.px_per_cm, known.camera_cm, known.box)
    wide = near.at(np.zeros((1, 2), np.float32), SIDE)[0]
    assert np.ptp(wide[:, 0]) == pytest.approx(np.ptp(marks[:, 0]) * 140 / 126, rel=1e-4)


def test_the_finder_finds_lips_it_never_saw_and_sees_when_they_are_off() -> None:
    known = lips()
    seen, unseen = codes(60, 1), codes(12, 2)
    finder = LipFinder(drawn(known.at(seen, SIDE)), known.at(seen, SIDE))
    exact = known.at(unseen, SIDE)
    width = landmarks.mouth_width(known.at(np.zeros((1, 2), np.float32), SIDE))
    assert landmarks.distance_percent(finder.find(drawn(exact)), exact, width) < 0.7
    # A renderer that draws the mouth 3 px too low, or opens it only half as far.
    low = exact + np.float32([0, 3])
    off = landmarks.distance_percent(finder.find(drawn(low)), exact, width)
    assert off == pytest.approx(3 / width * 100, rel=0.35)
    lazy = known.at(unseen * np.float32([0.5, 1]), SIDE)
    truth = landmarks.distance_percent(lazy, exact, width)
    assert landmarks.distance_percent(finder.find(drawn(lazy)), exact, width) == pytest.approx(
        truth, rel=0.2)


def test_lips_that_were_not_written_are_none(tmp_path: Path) -> None:
    assert landmarks.read(tmp_path / "lips.npz") is None
