"""Signed shortcuts: cheaper ways to bytes that an index names. Without one a file is fetched whole.

`programmes/<id>/shortcuts.json`, and `releases/<version>.ways.json` for a release, are targets
like any other, so nothing that they name (lists, packs, deltas) reaches a decoder before its hash
was judged. Boxes that do not know them lose nothing.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ota.errors import Refused
from ota.formats.chunks import LIST_BYTES_MAX

SCHEMA = 1
NAME = "shortcuts.json"
SHORTCUTS_BYTES_MAX = 4 << 20
# Above this a file is worth a list of chunks, below it may be worth a delta.
CHUNKED_FROM_BYTES = 256 << 10
DELTA_BYTES_MAX = 4 << 20
PATCHES_MAX = 8
OLDER_MAX = 16
PATCH_BYTES_MAX = 1 << 30
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]


class Chunked(Struct, frozen=True, kw_only=True):
    """A file in chunks: their list, and the content in which they lie packed, in that order."""

    list: Sha256
    list_bytes: Annotated[int, Meta(ge=4, le=LIST_BYTES_MAX)]
    pack: Sha256


class Delta(Struct, frozen=True, kw_only=True):
    """How to make a file out of an older one: a zstd frame that looks back on `old`."""

    old: Sha256
    sha256: Sha256
    bytes: Annotated[int, Meta(ge=1, le=DELTA_BYTES_MAX)]


class Shortcuts(Struct, frozen=True, kw_only=True):
    """By the sha256 of the file that is wanted."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)] = SCHEMA
    chunked: dict[Sha256, Chunked] = {}
    deltas: dict[Sha256, list[Delta]] = {}


class Patch(Struct, frozen=True, kw_only=True):
    """How to make a release's artefact out of an older one (`ota.formats.patch`); `ram_bytes`
    is what a box holds in memory at most while it does."""

    old: Sha256
    sha256: Sha256
    bytes: Annotated[int, Meta(ge=1, le=PATCH_BYTES_MAX)]
    ram_bytes: Annotated[int, Meta(ge=0)]


class Ways(Struct, frozen=True, kw_only=True):
    """Cheaper ways to one release's artefact.

    `pack_bytes` is what all its chunks weigh packed, `missing_bytes` how much of that a box with
    an older artefact lacks, by that one's sha256. `manifests` are deltas of the manifest itself.
    """

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA)] = SCHEMA
    chunked: Chunked
    pack_bytes: Annotated[int, Meta(ge=1)]
    missing_bytes: Annotated[dict[Sha256, int], Meta(max_length=OLDER_MAX)] = {}
    patches: Annotated[list[Patch], Meta(max_length=PATCHES_MAX)] = []
    manifests: Annotated[list[Delta], Meta(max_length=PATCHES_MAX)] = []


def ways_of(target: str) -> str:
    """The name of the ways beside a release's target."""
    return f"{target.removesuffix('.json')}.ways.json"


def read_ways(data: bytes) -> Ways:
    """Raises Refused when malformed."""
    try:
        return msgspec.json.decode(data, type=Ways)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The ways to a release are malformed ({error}); publish again.") from error


def shortcuts_of(target: str) -> str:
    """The name of the shortcuts beside a programme's target."""
    return f"{target.rpartition('/')[0]}/{NAME}"


def read(data: bytes) -> Shortcuts:
    """Raises Refused when malformed."""
    try:
        return msgspec.json.decode(data, type=Shortcuts)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The shortcuts are malformed ({error}); publish again.") from error
