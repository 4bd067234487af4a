"""The figures a bundle carries about its own pictures (`vitrine models compare` measured them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.benches.figure import Figure


@dataclass(frozen=True)
class Row:
    """A figure of avatar.json's `quality`: where it lies and what it must reach."""

    name: str
    path: tuple[str, ...]
    unit: str
    limit: float
    at_least: bool = False


ROWS = (
    Row("PSNR lost by INT8", ("int8_loss", "psnr_db"), "dB", 0.3),
    Row("SSIM lost by INT8", ("int8_loss", "ssim"), "", 0.005),
    Row("SSIM of INT8 against FP32", ("int8_against_fp32_ssim",), "", 0.99, True),
    Row("mouth PSNR, pictures never trained on", ("int8", "mouth_psnr_db"), "dB", 34.0, True),
    Row("mouth SSIM, pictures never trained on", ("int8", "mouth_ssim"), "", 0.96, True),
    Row("mouth PSNR, sentences never trained on",
        ("sentences", "int8", "mouth_psnr_db"), "dB", 34.0, True),
    Row("mouth SSIM, sentences never trained on",
        ("sentences", "int8", "mouth_ssim"), "", 0.96, True),
    Row("lip landmarks off, of the mouth's width",
        ("sentences", "int8", "landmark_percent"), "%", 1.5),
    Row("lip-sync offset", ("sentences", "sync", "int8 voice", "offset_frames"), "frames", 1.0),
    Row("lip-sync confidence, of the truth's own",
        ("sentences", "sync", "int8 voice", "of_truth"), "", 0.85, True),
)


def bundle_figures(quality: Mapping[str, Any], avatar: str) -> list[Figure]:
    """The rows that the bundle has; a lacking or odd key gives no row."""
    inside = quality.get("renderer", quality)
    found = []
    for row in ROWS:
        value = inside
        for key in row.path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            shown = abs(float(value)) if row.unit == "frames" else float(value)
            found.append(Figure(f"{avatar}: {row.name}", shown, row.unit, row.limit,
                                row.at_least, "from the bundle"))
    return found
