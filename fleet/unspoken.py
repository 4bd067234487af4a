"""Is there speech in a draft's folder that no box has? After a store got other values."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ota.errors import Refused
from ota.files import read_bounded

INDEX_BYTES_MAX = 16 << 20


class _Clip(msgspec.Struct):
    file: str


class _Index(msgspec.Struct):
    speech: dict[str, _Clip]


def has_unspoken(draft: Path, version: int) -> bool:
    """Does the folder's index speak with a clip that the published version has not?

    False where one of the two cannot be read: the next publish will tell why.
    """
    try:
        built, published = (
            {clip.file for clip in _speech(path).values()}
            for path in (draft / "index.json", draft.parent / "versions" / f"{version}.index.json"))
    except (OSError, Refused, msgspec.MsgspecError):
        return False
    return not built <= published


def _speech(path: Path) -> dict[str, _Clip]:
    return msgspec.json.decode(read_bounded(path, INDEX_BYTES_MAX), type=_Index).speech
