"""Makes the voice network's training speech: synthesised lines with the time of each phoneme."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.articulation.corpus import lines

Floats = NDArray[np.float32]
RATE_HZ = 16_000
# The synthesiser's phoneme times run behind its sound: vowels correlate best with the energy of
# their first formant when moved this much earlier (measured on the corpus, both languages).
TIMES_LATE_MS = 48.0


def synthesise(assets: Path, folder: Path) -> None:
    """Speak every line of the corpus into folder/NNN.npz (samples 16 kHz float16, symbols,
    starts_ms, ends_ms); lines that are there are kept."""
    import soxr

    from device.tts.kokoro import Voice

    folder.mkdir(parents=True, exist_ok=True)
    todo = [(i, line) for i, line in enumerate(lines()) if not (folder / f"{i:03d}.npz").exists()]
    if not todo:
        return
    voice = Voice.load(assets)
    for i, (language, name, text, speed) in todo:
        speech = voice.synthesise(text, language, speed, name)
        samples = soxr.resample(speech.samples, speech.sample_rate_hz, RATE_HZ)
        symbols, starts, ends = zip(*speech.phonemes, strict=True)
        partial = folder / f"{i:03d}.part.npz"
        np.savez(partial, samples=samples.astype(np.float16), symbols=np.array(symbols),
                 starts_ms=np.array(starts), ends_ms=np.array(ends), language=language, voice=name)
        partial.replace(folder / f"{i:03d}.npz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    args = parser.parse_args()
    synthesise(args.assets, args.folder)


if __name__ == "__main__":
    main()
