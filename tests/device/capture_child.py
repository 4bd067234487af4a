"""Run by the capture tests in their own sound environment: prints one JSON line a second."""

from __future__ import annotations

import json
import sys

import numpy as np

from device.audio.capture import Capture
from ota.clock import Deadline, monotonic_ns


def main(seconds: float) -> None:
    capture, end = Capture(), Deadline(seconds)
    kept: list[np.ndarray] = []
    lateness_ms: list[float] = []
    ends: list[int] = []
    while not end.passed:
        chunk = capture.read(0.2)
        if chunk is not None:
            kept.append(chunk.samples)
            ends.append(chunk.end_ns)
            lateness_ms.append((monotonic_ns() - chunk.end_ns) / 1e6)
        if len(kept) >= 31 or (chunk is None and capture.fault):
            samples = np.concatenate(kept) if kept else np.zeros(1, np.float32)
            spectrum = np.abs(np.fft.rfft(samples))
            line = {
                "chunks": len(kept), "peak": float(np.abs(samples).max()),
                "hz": float(np.argmax(spectrum) * 16_000 / len(samples)),
                "late_ms": max(lateness_ms, default=0.0), "fault": capture.fault,
                "level": capture.level_dbfs, "reopened": capture.reopened,
                "dropped": capture.dropped, "in_order": ends == sorted(ends),
                "rate_hz": capture.rate_hz,
            }  # fmt: skip
            print(json.dumps(line), flush=True)
            kept, lateness_ms = [], []
    capture.close()


if __name__ == "__main__":
    main(float(sys.argv[1]))
