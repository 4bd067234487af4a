"""The memory of a renderer: a fresh process loads a bundle, renders many frames, and tells.

Started by `vitrine bench renderer` as `python -m cli.benches.memory BUNDLE FRAMES`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from device.paths import repository_root
from device.render.bundle import load_bundle
from device.render.mouth import Floats, Mouth
from device.render.pixels import premultiplied_patch, use_one_thread
from ota.clock import utc_now
from ota.errors import Broken
from ota.heap import resident_bytes

SAMPLES = 100
# Buffers that grow to their size in the first frames are no leak.
SETTLE_SHARE = 0.2
MIB = 1 << 20

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Memory:
    """Resident bytes: of the process with libraries only, with the bundle loaded, after the
    last of `frames`; and how they grow once settled."""

    libraries_bytes: int
    loaded_bytes: int
    end_bytes: int
    growth_bytes: int
    growth_per_1000_frames: float
    frames: int

    @property
    def renderer_mib(self) -> float:
        """What the renderer costs on top of the libraries, at the end."""
        return (self.end_bytes - self.libraries_bytes) / MIB


def measure_in_child(bundle: Path, frames: int, progress: Progress) -> Memory:
    """Render in a process of its own. Raises Broken when that fails."""
    command = [sys.executable, "-m", "cli.benches.memory", str(bundle), str(frames)]
    with subprocess.Popen(
        command, cwd=repository_root(), stdout=subprocess.PIPE, text=True
    ) as child:
        last = ""
        for line in child.stdout or ():
            last = line
            if line.startswith("frame "):
                progress(int(line.split()[1]), frames)
    if child.returncode != 0:
        raise Broken(
            f"The process that renders {bundle.name} ended with {child.returncode}; its message "
            "is above.")
    return Memory(**json.loads(last))


def _held_bytes() -> int:
    found = resident_bytes()
    if found is None:
        raise Broken("This system does not tell a process's memory; measure on Linux.")
    return found


def varied_codes(rest: Floats, frames: int) -> Floats:
    """(frames, K) codes of a mouth that never stands still."""
    rng = np.random.default_rng(4)
    phase = rng.uniform(0, 2 * np.pi, len(rest))
    pace = rng.uniform(0.15, 0.9, len(rest))
    wave = 0.5 + 0.5 * np.sin(np.arange(frames)[:, None] * pace + phase)
    return (rest + 0.05 + 0.7 * wave).astype(np.float32)


def growth(at_frame: Sequence[int], resident: Sequence[int]) -> tuple[int, float]:
    """Bytes grown after the first fifth of the frames, and the slope per 1,000 frames there."""
    start = next(i for i, frame in enumerate(at_frame)
                 if frame >= SETTLE_SHARE * at_frame[-1])
    frames = np.array(at_frame[start:], np.float64)
    held = np.array(resident[start:], np.float64)
    slope = float(np.polyfit(frames, held, 1)[0]) if len(frames) > 1 else 0.0
    return int(held[-1] - held[0]), slope * 1000


def _child(folder: Path, frames: int) -> Memory:
    use_one_thread()
    libraries = _held_bytes()
    bundle = load_bundle(folder, utc_now())
    mouth = Mouth(bundle, "int8", threads=1)
    loaded = _held_bytes()
    at_frame, resident = [], []
    step = max(1, frames // SAMPLES)
    block = varied_codes(mouth.rest, 1000)
    for done in range(1, frames + 1):
        premultiplied_patch(mouth.patch(block[done % len(block)]))
        if done % step == 0:
            at_frame.append(done)
            resident.append(_held_bytes())
            print(f"frame {done}", flush=True)
    grown, slope = growth(at_frame, resident)
    return Memory(libraries, loaded, resident[-1], grown, slope, frames)


if __name__ == "__main__":
    print(json.dumps(asdict(_child(Path(sys.argv[1]), int(sys.argv[2])))))
