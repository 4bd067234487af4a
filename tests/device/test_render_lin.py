"""The shipped avatar says recordings of people: its mouth follows the one that is heard."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest

from device.audio.soundfiles import read
from device.paths import avatars_dir
from device.render.baseloop import BaseLoop
from device.render.bundle import Bundle, load_bundle
from device.render.offline import Job, render
from device.render.video import read_movie
from device.stage.casting import DEFAULT

CLIPS = Path(__file__).with_name("clips")
HALF = (540, 960)
RECORDINGS = ("amiable-en", "banana-zh")


@pytest.fixture(scope="module")
def lin() -> Bundle:
    folder = avatars_dir() / DEFAULT
    return load_bundle(folder, datetime.now(timezone.utc))


def patches(frames: list[np.ndarray], bundle: Bundle) -> list[np.ndarray]:
    """The mouth's place of each decoded frame, taken back to the patch's own pixels."""
    track, side = bundle.track.matrix, bundle.manifest.patch
    found = []
    for n, frame in enumerate(frames):
        to_frame = track[n % len(track)] * (frame.shape[1] / bundle.manifest.size[0])
        found.append(cv2.warpAffine(
            frame, to_frame, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
    return found


def opening(frames: list[np.ndarray], bundle: Bundle) -> np.ndarray:
    """Share of dark pixels between the lips, for each frame."""
    return np.array([
        (patch[90:180, 60:196].max(axis=2) < 60).mean() for patch in patches(frames, bundle)])


def loudness(name: str, frames: int) -> np.ndarray:
    samples = read(CLIPS / f"{name}.flac", 16_000)
    padded = np.pad(samples, (0, max(0, frames * 640 - len(samples))))[: frames * 640]
    return np.sqrt((padded.reshape(frames, 640) ** 2).mean(axis=1))


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    count = min(len(one), len(other))
    soft = [np.convolve(row[:count], np.ones(5) / 5, "same") for row in (one, other)]
    return float(np.corrcoef(*soft)[0, 1])


def test_the_mouth_follows_the_voice_that_is_heard_and_no_other(
    tmp_path: Path, lin: Bundle
) -> None:
    curves = {}
    for name in RECORDINGS:
        out = tmp_path / f"{name}.mp4"
        found = render(Job(CLIPS / f"{name}.flac", out, lin.folder, size=HALF),
                       lambda done, total: None)
        frames, _, _ = read_movie(out)
        assert found["frames_shown"] == len(frames) and found["ai_label_px"] >= 27
        curves[name] = opening(frames, lin)
    for name, other in (RECORDINGS, RECORDINGS[::-1]):
        own = likeness(curves[name], loudness(name, len(curves[name])))
        strange = likeness(curves[name], loudness(other, len(curves[name])))
        assert own > 0.6 and own > strange + 0.2, (name, own, strange)
        assert curves[name][-6:].max() < 0.2 * curves[name].max(), "closed when the words are over"


def test_the_base_loops_without_a_jump(lin: Bundle) -> None:
    count = lin.manifest.base.frames
    kept: dict[int, np.ndarray] = {}
    with BaseLoop(lin.base_path, count) as loop:
        for n in range(count + 2):
            index, planes = loop.take(10)
            assert index == n % count
            if n < 2 or n >= count - 2:
                kept[n] = planes[: lin.manifest.size[1]].astype(np.int16)
    step = np.abs(kept[1] - kept[0]).mean()
    seam = np.abs(kept[count] - kept[count - 1]).mean()
    assert seam < 3 * step + 0.5, (seam, step)
