"""Do lips and sound belong together? Offset and confidence in the way of SyncNet, with our own net.

After Chung and Zisserman, Out of time: automated lip sync in the wild (2016). The network
(`syncnet.onnx`, made by `vitrine models scorer`) saw true pictures only and is in no training loss.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from device.infer.ort import Session, open_session
from device.render import logmel
from device.render.bundle import Features
from models.measure.pictures import Bytes

Floats = NDArray[np.float32]
SCORER = Path(__file__).with_name("syncnet.onnx")
FEATURES = Features("logmel-80", 16_000, 25, 10, 60.0, 7200.0)
FPS, STEPS_PER_FRAME = 25, 4
WINDOW = 5  # pictures: 200 ms
WINDOW_STEPS = WINDOW * STEPS_PER_FRAME
# The mouth in a patch (shares of its side), as a small grey picture with a margin to shift in.
LOOK = (0.20, 0.80, 0.14, 0.86)
THUMB = (38, 54)
INPUT = (32, 48)
REACH = 15
RESTING_CHANGE = 1.0


@dataclass(frozen=True)
class Sync:
    """`offset_frames`: by how many pictures (40 ms) the sound comes late, best fit in +-REACH;
    `offset_ms` the same, finer; `confidence`: median minus least distance; `curve` (2 REACH + 1,)
    the mean distance at each offset; `frames` how many pictures count."""

    offset_frames: int
    offset_ms: float
    confidence: float
    curve: Floats
    frames: int

    def figures(self) -> dict[str, float]:
        """For JSON."""
        return {"offset_frames": self.offset_frames, "offset_ms": round(self.offset_ms, 1),
                "confidence": round(self.confidence, 4), "frames": self.frames}


def thumbs(images: Bytes) -> Bytes:
    """(n, *THUMB) small grey mouths of patches (n, 3, p, p)."""
    side = images.shape[-1]
    top, bottom, left, right = (round(v * side) for v in LOOK)
    result = np.empty((len(images), *THUMB), np.uint8)
    for i, picture in enumerate(images):
        grey = picture[:, top:bottom, left:right].astype(np.float32).mean(0)
        result[i] = cv2.resize(grey, THUMB[::-1], interpolation=cv2.INTER_AREA) + 0.5
    return result


def mouth_windows(small: Bytes) -> Floats:
    """(n, WINDOW, *INPUT) of thumbs (n, *THUMB): each picture with its neighbours in time."""
    half = WINDOW // 2
    top, left = (THUMB[0] - INPUT[0]) // 2, (THUMB[1] - INPUT[1]) // 2
    middle = small[:, top : top + INPUT[0], left : left + INPUT[1]]
    padded = np.pad(middle, ((half, half), (0, 0), (0, 0)), mode="edge")
    windows = np.stack([padded[i : i + WINDOW] for i in range(len(small))])
    return evened(windows.astype(np.float32))


def evened(windows: Floats) -> Floats:
    """Each window (n, WINDOW, h, w) with mean 0 and deviation 1: light and contrast say nothing."""
    mean = windows.mean((1, 2, 3), keepdims=True)
    spread = windows.std((1, 2, 3), keepdims=True)
    return np.asarray((windows - mean) / (spread + 1e-3), np.float32)


def mel_of(samples: Floats) -> Floats:
    """(t, 80) of a clip at 16 kHz, brought to one loudness."""
    levels = logmel.frame_level_db(samples, 160)
    return logmel.log_mel(logmel.normalised(samples, logmel.speech_level_db(levels)), FEATURES)


def sound_windows(mel: Floats, first: int, count: int) -> Floats:
    """(count, WINDOW_STEPS, 80): the sound around pictures first, first + 1, ... (may lie outside
    the clip: silence)."""
    quiet = np.float32((np.log(logmel.FLOOR) + 4.0) / 6.0)
    before = max(0, -(first - WINDOW // 2)) * STEPS_PER_FRAME
    last = (first + count + WINDOW // 2) * STEPS_PER_FRAME
    after = max(0, last - len(mel))
    padded = np.pad(mel, ((before, after), (0, 0)), constant_values=quiet)
    start = (first - WINDOW // 2) * STEPS_PER_FRAME + before
    return np.stack([padded[start + i * STEPS_PER_FRAME :][:WINDOW_STEPS] for i in range(count)])


def about(model: Path) -> dict[str, Any]:
    """What a scorer was made from: the .json beside it; {} when there is none."""
    path = model.with_suffix(".json")
    if not path.is_file():
        return {}
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return known


class Scorer:
    """The trained scorer, ready to run."""

    def __init__(self, model: Path = SCORER) -> None:
        """Raises Refused when the model is missing or damaged."""
        self._session: Session = open_session(model)

    def curve(self, small: Bytes, mel: Floats) -> tuple[Floats, int]:
        """(distance at each offset -REACH..REACH, how many pictures) of thumbs (f, *THUMB) and
        mel (about 4 f, 80). Pictures around which nothing moves do not count."""
        moving = self._moving(small)
        mouths = self._codes("mouth", mouth_windows(small))
        sounds = self._codes("sound", sound_windows(mel, -REACH, len(small) + 2 * REACH))
        offsets = range(2 * REACH + 1)
        each = [np.linalg.norm(mouths - sounds[o : o + len(small)], axis=1) for o in offsets]
        return np.array([d[moving].mean() for d in each], np.float32), int(moving.sum())

    def _moving(self, small: Bytes) -> NDArray[np.bool_]:
        spread = np.ptp(mouth_stack(small), axis=1).astype(np.float32).mean((1, 2))
        moving = np.asarray(spread > RESTING_CHANGE)
        return moving if moving.any() else np.ones(len(small), np.bool_)

    def _codes(self, name: str, windows: Floats) -> Floats:
        """Both halves are one graph; the half that is not asked gets one dummy window."""
        idle: dict[str, Any] = {"mouth": np.zeros((1, WINDOW, *INPUT), np.float32),
                                "sound": np.zeros((1, WINDOW_STEPS, logmel.BANDS), np.float32)}
        parts = [self._session.run({**idle, name: windows[i : i + 64]})[f"{name}_code"]
                 for i in range(0, len(windows), 64)]
        return np.concatenate(parts)

    def score(self, clips: list[tuple[Bytes, Floats]]) -> Sync:
        """Of clips (thumbs, samples at 16 kHz) together: the curves' mean, weighted by pictures."""
        curves = [self.curve(small, mel_of(samples)) for small, samples in clips]
        total = sum(count for _, count in curves)
        mean = sum(curve * np.float32(count / total) for curve, count in curves)
        return judged(np.asarray(mean, np.float32), total)


def mouth_stack(small: Bytes) -> Bytes:
    """(n, WINDOW, *THUMB): each thumb with its neighbours in time."""
    half = WINDOW // 2
    padded = np.pad(small, ((half, half), (0, 0), (0, 0)), mode="edge")
    return np.stack([padded[i : i + WINDOW] for i in range(len(small))])


def judged(curve: Floats, frames: int) -> Sync:
    """Offset and confidence of a curve of distances at -REACH..REACH."""
    best = int(curve.argmin())
    fine = float(best)
    if 0 < best < len(curve) - 1:
        before, at, after = (float(v) for v in curve[best - 1 : best + 2])
        bend = before - 2 * at + after
        fine += 0.5 * (before - after) / bend if bend > 1e-9 else 0.0
    return Sync(best - REACH, (fine - REACH) * 1000 / FPS,
                float(np.median(curve) - curve.min()), curve, frames)


def shifted(samples: Floats, frames: float) -> Floats:
    """The sound `frames` pictures later (earlier when negative), of the same length."""
    by = round(frames * FEATURES.sample_rate_hz / FPS)
    moved = np.zeros_like(samples)
    if by >= 0:
        moved[by:] = samples[: len(samples) - by]
    else:
        moved[:by] = samples[-by:]
    return moved
