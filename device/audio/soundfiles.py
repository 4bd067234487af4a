"""The only importer of soundfile: reads whatever libsndfile reads, writes WAV and Opus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from device.audio.resample import mono, resample
from ota.errors import Refused, Retry

Samples = NDArray[np.float32]

_SECONDS_MAX = 3600.0
_SILENT_PEAK = 1e-4
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


def read(path: Path, rate_hz: int, allow_silence: bool = True) -> Samples:
    """The sound file as mono float32 at `rate_hz`.

    Raises Refused, saying which, when it is missing, no sound file, empty, over an hour long,
    holds numbers that are no sound, or is silent and `allow_silence` is False.
    """
    samples, from_hz = _decode(path)
    if not len(samples):
        raise Refused(f"{path} holds no sound: its length is zero; record it again.")
    if not np.isfinite(samples).all():
        raise Refused(f"{path} holds numbers that are no sound; record or export it again.")
    one = np.clip(mono(samples), -1.0, 1.0)
    if not allow_silence and float(np.abs(one).max(initial=0.0)) < _SILENT_PEAK:
        raise Refused(f"{path} is silent; check the microphone it was recorded with.")
    return resample(one, from_hz, rate_hz)


def _decode(path: Path) -> tuple[Samples, int]:
    if not path.is_file():
        raise Refused(f"There is no sound file {path}; check the name.")
    try:
        with soundfile.SoundFile(str(path)) as file:
            if file.frames > _SECONDS_MAX * file.samplerate:
                raise Refused(f"{path} is longer than an hour; cut it.")
            frames_max = int(_SECONDS_MAX * file.samplerate)
            return file.read(frames_max, dtype="float32", always_2d=True), int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        raise Refused(
            f"{path} is not a sound file that can be read (WAV, FLAC, Ogg, Opus, MP3); "
            "convert or record it again."
        ) from error


def length_s(path: Path) -> float:
    """How long a sound file lasts by its header. Raises Refused when it is none."""
    try:
        with soundfile.SoundFile(str(path)) as file:
            return float(file.frames / file.samplerate)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        raise Refused(f"{path} is not a sound file that can be read; convert it.") from error


def write_wav(path: Path, samples: Samples, rate_hz: int) -> None:
    """Mono (n,) or (n, channels) float32 as 16-bit WAV. Raises Retry when the disk refuses."""
    _write(path, samples, rate_hz, "WAV", "PCM_16")


def write_opus(path: Path, samples: Samples, rate_hz: int) -> None:
    """As Ogg Opus, at 48 kHz unless `rate_hz` is one that Opus knows (8, 12, 16, 24, 48 kHz)."""
    if rate_hz not in _OPUS_RATES_HZ:
        samples, rate_hz = resample(samples, rate_hz, 48_000), 48_000
    _write(path, samples, rate_hz, "OGG", "OPUS")


def _write(path: Path, samples: Samples, rate_hz: int, kind: str, subtype: str) -> None:
    part = path.with_name(path.name + ".part")
    try:
        soundfile.write(str(part), np.clip(samples, -1.0, 1.0), rate_hz, subtype, format=kind)
        part.replace(path)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        part.unlink(missing_ok=True)
        raise Retry(f"{path} could not be written; free disk space and try again.") from error
