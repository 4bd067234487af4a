"""FP32 against INT8 on pictures that were never trained on: the core of an avatar's `quality`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.measure.pictures import Bytes, frame_ms, scores, shown, ssim, unit
from models.measure.smooth import banding

Floats = NDArray[np.float32]


def measure(model: Path, rest: Floats, images: Bytes, codes: Floats, mask: Bytes,
            provider: str = "cpu") -> tuple[dict[str, float], Bytes]:
    """Figures against images (n, 3, p, p) for codes (n, K), and the pictures (n, 3, p, p) made,
    laid over the rest by matte and mask as the player does."""
    made = shown(model, rest, mask, codes, provider)
    figures = {**scores(made, images), "frame_ms": frame_ms(model, rest, codes, provider=provider)}
    return {k: round(v, 4) for k, v in figures.items()}, made


def compare(fp32: Path, int8: Path, rest: Floats, images: Bytes, codes: Floats, mask: Bytes
            ) -> dict[str, Any]:
    """Both precisions on held-out pictures, and what INT8 costs."""
    full, made = measure(fp32, rest, images, codes, mask)
    small, quantised = measure(int8, rest, images, codes, mask)
    return summary(full, made, small, quantised, mask)


def summary(full: dict[str, float], made: Bytes, small: dict[str, float], quantised: Bytes,
            mask: Bytes) -> dict[str, Any]:
    """What compare() says, from both precisions' figures and pictures."""
    agree = [ssim(unit(a), unit(b)) for a, b in zip(made, quantised, strict=True)]
    return {
        "held_out_frames": len(made), "fp32": full, "int8": small,
        "int8_loss": {key: round(full[key] - small[key], 5)
                      for key in ("psnr_db", "mouth_psnr_db", "ssim", "mouth_ssim")},
        "int8_against_fp32_ssim": round(float(np.mean(agree)), 5),
        "speedup": round(full["frame_ms"] / max(small["frame_ms"], 1e-3), 2),
        "smooth_skin": banding(made, quantised, mask),
    }
