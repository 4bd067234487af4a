"""A chain's own recordings, made ready to be played."""

from __future__ import annotations

from pathlib import Path

from device.audio.soundfiles import read
from device.tts.engine import Speech, trimmed

BY_PERSON = "recording"
# Part of a recording's clip name: raise the number when the same file would sound otherwise.
LEVELLING = "r128/1"
RATE_HZ = 48_000


def finished(path: Path) -> Speech:
    """A recording as it is played: mono, without the silence around it, at the speech's loudness.

    Raises Refused when it cannot be read or is silent.
    """
    cut, _ = trimmed(read(path, RATE_HZ, allow_silence=False), RATE_HZ)
    return Speech(cut, RATE_HZ)
