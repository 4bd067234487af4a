"""Sounds of a shop that are no speech: coughs, claps, doors, trays; made here, so nobody's.

A cough is modelled as its three phases (Piirilä and Sovijärvi 1995): an explosive burst of
30-50 ms, a noisy flow of 100-250 ms through the vocal tract, and often a voiced end. A clap is
a burst of 5-15 ms with a resonance of the hands near 1-2 kHz and the room's tail (Repp 1987).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]

RATE_HZ = 16_000
_TRACT_HZ = (650.0, 1500.0, 2600.0)
PEAK = 0.4


def bursts(of_each: int = 15, seed: int = 5) -> list[tuple[str, Samples]]:
    """(kind, mono 16 kHz sound with its peak at 0.4) of each kind, the same every time."""
    random = np.random.default_rng(seed)
    makers: dict[str, Callable[[np.random.Generator], Floats]] = {
        "cough": _cough, "voiced cough": _voiced_cough, "two coughs": _two_coughs,
        "clap": _clap, "applause": _applause, "door": _door, "tray": _tray,
    }  # fmt: skip
    return [
        (kind, _levelled(make(random))) for kind, make in makers.items() for _ in range(of_each)
    ]


def _levelled(sound: Floats) -> Samples:
    levelled: Samples = (sound * PEAK / np.max(np.abs(sound))).astype(np.float32)
    return levelled


def _noise(random: np.random.Generator, seconds: float) -> Floats:
    return random.standard_normal(int(seconds * RATE_HZ))


def _fade(length: int, attack_s: float, decay_s: float) -> Floats:
    t = np.arange(length) / RATE_HZ
    return np.minimum(t / attack_s, 1.0) * np.exp(-np.maximum(t - attack_s, 0.0) / decay_s)


def _shaped(sound: Floats, peaks: tuple[tuple[float, float], ...], floor: float = 0.05) -> Floats:
    """Through resonances (Hz, width in Hz), in the frequency domain."""
    spectrum = np.fft.rfft(sound)
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    gain = np.full(len(hz), floor)
    for centre_hz, width_hz in peaks:
        gain += 1.0 / (1.0 + ((hz - centre_hz) / width_hz) ** 2)
    out: Floats = np.fft.irfft(spectrum * gain, len(sound))
    return out


def _tract(random: np.random.Generator) -> tuple[tuple[float, float], ...]:
    size = random.uniform(0.85, 1.2)
    return tuple((hz * size, random.uniform(120, 300)) for hz in _TRACT_HZ)


def _cough(random: np.random.Generator) -> Floats:
    tract = _tract(random)
    burst = _noise(random, random.uniform(0.03, 0.05))
    burst = _shaped(burst * _fade(len(burst), 0.002, 0.03), tract, 0.4)
    flow = _noise(random, random.uniform(0.1, 0.25))
    flow = _shaped(flow * _fade(len(flow), 0.01, 0.08), tract, 0.15)
    return np.concatenate([burst, random.uniform(0.3, 0.6) * flow])


def _voiced_cough(random: np.random.Generator) -> Floats:
    cough = _cough(random)
    length = int(random.uniform(0.06, 0.14) * RATE_HZ)
    pitch_hz = random.uniform(110, 260) * np.linspace(1.0, random.uniform(0.7, 0.9), length)
    pulses = np.diff(np.floor(np.cumsum(pitch_hz) / RATE_HZ), prepend=0.0)
    end = _shaped(pulses * _fade(length, 0.01, 0.06), _tract(random), 0.02)
    end += 0.05 * np.std(end) * random.standard_normal(length)
    scale = random.uniform(0.3, 1.0) * np.max(np.abs(cough)) / np.max(np.abs(end))
    return np.concatenate([cough, scale * end])


def _two_coughs(random: np.random.Generator) -> Floats:
    gap = np.zeros(int(random.uniform(0.12, 0.35) * RATE_HZ))
    return np.concatenate([_cough(random), gap, 0.8 * _voiced_cough(random)])


def _clap(random: np.random.Generator) -> Floats:
    hit = _noise(random, 0.25) * _fade(4000, 0.001, random.uniform(0.004, 0.012))
    hit = _shaped(hit, ((random.uniform(800, 2200), 500.0),), 0.2)
    tail = _noise(random, 0.25) * _fade(4000, 0.005, random.uniform(0.03, 0.08))
    return hit + random.uniform(0.02, 0.08) * tail


def _applause(random: np.random.Generator) -> Floats:
    out = np.zeros(int(1.2 * RATE_HZ))
    for _ in range(random.integers(4, 9)):
        at = int(random.integers(0, len(out) - 4000))
        out[at : at + 4000] += random.uniform(0.4, 1.0) * _clap(random)
    return out


def _door(random: np.random.Generator) -> Floats:
    length = int(0.4 * RATE_HZ)
    thud = _noise(random, 0.4) * _fade(length, 0.003, random.uniform(0.04, 0.1))
    thud = _shaped(thud, ((random.uniform(70, 180), 60.0), (random.uniform(300, 600), 150.0)), 0.02)
    latch_at = int(random.uniform(0.05, 0.15) * RATE_HZ)
    thud[latch_at : latch_at + 4000] += 0.3 * np.max(np.abs(thud)) * _clap(random)
    return thud


def _tray(random: np.random.Generator) -> Floats:
    """Metal or china: a few hits, each a handful of inharmonic ringing modes."""
    out = np.zeros(int(0.9 * RATE_HZ))
    t = np.arange(int(0.4 * RATE_HZ)) / RATE_HZ
    modes_hz = random.uniform(700, 6500, 7)
    for _ in range(random.integers(2, 6)):
        at = int(random.uniform(0, 0.45) * RATE_HZ)
        ring = np.zeros(len(t))
        for hz in modes_hz:
            decay_s = random.uniform(0.01, 0.09)
            ring += random.uniform(0.2, 1.0) * np.sin(2 * np.pi * hz * t) * np.exp(-t / decay_s)
        hit = 2.0 * random.standard_normal(len(t)) * np.exp(-t / 0.006)
        out[at : at + len(t)] += random.uniform(0.4, 1.0) * (ring + hit)
    return out
