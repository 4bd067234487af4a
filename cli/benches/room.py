"""A shop simulated in numbers: loudspeaker, room and microphone with clocks of their own.

The room is a noise tail of RT60 0.4 s after the direct sound, the loudspeaker clips softly, the
microphone has a noise of its own; played sound goes through the real reference file, so all of
the ear's way is walked, only faster than real time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.audio.clock import MediaClock
from device.audio.reference import RATE_HZ as PLAYED_HZ
from device.audio.reference import ReferenceWriter
from device.audio.resample import resample

Samples = npt.NDArray[np.float32]

HEARD_HZ = 16_000
CHUNK = 512
_CHUNK_NS = CHUNK * 1_000_000_000 // HEARD_HZ
_AHEAD_S = 0.12
_BLOCK = 1_536
BEGIN_NS = 10_000_000_000


@dataclass(frozen=True)
class Shop:
    """`delay_ms` is from what the clocks promise to the direct sound at the microphone; `drift_ppm`
    how fast the loudspeaker's clock runs against the microphone's; `jump_ms` is added to the delay
    after `jump_s`. `jitter_ms` is how far a chunk's time may be off. `echo_db` is the echo's level
    at the microphone against the played one; from `muted_s[0]` to [1] the loudspeaker is mute."""

    delay_ms: float = 40.0
    drift_ppm: float = 0.0
    jump_ms: float = 0.0
    jump_s: float = 0.0
    jitter_ms: float = 2.0
    echo_db: float = -4.4
    drive: float = 1.5
    rt60_s: float = 0.4
    noise_rms: float = 0.0008
    seed: int = 3
    muted_s: tuple[float, float] = (0.0, 0.0)


def response(shop: Shop) -> Samples:
    """The room's impulse response at 16 kHz, of unit energy; Polack's model of reverberation."""
    random = np.random.default_rng(shop.seed)
    count = int(0.3 * HEARD_HZ)
    tail = random.standard_normal(count) * np.exp(
        -6.9 * np.arange(count) / (shop.rt60_s * HEARD_HZ))
    first = int(0.002 * HEARD_HZ)
    tail[:first] = 0.0
    tail[first] = 3.0
    found: Samples = (tail / np.sqrt(np.sum(tail * tail))).astype(np.float32)
    return found


def echo_of(played_48k: Samples, shop: Shop) -> Samples:
    """What the microphone hears of it, without noise, at 16 kHz by the microphone's clock."""
    loud = np.tanh(shop.drive * played_48k) / shop.drive
    loud[slice(*(round(at_s * PLAYED_HZ) for at_s in shop.muted_s))] = 0.0
    dry = resample(loud.astype(np.float32), PLAYED_HZ, HEARD_HZ).astype(np.float64)
    wet = _convolved(dry, response(shop)) * 10 ** (shop.echo_db / 20)
    if not shop.drift_ppm and not shop.jump_ms:
        late = round(shop.delay_ms * HEARD_HZ / 1e3)
        return np.concatenate([np.zeros(late), wet])[: len(wet)].astype(np.float32)
    at = np.arange(len(wet), dtype=np.float64)
    delay = np.full(len(wet), shop.delay_ms * HEARD_HZ / 1e3)
    if shop.jump_ms:
        delay[int(shop.jump_s * HEARD_HZ) :] += shop.jump_ms * HEARD_HZ / 1e3
    return _read_at(wet, at * (1 + shop.drift_ppm * 1e-6) - delay)


def walk(
    folder: Path, played_48k: Samples, near_16k: Samples, shop: Shop
) -> Iterator[tuple[Samples, int]]:
    """Chunks of the microphone with their times, while the player writes what it plays.

    `near_16k` is what visitors say (at most as long); times begin at BEGIN_NS.
    """
    random = np.random.default_rng(shop.seed + 1)
    heard = echo_of(played_48k, shop)
    heard[: len(near_16k)] += near_16k[: len(heard)]
    heard += (random.standard_normal(len(heard)) * shop.noise_rms).astype(np.float32)
    heard = np.clip(heard, -1.0, 1.0)
    clock = MediaClock(PLAYED_HZ, BEGIN_NS / 1e9)
    writer = ReferenceWriter(folder, clock)
    written = 0
    fast = 1 + shop.drift_ppm * 1e-6
    for k in range(len(heard) // CHUNK):
        end_s = (k + 1) * CHUNK / HEARD_HZ
        while written < (end_s + _AHEAD_S) * PLAYED_HZ * fast and written < len(played_48k):
            clock._offset_s = -BEGIN_NS / 1e9 + end_s * (fast - 1)
            writer.write(written, played_48k[written : written + _BLOCK])
            written += _BLOCK
        jitter_ns = int(random.uniform(-1, 1) * shop.jitter_ms * 1e6)
        yield heard[k * CHUNK : (k + 1) * CHUNK], BEGIN_NS + (k + 1) * _CHUNK_NS + jitter_ns
    writer.close()


def _convolved(dry: npt.NDArray[np.float64], tail: Samples) -> npt.NDArray[np.float64]:
    """By overlap-add, so that half an hour needs no transform of its length."""
    block = 1 << 16
    size = block + len(tail) - 1
    wet = np.zeros(len(dry) + len(tail) - 1)
    spectrum = np.fft.rfft(tail, size)
    for at in range(0, len(dry), block):
        piece = np.fft.irfft(np.fft.rfft(dry[at : at + block], size) * spectrum, size)
        end = min(at + size, len(wet))
        wet[at:end] += piece[: end - at]
    return wet[: len(dry)]


def _read_at(values: npt.NDArray[np.float64], at: npt.NDArray[np.float64]) -> Samples:
    """Between samples by a windowed sinc of 32 taps; silence outside."""
    found = np.zeros(len(at))
    whole = np.floor(at).astype(np.int64)
    between = at - whole
    padded = np.pad(values, 64)
    for tap in range(-15, 17):
        away = between - tap
        window = 0.5 + 0.5 * np.cos(np.pi * away / 16.5)
        index = np.clip(whole + tap + 64, 0, len(padded) - 1)
        found += padded[index] * np.sinc(away) * window
    return found.astype(np.float32)
