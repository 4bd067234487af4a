"""Phoneme times of a clip that no index names, in a file beside it: what the box itself speaks."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ota.errors import Refused
from ota.files import read_bounded, write_durable

BYTES_MAX = 1 << 18


class _Times(msgspec.Struct, frozen=True):
    phonemes: str = ""
    phonemes_ms: tuple[int, ...] = ()


def times_file(clip: Path) -> Path:
    """Where the times of that clip are: beside it, and to be deleted with it."""
    return clip.with_name(f"{clip.name}.times")


def write_times(clip: Path, phonemes: str, phonemes_ms: tuple[int, ...]) -> None:
    """Write them; to be done before the clip itself is there. Raises Retry for a full disk."""
    write_durable(times_file(clip), msgspec.json.encode(_Times(phonemes, phonemes_ms)))


def read_times(clip: Path) -> tuple[str, tuple[int, ...]]:
    """(signs, when each begins in ms); empty where there are none, or none that can be read."""
    try:
        found = msgspec.json.decode(read_bounded(times_file(clip), BYTES_MAX), type=_Times)
    except (OSError, Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "", ()
    return found.phonemes, found.phonemes_ms
