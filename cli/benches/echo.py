"""The echo of the kiosk's own voice in a simulated room: how much goes, and is it ever answered?

`python -m cli.benches.echo [SECONDS]` presents the sample programme for so long (default 60) in a
simulated room, about eight times faster than real time; `measure` is the short form for `bench`.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cli.benches.figure import Figure
from cli.benches.room import Shop, walk
from device.asr.gate import EchoGate
from device.asr.turns import Began, Perhaps, Sure, Turns
from device.asr.vad import CHUNK_MS, Vad
from device.audio.capture import Chunk
from device.audio.echo import EchoCanceller
from device.audio.reference import RATE_HZ as PLAYED_HZ
from device.audio.soundfiles import read
from device.paths import assets_dir, repository_root
from ota.clock import process_cpu_s

Samples = npt.NDArray[np.float32]

SPEECH = repository_root() / "programmes" / "tea-shop" / "speech"
PAUSE_S = 0.25
SETTLED_S = 12.0
ERLE_DB, WORST_DB = 25.0, 20.0
SHOP = Shop(drift_ppm=30.0)


@dataclass
class Presented:
    """What came of it: ERLE of each sentence after the first 12 s, turns that nobody began, and
    how often one of them was taken for a certain voice, which stops the avatar; `held`: how often
    the first 30 ms of something would have held its breath."""

    seconds: float = 0.0
    cancel_cpu_s: float = 0.0
    erle_db: list[float] = field(default_factory=list)
    began_s: list[float] = field(default_factory=list)
    stops: int = 0
    held: int = 0


def present(seconds: float, shop: Shop = SHOP, seed: int = 5) -> Presented:
    """The sample programme's sentences in random order through room, canceller, voice detector
    and turns, as the ear has them."""
    sentences, played = _sentences(seconds, seed)
    found, powers = Presented(), []
    vad, turns = Vad.load(assets_dir()), Turns()
    with tempfile.TemporaryDirectory() as folder:
        gate = EchoGate("auto", EchoCanceller(Path(folder)))
        for samples, end_ns in walk(Path(folder), played, np.zeros(0, np.float32), shop):
            begun_s = process_cpu_s()
            chunk = gate.clean(Chunk(samples, end_ns))
            found.cancel_cpu_s += process_cpu_s() - begun_s
            probability = gate.listened(vad.probability(chunk.samples), chunk.end_ns)
            found.seconds += CHUNK_MS / 1e3
            powers.append((np.mean(samples**2), np.mean(chunk.samples**2)))
            if gate.closed(chunk.end_ns):
                turns.drop()
                continue
            events = turns.feed(chunk.samples, probability, chunk.end_ns)
            found.began_s += [found.seconds for event in events if isinstance(event, Began)]
            found.held += sum(isinstance(event, Perhaps) for event in events)
            found.stops += sum(isinstance(event, Sure) or (
                isinstance(event, Began) and event.certain) for event in events)
        gate.close()
    for first_s, last_s in sentences:
        part = np.array(powers[int(first_s * 1e3 / CHUNK_MS) : int(last_s * 1e3 / CHUNK_MS) + 4])
        if first_s > SETTLED_S and last_s < found.seconds:
            heard, left = part.sum(axis=0)
            found.erle_db.append(float(10 * np.log10(heard / left)))
    return found


def measure() -> list[Figure]:
    """One minute of presenting."""
    return figures(present(60.0))


def figures(found: Presented) -> list[Figure]:
    """Median and worst ERLE, false starts, and the canceller's work. Pure."""
    return [
        Figure("echo: removed while speaking (ERLE), median", float(np.median(found.erle_db)),
               "dB", ERLE_DB, at_least=True, note=f"{len(found.erle_db)} sentences"),
        Figure("echo: the same, worst sentence", min(found.erle_db), "dB", WORST_DB,
               at_least=True),
        Figure("echo: turns begun by its own voice", len(found.began_s), "", 0.0,
               note=f"in {found.seconds / 60:.1f} min of presenting"),
        Figure("echo: of them certain, which stops the avatar", found.stops, "", 0.0),
        Figure("echo: its breath held for nothing", found.held, ""),
        Figure("echo: work for a second of sound", found.cancel_cpu_s / found.seconds, "s/s", 0.08),
    ]


def _sentences(seconds: float, seed: int) -> tuple[list[tuple[float, float]], Samples]:
    """(begin, end) of each in seconds, and all of them at 48 kHz."""
    random = np.random.default_rng(seed)
    files = sorted(SPEECH.glob("*.opus"))
    pause = np.zeros(int(PAUSE_S * PLAYED_HZ), np.float32)
    pieces, marks, at = [pause], [], len(pause)
    while at < seconds * PLAYED_HZ:
        for index in random.permutation(len(files)):
            clip = read(files[index], PLAYED_HZ)
            marks.append((at / PLAYED_HZ, (at + len(clip)) / PLAYED_HZ))
            pieces += [clip, pause]
            at += len(clip) + len(pause)
            if at >= seconds * PLAYED_HZ:
                break
    return marks, np.concatenate(pieces)


def main() -> None:
    """Print the figures."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    for figure in figures(present(seconds)):
        print(figure.as_line())


if __name__ == "__main__":
    main()
