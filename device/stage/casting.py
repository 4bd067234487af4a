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
from device.paths import Places, repository_root
from ota.clock import Deadline
from ota.errors import VitrineError
from ota.files import read_bounded, write_durable

DEFAULT = "lin"
BYTES_MAX = 1 << 20


class _Cast(msgspec.Struct, frozen=True):
    id: str = DEFAULT


class _Programme(msgspec.Struct, frozen=True):
    avatar: _Cast = _Cast()


def avatars_dir() -> Path:
    """One bundle folder an avatar's id."""
    return repository_root() / "models" / "avatars"


def chosen(places: Places) -> Path:
    """The bundle to open: the last one that a programme named, else the default one."""
    try:
        found = msgspec.json.decode(read_bounded(_note(places), BYTES_MAX), type=_Cast).id
    except (OSError, VitrineError, msgspec.DecodeError):
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
            wanted = wanted_by(Path(message.path))
            if wanted is not None and is_here(wanted):
                remember(places, wanted)


def wanted_by(programme: Path) -> str | None:
    """The avatar that a programme's folder names; None when it cannot be read."""
    try:
        data = read_bounded(programme / "programme.json", BYTES_MAX)
        return msgspec.json.decode(data, type=_Programme).avatar.id
    except (OSError, VitrineError, msgspec.DecodeError):
        return None


def _note(places: Places) -> Path:
    return places.var / "player" / "avatar.json"
