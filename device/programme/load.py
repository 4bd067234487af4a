"""Reading a programme's folder: bounded, and never a byte from outside the folder."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath

import msgspec

from device.programme.schema import INDEX_FILE, PROGRAMME_FILE, AvatarWish, Index, Programme
from ota.errors import Refused
from ota.files import read_bounded

PROGRAMME_BYTES_MAX = 4 << 20
INDEX_BYTES_MAX = 16 << 20
ASSET_BYTES_MAX = 32 << 20
JSON_DEPTH_MAX = 32
# A longer name is no name on any file system of ours.
NAME_BYTES_MAX, PATH_BYTES_MAX = 255, 400


def inside(folder: Path, relative: str) -> Path:
    """The path of the folder's file `relative` ("assets/a.webp").

    Raises Refused when it is absolute, climbs out with "..", or passes through a symlink:
    a programme comes from elsewhere and must not read the box's own files.
    """
    if not is_inside_path(relative):
        raise Refused(f'"{relative}" leaves the programme\'s folder; use a path inside it.')
    path = folder
    for part in PurePosixPath(relative).parts:
        path = path / part
        if path.is_symlink():
            raise Refused(f"{path} is a symbolic link; put the file itself into the folder.")
    return path


def is_inside_path(relative: str) -> bool:
    """True for a plain relative POSIX path that cannot climb out of its folder."""
    if not relative or "\\" in relative or ":" in relative:
        return False
    if any(ord(character) < 32 for character in relative):
        return False
    path = PurePosixPath(relative)
    fits = all(len(part.encode()) <= NAME_BYTES_MAX for part in path.parts)
    return not path.is_absolute() and ".." not in path.parts and fits and (
        len(relative.encode()) <= PATH_BYTES_MAX)


def read_file(folder: Path, relative: str, bytes_max: int) -> bytes:
    """The bytes of a file of the folder; raises Refused when it is not there or too large."""
    path = inside(folder, relative)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise Refused(f"{path} is not a file; a programme needs a plain file there.")
        if found.st_size > bytes_max:  # before a byte of it is read
            raise Refused(f"{path} is larger than the allowed {bytes_max} bytes; shorten it.")
        return read_bounded(path, bytes_max)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refused(f"{path} cannot be read ({reason}); is it the right folder?") from error


class _Named(msgspec.Struct, frozen=True):
    avatar: AvatarWish | None = None


def wished_avatar(folder: Path) -> AvatarWish | None:
    """The avatar that a programme names, without judging the rest of it; None when it names none
    or cannot be read: its own check says what is wrong there."""
    try:
        data = read_bounded(folder / PROGRAMME_FILE, PROGRAMME_BYTES_MAX)
        return msgspec.json.decode(data, type=_Named).avatar
    except (OSError, Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def load(folder: Path) -> Programme:
    """The programme of a folder, types checked; `check.check` finds what types cannot.

    Raises Refused, naming the first wrong field.
    """
    data = read_file(folder, PROGRAMME_FILE, PROGRAMME_BYTES_MAX)
    try:
        return msgspec.json.decode(data, type=Programme)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(
            f"{folder / PROGRAMME_FILE} is not a programme: {error}; "
            f"`vitrine programme check {folder}` lists every fault."
        ) from error


def load_index(folder: Path) -> Index:
    """The index that `programme build` wrote; raises Refused when it is absent or broken."""
    try:
        data = read_file(folder, INDEX_FILE, INDEX_BYTES_MAX)
    except Refused as error:
        raise Refused(f"{error} Run `vitrine programme build {folder}` first.") from error
    try:
        index = msgspec.json.decode(data, type=Index)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(
            f"{folder / INDEX_FILE} is broken ({error}); run `vitrine programme build {folder}`."
        ) from error
    for path in (*index.files, *(clip.file for clip in index.speech.values())):
        if not is_inside_path(path):
            raise Refused(f'{folder / INDEX_FILE} names "{path}", outside its folder; rebuild it.')
    return index
