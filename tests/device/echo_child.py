"""Run by the echo story in its own sound environment: a loudspeaker that presents and tells the
ear each sample, as the player does. Arguments: run folder, seconds, sound files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from device.audio.reference import ReferenceWriter
from device.audio.soundfiles import read
from device.audio.speaker import RATE_HZ, Speaker
from ota.clock import Deadline, sleep_s


def main(folder: Path, seconds: float, files: list[Path]) -> None:
    speaker = Speaker()
    writer = ReferenceWriter(folder, speaker.clock)
    speaker.reference = writer.write
    speaker.start()
    speaker.settle(3.0)
    speaker.play(np.concatenate([read(file, RATE_HZ) for file in files])[: int(seconds * RATE_HZ)])
    print("speaking", flush=True)
    end = Deadline(seconds)
    while not end.passed:
        sleep_s(0.1)
    speaker.close()
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
