"""Pictures against pictures: PSNR, SSIM, the mouth's part, and what a renderer's output shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from device.infer.ort import Session, open_on, open_session
from ota.clock import monotonic_ns, process_cpu_s

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
# The mouth in the patch: rows and columns as shares of its side.
MOUTH = (0.24, 0.72, 0.18, 0.82)


def psnr(a: Floats, b: Floats) -> float:
    """dB between pictures in 0..1."""
    return float(10 * np.log10(1 / max(float(np.mean((a - b) ** 2)), 1e-12)))


def ssim(a: Floats, b: Floats) -> float:
    """Structural similarity of (3, h, w) pictures in 0..1, 7x7 windows (Wang et al., 2004)."""
    def mean(x: Floats) -> Floats:
        return np.asarray(cv2.blur(x, (7, 7))[3:-3, 3:-3], np.float32)

    scores = []
    sample = 49 / 48
    for one, other in zip(a, b, strict=True):
        # Around the picture's own mean: single precision loses small variances otherwise.
        middle = np.float32(one.mean())
        x, y = np.ascontiguousarray(one - middle), np.ascontiguousarray(other - middle)
        mx, my = mean(x), mean(y)
        vx, vy = sample * (mean(x * x) - mx * mx), sample * (mean(y * y) - my * my)
        cov = sample * (mean(x * y) - mx * my)
        c1, c2 = 0.01**2, 0.03**2
        mx, my = mx + middle, my + middle
        score = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        scores.append(float(score.mean()))
    return float(np.mean(scores))


def mouth_of(picture: NDArray[np.generic]) -> NDArray[np.generic]:
    """The mouth's part of a (..., p, p) picture."""
    side = picture.shape[-1]
    top, bottom, left, right = (round(v * side) for v in MOUTH)
    return picture[..., top:bottom, left:right]


def unit(picture: NDArray[np.generic]) -> Floats:
    """uint8 0..255 as float 0..1."""
    return np.asarray(picture, np.float32) / np.float32(255)


def opened(model: Path, threads: int = 1, provider: str = "cpu") -> Session:
    """The network on exactly this provider; raises Refused with the reason when it cannot run."""
    if provider == "cpu":
        return open_session(model, threads)
    return open_on(model.read_bytes(), provider, threads, {})


def drawn(session: Session, rest: Floats, code: Floats) -> Floats:
    """(4, p, p) of one code (K,): the rest (3, p, p) is given only to networks that ask for it."""
    feeds = {"base": rest[None], "code": code[None]}
    known = {k: np.ascontiguousarray(v, np.float32) for k, v in feeds.items()
             if k in session.inputs}
    return np.asarray(session.run(known)["patch"][0], np.float32)


def shown(model: Path, rest: Floats, mask: Bytes, codes: Floats, provider: str = "cpu",
          threads: int = 1) -> Bytes:
    """(n, 3, p, p) pictures of codes (n, K), laid over the rest (3, p, p) by matte and mask and
    rounded to 8 bits, as the player shows them. Raises Refused for a model that is none."""
    session = opened(model, threads, provider)
    part = unit(mask)
    made = np.empty((len(codes), *rest.shape), np.uint8)
    for i, code in enumerate(codes):
        out = drawn(session, rest, code)
        alpha = out[3] * part
        made[i] = np.clip((rest + alpha * (out[:3] - rest)) * 255 + 0.5, 0, 255)
    return made


def scores(made: Bytes, want: Bytes) -> dict[str, float]:
    """Means over (n, 3, p, p) of PSNR and SSIM, of the whole patch and of the mouth."""
    rows = [(psnr(a, b), psnr(am, bm), ssim(a, b), ssim(am, bm))
            for a, b, am, bm in _pairs(made, want)]
    means = np.mean(rows, axis=0) if rows else np.full(4, np.nan)
    names = ("psnr_db", "mouth_psnr_db", "ssim", "mouth_ssim")
    return {name: float(value) for name, value in zip(names, means, strict=True)}


def mouth_psnr_each(made: Bytes, want: Bytes) -> list[float]:
    """dB of each frame's mouth."""
    return [psnr(am, bm) for _, _, am, bm in _pairs(made, want)]


def _pairs(made: Bytes, want: Bytes) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    for m, w in zip(made, want, strict=True):
        a, b = unit(m), unit(w)
        yield a, b, np.asarray(mouth_of(a), np.float32), np.asarray(mouth_of(b), np.float32)


def frame_ms(model: Path, rest: Floats, codes: Floats, rounds: int = 60, provider: str = "cpu"
             ) -> float:
    """Milliseconds of one patch on one thread: the lower quartile, by CPU time where the CPU
    does it, so that other work on the machine counts little."""
    session = opened(model, 1, provider)
    took = []
    for i in range(rounds):
        started, cpu = monotonic_ns(), process_cpu_s()
        drawn(session, rest, codes[i % len(codes)])
        wall_ms, cpu_ms = (monotonic_ns() - started) / 1e6, (process_cpu_s() - cpu) * 1e3
        took.append(min(wall_ms, cpu_ms) if session.provider == "cpu" else wall_ms)
    return float(np.quantile(took[5:], 0.25))


def temporal_error(made: Bytes, want: Bytes) -> float:
    """Grey levels (0..255) by which the mouth's change from frame to frame differs from the true
    change: the mean of |d_t made - d_t true| over the frames of one clip."""
    if len(made) < 2:
        return 0.0
    a, b = (np.asarray(mouth_of(x), np.int16) for x in (made, want))
    return float(np.abs(np.diff(a, axis=0) - np.diff(b, axis=0)).mean())


def change_per_frame(frames: Bytes) -> float:
    """Grey levels by which a clip's pixels (n, ...) change from frame to frame, on average."""
    if len(frames) < 2:
        return 0.0
    return float(np.abs(np.diff(frames.astype(np.int16), axis=0)).mean())
