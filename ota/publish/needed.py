"""What the signed lists still need of the files in a repository, and what may go. Pure.

Two readings of one signed file. `content_of` is exact: what must lie in `targets/content`, or a box
cannot use it. `hashes_named` is wide: whatever looks like a hash is kept, also in formats that this
code does not know, so that a newer publisher's files are safe from an older pruner. Left out are
only hashes of what a box makes a thing *from*: it has that itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ota.errors import Refused
from ota.formats.shortcuts import NAME as SHORTCUTS
from ota.formats.shortcuts import Chunked, read, read_ways

WAYS = ".ways.json"
HASH = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
# Names of older files, and of files inside an artefact.
BASES = ("old", "missing_bytes")


@dataclass(frozen=True)
class File:
    """A file below `targets`: its name there, size, and when it was written (s since 1970)."""

    name: str
    size_bytes: int
    written_s: float


@dataclass(frozen=True)
class Verdict:
    """`goes` may be removed now, `waits` later. `since_s`: both, and since when nothing needs
    them."""

    goes: tuple[File, ...] = ()
    waits: tuple[File, ...] = ()
    since_s: Mapping[str, float] = field(default_factory=dict)


def judge(
    files: Iterable[File],
    needed: Collection[str],
    since_s: Mapping[str, float],
    now_s: float,
    grace_s: float,
) -> Verdict:
    """Sort `files` by whether a list needs them, and for how long none has.

    `since_s` is what was remembered: seen unneeded at that time and at every look since. A file
    that was written again under its name begins anew; a clock that went back begins anew, too.
    """
    goes, waits, left = [], [], {}
    for file in files:
        if file.name in needed:
            continue
        since = min(since_s.get(file.name, now_s), now_s)
        if grace_s <= 0 or now_s - max(since, file.written_s) >= grace_s:
            goes.append(file)
        else:
            waits.append(file)
        left[file.name] = since
    return Verdict(tuple(goes), tuple(waits), left)


def hashes_named(path: str, data: bytes) -> frozenset[str]:
    """Every sha256 in a signed file that may name content; `path` is its signed name."""
    leaf = path.rpartition("/")[2]
    if leaf == SHORTCUTS or path.startswith("releases/"):
        # Where it is no JSON every hash in it counts.
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            data = msgspec.json.encode(_without_bases(msgspec.json.decode(data)))
    return frozenset(found.decode() for found in HASH.findall(data))


def content_of(path: str, data: bytes) -> frozenset[str]:
    """The content without which this signed file is no use; none for formats unknown here."""
    leaf = path.rpartition("/")[2]
    try:
        if leaf == SHORTCUTS:
            side = read(data)
            deltas = {each.sha256 for found in side.deltas.values() for each in found}
            return frozenset(deltas | _of_chunked(side.chunked.values()))
        if leaf.endswith(WAYS):
            ways = read_ways(data)
            ready = {*(each.sha256 for each in ways.patches),
                     *(each.sha256 for each in ways.manifests)}
            return frozenset(ready | _of_chunked([ways.chunked]))
        body = msgspec.json.decode(data)
    except (Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return frozenset()
    return frozenset(_plainly_named(body) if isinstance(body, dict) else ())


def _of_chunked(found: Iterable[Chunked]) -> set[str]:
    return {sha256 for each in found for sha256 in (each.list, each.pack)}


def _plainly_named(body: dict[str, Any]) -> set[str]:
    """A release's artefact, a system's bundle, a programme's files."""
    whole, files = body.get("artefact") or body.get("bundle"), body.get("files")
    entries = [whole] if isinstance(whole, dict) else (
        files.values() if isinstance(files, dict) else ())
    found = {str(entry.get("sha256")) for entry in entries if isinstance(entry, dict)}
    return {sha256 for sha256 in found if HASH.fullmatch(sha256.encode())}


def _without_bases(body: Any) -> Any:
    """A copy of signed JSON without the hashes of what is only looked back on."""
    if isinstance(body, list):
        return [_without_bases(each) for each in body]
    if not isinstance(body, dict):
        return body
    inside = ("files",) if isinstance(body.get("artefact"), dict) else ()
    return {
        key: _without_bases(each) for key, each in body.items() if key not in (*BASES, *inside)}
