"""Makes the lip-sync scorer: true mouth pictures put to the corpus's sound, varied in many ways."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.measure import sync
from models.measure.pictures import Bytes
from ota.errors import Refused

if TYPE_CHECKING:
    from models.articulation.voice import Clip

Floats = NDArray[np.float32]
Say = Callable[[str], None]
STEPS = 800
NEAREST = 4
VARIANTS = 3
CLIPS_A_BATCH, WINDOWS_A_CLIP = 16, 16
# A code moves by this much within a window, or the window says nothing about time.
MOVES = 0.06
JAW_WEIGHT = 2.0


class Video:
    """Small grey video of any code track, looked up among true pictures."""

    def __init__(self, codes: Floats, small: Bytes) -> None:
        """`codes` (n, K) of thumbs (n, *THUMB); the first code number is the jaw."""
        self._codes, self._small = _weighted(codes), small.astype(np.float32)

    def of(self, track: Floats) -> Bytes:
        """(f, *THUMB) for codes (f, K): the mean of the NEAREST pictures, nearer ones more."""
        wanted = _weighted(track)
        result = np.empty((len(track), *self._small.shape[1:]), np.uint8)
        for i, code in enumerate(wanted):
            far = np.linalg.norm(self._codes - code, axis=1)
            near = np.argpartition(far, NEAREST)[:NEAREST]
            weight = 1 / (far[near] + 0.02) ** 2
            mean = np.tensordot(weight / weight.sum(), self._small[near], 1)
            result[i] = mean + 0.5
        return result


def _weighted(codes: Floats) -> Floats:
    weight = np.ones(codes.shape[1], np.float32)
    weight[0] = JAW_WEIGHT
    return codes * weight


def examples(clips: list[Clip], video: Video, seed: int) -> list[tuple[Bytes, Floats, Floats]]:
    """(thumbs, mel, codes) of every clip: as it is, and in VARIANTS - 1 other tempi and rooms."""
    from models.articulation.voice import example

    rng = np.random.default_rng(seed)
    result = []
    for clip in clips:
        for variant in range(VARIANTS):
            mel, codes = example(clip, rng if variant else None)
            result.append((video.of(codes), mel, codes))
    return result


def batches(pool: list[tuple[Bytes, Floats, Floats]], seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Endless (n, 5, 32, 48) mouths and (n, 20, 80) sounds; windows where the mouth moves."""
    rng = np.random.default_rng(seed)
    usable = [(small, mel, _telling(codes)) for small, mel, codes in pool]
    usable = [u for u in usable if len(u[2]) >= WINDOWS_A_CLIP]
    half = sync.WINDOW // 2
    while True:
        mouths, sounds = [], []
        for i in rng.integers(0, len(usable), CLIPS_A_BATCH):
            small, mel, telling = usable[i]
            look = _look(rng)
            for t in rng.choice(telling, WINDOWS_A_CLIP, replace=False):
                mouths.append(_varied(small[t - half : t + half + 1], look, rng))
                steps = mel[(t - half) * 4 : (t + half + 1) * 4]
                sounds.append(steps + rng.normal(0, 0.03, steps.shape))
        yield sync.evened(np.array(mouths, np.float32)), np.array(sounds, np.float32)


def _telling(codes: Floats) -> NDArray[np.int64]:
    """Pictures in whose window the mouth moves."""
    half = sync.WINDOW // 2
    inside = range(half, len(codes) - half)
    return np.array([t for t in inside
                     if np.ptp(codes[t - half : t + half + 1], axis=0).max() > MOVES], np.int64)


def _look(rng: np.random.Generator) -> dict[str, float]:
    """How a clip is seen: zoom, gamma, blur, noise (grey levels)."""
    return {"zoom": rng.uniform(0.94, 1.08), "gamma": rng.uniform(0.7, 1.4),
            "blur": max(0.0, rng.uniform(-0.6, 1.1)), "noise": max(0.0, rng.normal(1, 2)),
            "dx": rng.uniform(-2.5, 2.5), "dy": rng.uniform(-2.5, 2.5)}


