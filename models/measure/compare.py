"""Measures renderers on pictures they never saw: PSNR, SSIM, flicker, time; the `quality` field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from device.infer.ort import open_session
from ota.clock import monotonic_ns, process_cpu_s

Floats = NDArray[np.float32]
# The mouth in the patch: rows and columns as shares of its side.
MOUTH = (0.24, 0.72, 0.18, 0.82)


def psnr(a: Floats, b: Floats) -> float:
    """dB between pictures in 0..1."""
    return float(10 * np.log10(1 / max(float(np.mean((a - b) ** 2)), 1e-12)))


def ssim(a: Floats, b: Floats) -> float:
    """Structural similarity of (3, h, w) pictures in 0..1, 7x7 windows (Wang et al., 2004)."""
    def mean(x: Floats) -> Floats:
        result: Floats = uniform_filter(x, (0, 7, 7))[:, 3:-3, 3:-3]
        return result
    sample = 49 / 48
    ma, mb = mean(a), mean(b)
    va, vb = sample * (mean(a * a) - ma * ma), sample * (mean(b * b) - mb * mb)
    cov = sample * (mean(a * b) - ma * mb)
    c1, c2 = 0.01**2, 0.03**2
    score = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(score.mean())


def mouth_of(picture: Floats) -> Floats:
    """The mouth's part of a (3, p, p) picture."""
    side = picture.shape[-1]
    top, bottom, left, right = (round(v * side) for v in MOUTH)
    return picture[:, top:bottom, left:right]


def measure(model: Path, rest: Floats, images: NDArray[np.uint8], codes: Floats,
            mask: NDArray[np.uint8]) -> tuple[dict[str, float], Floats]:
    """Figures against images (n, 3, p, p) for codes (n, K), and the pictures (n, 3, p, p) made,
    laid over the rest by matte and mask as the player does."""
    session = open_session(model, threads=1)
    base = rest[None].astype(np.float32)
    part = mask.astype(np.float32) / 255
    made = []
    for code in codes:
        out = session.run({"base": base, "code": code[None]})["patch"][0]
        alpha = out[3] * part
        made.append(rest + alpha * (out[:3] - rest))
    pictures = np.array(made, np.float32)
    want = images.astype(np.float32) / 255
    pairs = list(zip(pictures, want, strict=True))
    figures = {
        "psnr_db": float(np.mean([psnr(p, w) for p, w in pairs])),
        "mouth_psnr_db": float(np.mean([psnr(mouth_of(p), mouth_of(w)) for p, w in pairs])),
        "ssim": float(np.mean([ssim(p, w) for p, w in pairs])),
        "mouth_ssim": float(np.mean([ssim(mouth_of(p), mouth_of(w)) for p, w in pairs])),
        "frame_ms": frame_ms(model, base, codes),
    }
    return {k: round(v, 4) for k, v in figures.items()}, pictures


def frame_ms(model: Path, base: Floats, codes: Floats, rounds: int = 60) -> float:
    """Milliseconds of one patch on one thread: the lower quartile, by CPU time, so that other
    work on the machine counts little."""
    session = open_session(model, threads=1)
    took = []
    for i in range(rounds):
        feeds = {"base": base, "code": codes[i % len(codes)][None]}
        started, cpu = monotonic_ns(), process_cpu_s()
        session.run(feeds)
        took.append(min((monotonic_ns() - started) / 1e6, (process_cpu_s() - cpu) * 1e3))
    return float(np.quantile(took[5:], 0.25))


def compare(fp32: Path, int8: Path, rest: Floats, images: NDArray[np.uint8], codes: Floats,
            mask: NDArray[np.uint8]) -> dict[str, object]:
    """The bundle's `quality`: both precisions on held-out pictures, and what INT8 costs."""
    full, made = measure(fp32, rest, images, codes, mask)
    small, quantised = measure(int8, rest, images, codes, mask)
    agree = [ssim(a, b) for a, b in zip(made, quantised, strict=True)]
    return {
        "held_out_frames": len(images), "fp32": full, "int8": small,
        "int8_loss": {"psnr_db": round(full["psnr_db"] - small["psnr_db"], 3),
                      "mouth_psnr_db": round(full["mouth_psnr_db"] - small["mouth_psnr_db"], 3),
                      "ssim": round(full["ssim"] - small["ssim"], 5)},
        "int8_against_fp32_ssim": round(float(np.mean(agree)), 4),
        "speedup": round(full["frame_ms"] / max(small["frame_ms"], 1e-3), 2),
    }
