"""usage: python -m cli.benches.live_ear OUT.npz: records the sound server until stdin ends."""

from __future__ import annotations

import sys
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np

from device.audio.portaudio import portaudio
from ota.clock import monotonic_s

RATE_HZ = 48_000
BLOCKS_MAX = 1 << 16


def record(out: Path) -> None:
    """Samples and the monotonic time of the first one, from the device's own time stamps."""
    blocks: deque[tuple[float, np.ndarray[Any, Any]]] = deque(maxlen=BLOCKS_MAX)

    def take(block: Any, frames: int, times: Any, status: Any) -> None:
        waited_s = times.currentTime - times.inputBufferAdcTime
        blocks.append((monotonic_s() - max(0.0, waited_s), block[:, 0].copy()))

    stream = portaudio().InputStream(
        samplerate=RATE_HZ, channels=1, dtype="float32", latency=0.05, callback=take)
    with stream:
        print("hears", flush=True)
        sys.stdin.read()
    counts = np.cumsum([0] + [len(block) for _, block in blocks])[:-1]
    # The least delayed stamp is the true one: a busy machine only ever stamps late.
    start_s = float(np.quantile([at for at, _ in blocks] - counts / RATE_HZ, 0.1))
    np.savez(out, samples=np.concatenate([block for _, block in blocks]), start_s=start_s)


if __name__ == "__main__":
    record(Path(sys.argv[1]))
