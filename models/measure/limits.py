"""What an avatar must reach, as a table of figures, limits and whether they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FRAME_MS = ((200, 4.5), (300, 6.5), (400, 10.0))


@dataclass(frozen=True)
class Row:
    """One figure: `value` None when it was not measured; kept when value <= or >= limit."""

    name: str
    value: float | None
    limit: float
    unit: str
    at_least: bool = False

    @property
    def good(self) -> bool | None:
        """None when it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        """For a terminal."""
        word = {True: "reached", False: "MISSED", None: "not measured"}[self.good]
        sign = ">=" if self.at_least else "<="
        value = "-" if self.value is None else f"{self.value:.4g}"
        return f"{self.name:<56} {value:>8} {sign} {self.limit:<6g} {self.unit:<16} {word}"


def rows(quality: Mapping[str, Any], patch_px: int) -> list[Row]:
    """The table for what examine() found."""
    def at(*keys: str) -> float | None:
        value: Any = quality
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return None if value is None else float(value)

    frame_limit = next((ms for side, ms in FRAME_MS if patch_px <= side), FRAME_MS[-1][1])
    loss = "sentences" if "sentences" in quality else ""
    lost = (loss, "int8_loss") if loss else ("int8_loss",)
    table = [
        Row("INT8 faster than FP32", at("speedup"), 2.0, "x", True),
        Row(f"INT8, {patch_px} px, one thread", at("int8", "frame_ms"), frame_limit, "ms"),
        Row("PSNR lost by INT8, mouth", at(*lost, "mouth_psnr_db"), 0.3, "dB"),
        Row("SSIM lost by INT8, mouth", at(*lost, "mouth_ssim"), 0.005, ""),
        Row("INT8 against FP32, SSIM (banding)", at("int8_against_fp32_ssim"), 0.99, "", True),
        Row("grey levels of smooth skin kept by INT8", at("smooth_skin", "levels_kept"), 0.9,
            "of FP32's", True),
        Row("rest, 10 s of silence: motion above the base video's", at("rest", "added"), 0.0,
            "levels"),
        Row("one code drawn again and again: change", at("int8", "held_code_change"), 0.0,
            "levels"),
    ]
    for name in ("fp32", "int8"):
        shown = name.upper()
        table += [
            Row(f"sentences, mouth PSNR, {shown}", at("sentences", name, "mouth_psnr_db"), 34.0,
                "dB", True),
            Row(f"sentences, mouth SSIM, {shown}", at("sentences", name, "mouth_ssim"), 0.96, "",
                True),
            Row(f"sentences, lip landmarks, {shown}", at("sentences", name, "landmark_percent"),
                1.5, "% of mouth width"),
        ]
        for kind, what in (("codes", "true codes"), ("voice", "whole chain")):
            key = f"{name} {kind}"
            offset = at("sentences", "sync", key, "offset_frames")
            table += [
                Row(f"lip-sync offset, {what}, {shown}",
                    None if offset is None else abs(offset), 1.0, "frames"),
                Row(f"lip-sync confidence, {what}, {shown}",
                    at("sentences", "sync", key, "of_truth"), 0.85, "of the truth's", True),
            ]
    return table
