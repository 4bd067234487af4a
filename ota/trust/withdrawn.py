"""Likeness consents that their owners took back: what a box has learnt of them, for good.

The chain signs the list as `avatars/withdrawn.json` (avatars role, offline). A box keeps every id
it has ever seen there, so that no older list brings a face back; who may be shown again gets a new
consent under a new id.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from ota.errors import Refused
from ota.floor import TwoCopies, locked

TARGET = "avatars/withdrawn.json"
IDS_MAX = 2000
LIST_BYTES_MAX = 200_000
SCHEMA = 1
Id = Annotated[str, Meta(min_length=1, max_length=80)]


class _List(msgspec.Struct, frozen=True):
    withdrawn: list[Id]
    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)] = SCHEMA


class Withdrawn:
    """The box's memory of `revocation_id`s that count no more, in two copies at `path`."""

    def __init__(self, path: Path) -> None:
        self._path, self._state = path, TwoCopies(path)

    def ids(self) -> frozenset[str]:
        """All that were ever withdrawn, as far as this box has heard."""
        found = (self._state.read() or {}).get("ids")
        return frozenset(str(each) for each in found) if isinstance(found, list) else frozenset()

    def newest_list(self) -> str:
        """The sha256 of the list that was learnt last."""
        return str((self._state.read() or {}).get("list", ""))

    def learn(self, ids: Iterable[str], list_sha256: str = "") -> frozenset[str]:
        """Remember these for good; returns those that are new. Raises Retry: disk full."""
        with locked(self._path.with_name(f"{self._path.name}.lock")):
            before = self.ids()
            new = frozenset(ids) - before
            if new or list_sha256 != self.newest_list():
                self._state.write({"ids": sorted(before | new), "list": list_sha256})
            return new


def read(data: bytes) -> list[str]:
    """The ids in a list. Raises Refused: malformed, too long."""
    if len(data) > LIST_BYTES_MAX:
        raise Refused("The list of withdrawn consents is longer than 200 kB; ask for help.")
    try:
        found = msgspec.json.decode(data, type=_List).withdrawn
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The list of withdrawn consents is malformed ({error}).") from error
    if len(found) > IDS_MAX:
        raise Refused(f"More than {IDS_MAX} consents are withdrawn; ask for help.")
    return found


def written(ids: Iterable[str]) -> bytes:
    """The list as a file. Raises Refused over its limits."""
    data = msgspec.json.encode(_List(withdrawn=sorted(set(ids))))
    read(data)
    return data