def _varied(window: Bytes, look: dict[str, float], rng: np.random.Generator) -> Floats:
    """(5, *INPUT) out of (5, *THUMB): all five seen in the same way."""
    zoom, (high, wide) = look["zoom"], sync.INPUT
    centre = np.array([sync.THUMB[1] / 2 + look["dx"], sync.THUMB[0] / 2 + look["dy"]])
    matrix = np.array([[zoom, 0, wide / 2 - zoom * centre[0]],
                       [0, zoom, high / 2 - zoom * centre[1]]], np.float32)
    planes = np.ascontiguousarray(window.transpose(1, 2, 0))
    seen = cv2.warpAffine(planes, matrix, (wide, high), flags=cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    if look["blur"] > 0.2:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), look["blur"]), np.float32)
    lit = 255 * (np.maximum(seen, 0) / 255) ** look["gamma"]
    noisy = lit + rng.normal(0, look["noise"] + 1e-3, lit.shape)
    return np.asarray(noisy.transpose(2, 0, 1), np.float32)


def make(work: Path, out: Path, steps: int, threads: int, say: Say) -> dict[str, float]:
    """Train the scorer on a work folder's true pictures and training lines, write `out` and, beside
    it, what it was made from (.json). Raises Refused when renders or speech are missing."""
    from models.articulation import voice
    from models.measure import scorer_net, truth

    known = truth.load(work)
    clips = voice.read_clips(work / "speech")
    if not clips:
        raise Refused(f"{work / 'speech'} has no spoken lines; run `vitrine models make` first.")
    train = ~known.held_out
    video = Video(known.codes[train], sync.thumbs(known.images[train]))
    say(f"    video of {len(clips)} lines out of {int(train.sum())} true pictures")
    pool = examples([c for c in clips if not c.held_out], video, 3)
    net = scorer_net.train(batches(pool, 4), steps, threads,
                           lambda s, n, loss: say(f"    step {s} of {n}, loss {loss:.3f}"))
    scorer_net.export(net, out)
    held = [c for c in clips if c.held_out]
    figures = check(out, held, video)
    about = {"made_by": f"vitrine models scorer --work {work.name}", "pictures": int(train.sum()),
             "lines": sum(not c.held_out for c in clips), "steps": steps, **figures}
    out.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return figures


def check(model: Path, clips: list[Clip], video: Video) -> dict[str, float]:
    """On lines never trained on: the share of clips whose offset is found within a frame when the
    sound is as it was and when it is moved, and the mean confidence of clips in and out of step."""
    scorer = sync.Scorer(model)
    found, own, foreign = [], [], []
    cut = [_whole(clip) for clip in clips]
    small = [video.of(codes) for codes, _ in cut]
    for i, (codes, samples) in enumerate(cut):
        for move in (0, -6, 4):
            got = scorer.score([(small[i], sync.shifted(samples, move))])
            found.append(abs(got.offset_frames - move) <= 1)
            if move == 0:
                own.append(got.confidence)
        other = cut[(i + len(cut) // 2) % len(cut)][1]
        foreign.append(scorer.score([(small[i][: len(codes)], other)]).confidence)
    return {"offset_found_share": round(float(np.mean(found)), 3),
            "confidence": round(float(np.mean(own)), 3),
            "confidence_of_foreign_sound": round(float(np.mean(foreign)), 3)}


def _whole(clip: Clip) -> tuple[Floats, Floats]:
    """(codes, samples) of a clip with its silent edges."""
    from models.articulation.voice import example
    from models.measure.sentences import EDGE_S, RATE_HZ

    edge = np.zeros(int(RATE_HZ * EDGE_S), np.float32)
    _, codes = example(clip, None)
    return codes, np.concatenate([edge, clip.samples, edge]).astype(np.float32)
