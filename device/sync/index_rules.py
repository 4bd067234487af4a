"""What an index may say, judged before its files are fetched; and is a folder as it says."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

import msgspec

from device.programme.load import INDEX_BYTES_MAX, is_inside_path
from device.programme.schema import INDEX_FILE, PROGRAMME_FILE, Index
from ota.errors import Refused
from ota.files import read_bounded, sha256_file
from ota.trust.client import Target

FILES_MAX = 10_000
FILE_BYTES_MAX = 1 << 30
PROGRAMME_BYTES_MAX = 4 << 30


def read_index(data: bytes, target: Target) -> Index:
    """The index behind a signed target. Raises Refused: other bytes, malformed, over a limit."""
    if len(data) > INDEX_BYTES_MAX:
        raise Refused("The programme's index is larger than 16 MiB; publish a smaller one.")
    if len(data) != target.length_bytes or hashlib.sha256(data).hexdigest() != target.sha256:
        raise Refused(f"The index of {target.path} is not the one that was signed.")
    try:
        index = msgspec.json.decode(data, type=Index)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The index of {target.path} is malformed ({error}).") from error
    check_index(index)
    return index


def check_index(index: Index) -> None:
    """Limits and names of an index, before a byte is fetched. Raises Refused."""
    if len(index.files) > FILES_MAX:
        raise Refused(f"The programme has more than {FILES_MAX} files.")
    sizes = [entry.bytes for entry in index.files.values()]
    if max(sizes, default=0) > FILE_BYTES_MAX or sum(sizes) > PROGRAMME_BYTES_MAX:
        raise Refused("The programme is larger than a box may hold (1 GiB a file, 4 GiB in all).")
    paths = {PurePosixPath(name) for name in index.files}
    folders = {parent for path in paths for parent in path.parents}
    plain = all(
        is_inside_path(name) and str(PurePosixPath(name)) == name for name in index.files
    )
    if not plain or paths & folders or PurePosixPath(INDEX_FILE) in paths:
        raise Refused("The programme's index names a file outside its folder, or twice.")
    if PurePosixPath(PROGRAMME_FILE) not in paths:
        raise Refused(f"The programme's index has no {PROGRAMME_FILE}; build it again.")


def is_whole(folder: Path, index_sha256: str) -> bool:
    """True when the folder holds exactly what the index of this hash says."""
    try:
        data = read_bounded(folder / INDEX_FILE, INDEX_BYTES_MAX)
        if sha256_file(folder / INDEX_FILE) != index_sha256:
            return False
        index = msgspec.json.decode(data, type=Index)
        check_index(index)
        return all(
            sha256_file(folder / PurePosixPath(name)) == entry.sha256
            for name, entry in index.files.items()
        )
    except (OSError, Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
