"""The real speech models, loaded once a test run, and sounds to try them on."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.asr.vad import Vad
from device.asr.whisper import Whisper
from device.audio.resample import resample
from device.paths import assets_dir
from device.tts.kokoro import Voice

CLIPS = Path(__file__).resolve().parent.parent / "device" / "clips"
BOTH = ("zh-CN", "en-US")


@lru_cache(maxsize=1)
def voice() -> Voice:
    return Voice.load(assets_dir())


@lru_cache(maxsize=1)
def whisper() -> Whisper:
    return Whisper.load(assets_dir(), threads=2)


@lru_cache(maxsize=1)
def vad() -> Vad:
    return Vad.load(assets_dir())


@lru_cache(maxsize=16)
def spoken_16k(text: str, language: str, by: str | None = None) -> NDArray[np.float32]:
    speech = voice().synthesise(text, language, voice=by)
    return resample(speech.samples, speech.sample_rate_hz, 16_000)


def noise(seconds: float, rms: float, seed: int = 1, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """White noise, the same every time."""
    random = np.random.default_rng(seed)
    return (random.standard_normal(int(seconds * rate_hz)) * rms).astype(np.float32)


def hum(seconds: float, hz: float = 100.0, level: float = 0.1) -> NDArray[np.float32]:
    """A fridge: one tone with its harmonics."""
    t = np.arange(int(seconds * 16_000)) / 16_000
    tone = np.sin(2 * np.pi * hz * t) + 0.5 * np.sin(4 * np.pi * hz * t)
    return (level * tone).astype(np.float32)
