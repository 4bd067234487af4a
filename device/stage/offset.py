"""The screen's own delay against the sound: who may set it, who wins, and where it lasts.

`av_offset_ms`: positive shows the picture later (slow loudspeakers), negative earlier (a TV that
works on its picture). What was measured in front of this very screen (`etc/vitrine/player.json`)
goes before the console's setting, and that before the command line's argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from device.messages import OffsetMs
from device.paths import Places
from ota.errors import Refused
from ota.files import read_bounded, sync_directory, write_durable

OFFSET_MS_MAX = 500.0
FILE_BYTES_MAX = 4096
Source = Literal["box", "console", "argument"]


class _PlayerFile(msgspec.Struct, frozen=True):
    """`etc/vitrine/player.json`; further fields of other releases are left alone."""

    av_offset_ms: OffsetMs | None = None


@dataclass(frozen=True)
class Chosen:
    """The delay that holds, and who said so."""

    av_offset_ms: float
    source: Source


def choose(on_box: float | None, of_console: float | None, argument: float) -> Chosen:
    """The box's own measurement, else the console's setting, else the argument; bounded."""
    if on_box is not None:
        return Chosen(bounded(on_box), "box")
    if of_console is not None:
        return Chosen(bounded(of_console), "console")
    return Chosen(bounded(argument), "argument")


def bounded(offset_ms: float) -> float:
    """Within +-500 ms, whatever was given."""
    return max(-OFFSET_MS_MAX, min(OFFSET_MS_MAX, float(offset_ms)))


def checked(offset_ms: object) -> float:
    """A delay that a person gave. Raises Refused beyond +-500 ms and for what is no number."""
    if isinstance(offset_ms, bool) or not isinstance(offset_ms, (int, float)) or not (
            -OFFSET_MS_MAX <= offset_ms <= OFFSET_MS_MAX):
        raise Refused(f"The picture's delay must be a number from -{OFFSET_MS_MAX:.0f} to "
                      f"{OFFSET_MS_MAX:.0f} ms.")
    return float(offset_ms)


def settings_path(places: Places) -> Path:
    """The box's own settings of the player, over releases and power cuts."""
    return places.etc / "player.json"


def on_box(places: Places) -> float | None:
    """What was measured at this screen, None where nobody has. Raises Refused for a bad file."""
    path = settings_path(places)
    try:
        return msgspec.json.decode(
            read_bounded(path, FILE_BYTES_MAX), type=_PlayerFile).av_offset_ms
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{path} cannot be used ({error}); calibrate again with "
                      "`vitrine device calibrate`.") from error


def keep(places: Places, offset_ms: float | None) -> None:
    """Keep the measurement, or forget it (None). Raises Refused (bounds, no right to write) and
    Retry (full disk)."""
    path = settings_path(places)
    try:
        if offset_ms is not None:
            write_durable(path, msgspec.json.encode(_PlayerFile(checked(offset_ms))) + b"\n")
        elif path.exists():
            path.unlink()
            sync_directory(path.parent)
    except OSError as error:
        raise Refused(f"{path} cannot be written ({error.strerror}); use sudo.") from error
