"""The figures of the present loop: bounded lists in, the report of contract B5 out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ota.heap import resident_bytes

KEEP = 16_384
NAMES_MAX = 32
FRESH_S = 1.0


def _row() -> deque[float]:
    return deque(maxlen=KEEP)


@dataclass
class Figures:
    """What the present loop notes of each frame; times in ms, offsets + = sound late."""

    frames_shown: int = 0
    frames_dropped: int = 0
    mouths_late: int = 0
    gestures_shown: int = 0
    gestures_unknown: deque[str] = field(default_factory=lambda: deque(maxlen=NAMES_MAX))
    first_s: float = 0.0
    last_s: float = 0.0
    # In which fresh pictures were shown: one that stands longer than this may hang.
    shown_s: float = 0.0
    frame_ms: deque[float] = field(default_factory=_row)
    compose_ms: deque[float] = field(default_factory=_row)
    work_ms: deque[float] = field(default_factory=_row)
    av_offset_ms: deque[float] = field(default_factory=_row)
    rss_start_bytes: int = 0
    rss_max_bytes: int = 0

    def shown(self, at_s: float) -> None:
        """One frame was presented at `at_s`."""
        if self.frames_shown == 0:
            self.first_s = at_s
        else:
            self.frame_ms.append((at_s - self.last_s) * 1e3)
            self.shown_s += min(FRESH_S, at_s - self.last_s)
        self.last_s = at_s
        self.frames_shown += 1

    def worked(self, presented_s: float) -> None:
        """Presenting the frame just composed took so long; both are the frame's work."""
        self.work_ms.append(self.compose_ms[-1] + presented_s * 1e3)

    def fps(self) -> float:
        """Mean since the first frame."""
        span_s = self.last_s - self.first_s
        return (self.frames_shown - 1) / span_s if span_s > 0 else 0.0

    def recent_fps(self, frames: int = 25) -> float:
        """Of the last second or so."""
        recent = list(self.frame_ms)[-frames:]
        return 1000.0 * len(recent) / sum(recent) if recent and sum(recent) > 0 else 0.0

    def note_memory(self) -> int:
        """Read the process's resident memory; keeps the first and the largest."""
        rss_bytes = resident_bytes() or 0
        self.rss_start_bytes = self.rss_start_bytes or rss_bytes
        self.rss_max_bytes = max(self.rss_max_bytes, rss_bytes)
        return rss_bytes


def spread(values: Iterable[float], *names: str) -> dict[str, float | None]:
    """{"p50": ..., "p99": ..., "max": ...} of the values; None where there are none."""
    row = np.fromiter(values, np.float64)
    out: dict[str, float | None] = {}
    for name in names:
        if not len(row):
            out[name] = None
        elif name == "max":
            out[name] = round(float(row.max()), 3)
        else:
            out[name] = round(float(np.percentile(row, float(name[1:]))), 3)
    return out


def report(
    figures: Figures, render_ms: Iterable[float], provider: str, precision: str, cpu_share: float
) -> dict[str, Any]:
    """The report of contract B5, and beside it `mouths_late`, `cpu_share`, offset p95, gestures."""
    now_bytes = figures.note_memory()
    offsets = [abs(value) for value in figures.av_offset_ms]
    av_offset = spread(figures.av_offset_ms, "p50", "p99")
    av_offset["p95_abs"] = spread(offsets, "p95")["p95"]
    return {
        "frames_shown": figures.frames_shown,
        "frames_dropped": figures.frames_dropped,
        "fps": round(figures.fps(), 3),
        "frame_ms": spread(figures.frame_ms, "p50", "p99", "max"),
        "render_ms": spread(render_ms, "p50", "p99", "max"),
        "compose_ms": spread(figures.compose_ms, "p50", "p99", "max"),
        "av_offset_ms": av_offset,
        "rss_bytes": {
            "start": figures.rss_start_bytes, "end": now_bytes, "max": figures.rss_max_bytes},
        "provider": provider,
        "precision": precision,
        "ai_label": True,
        "mouths_late": figures.mouths_late,
        "cpu_share": round(cpu_share, 3),
        "gestures_shown": figures.gestures_shown,
        "gestures_unknown": sorted(figures.gestures_unknown),
    }
