"""Which avatar a box shows: the one its programme names, kept over restarts.

Another avatar is another process (its networks would otherwise lie in memory beside the old ones):
the player leaves at the end of a sentence and is started again with the new one, behind its last
frame.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from device import messages as m
from device.bus import Bus
from device.paths import Places, avatars_dir
from device.programme.load import wished_avatar
from ota.clock import Deadline
from ota.errors import VitrineError
from ota.files import read_bounded, write_durable

DEFAULT = "lin"
BYTES_MAX = 4096


class _Cast(msgspec.Struct, frozen=True):
    id: str = DEFAULT


def chosen(places: Places) -> Path:
    """The bundle to open: the last one that a programme named, else the default one."""
    try:
        found = msgspec.json.decode(read_bounded(_note(places), BYTES_MAX), type=_Cast).id
    except (OSError, VitrineError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = DEFAULT
    return avatars_dir() / (found if is_here(found) else DEFAULT)


def is_here(avatar_id: str) -> bool:
    """Has this box that avatar? The id comes from outside: no path is one."""
    return avatar_id == Path(avatar_id).name and (avatars_dir() / avatar_id
                                                  / "avatar.json").is_file()


def remember(places: Places, avatar_id: str) -> None:
    """The next player opens this one. Raises Retry when the disk is full."""
    _note(places).parent.mkdir(parents=True, exist_ok=True)
    write_durable(_note(places), msgspec.json.encode(_Cast(avatar_id)))


def hear_of_another(places: Places, bus: Bus, seconds: float) -> None:
    """While an avatar cannot be shown: a programme that names another one is the way out."""
    deadline = Deadline(seconds)
    while not deadline.passed:
        message = bus.receive(deadline.left_s)
        if isinstance(message, m.ContentReady):
            wish = wished_avatar(Path(message.path))
            wanted = wish.id if wish is not None else DEFAULT
            if is_here(wanted):
                remember(places, wanted)


def _note(places: Places) -> Path:
    return places.var / "player" / "avatar.json"
