"""What the publisher adds so that a box fetches only what changed: chunk lists, packs, deltas.

Made once a file: what the published shortcuts hold already is taken over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fleet.chunker import chunks_of
from ota import zstd
from ota.errors import Refused
from ota.files import GrowingFile, read_bounded
from ota.formats import chunks
from ota.formats.shortcuts import (
    CHUNKED_FROM_BYTES,
    DELTA_BYTES_MAX,
    SHORTCUTS_BYTES_MAX,
    Chunked,
    Delta,
    Shortcuts,
    read,
    shortcuts_of,
)
from ota.publish.repository import Repository

ROLE = "programmes"
# A box that missed more versions than these fetches small files whole.
OLDER_KEPT = 3
INDEX_BYTES_MAX = 16 << 20
DELTA_FROM_BYTES = 1024
# A pack or a delta that saves less is not worth its place on the server.
WORTH = 0.97
Index = Mapping[str, Any]


def add_shortcuts(
    repository: Repository, target: str, index: Index, data: bytes, older: Sequence[bytes]
) -> None:
    """Add `shortcuts.json` beside `target`, to be signed with the next `publish`.

    `data` is the index as it is published, `older` are indexes before it, the newest first. All
    their files must lie in the repository.
    """
    before = _published(repository, target)
    found = {
        entry["sha256"]: before.chunked.get(entry["sha256"])
        or cut(repository, entry["sha256"])
        for entry in index["files"].values() if entry["bytes"] >= CHUNKED_FROM_BYTES
    }
    shortcuts = Shortcuts(chunked=found, deltas=_deltas(repository, index, data, older))
    custom = {"kind": "shortcuts"}
    repository.add(ROLE, shortcuts_of(target), msgspec.json.encode(shortcuts), custom)


def _published(repository: Repository, target: str) -> Shortcuts:
    """The shortcuts signed now; none when there are none, or their file was lost."""
    name = shortcuts_of(target)
    entry = repository.listed(ROLE).get(name)
    if entry is None:
        return Shortcuts()
    folder, _, leaf = name.rpartition("/")
    path = repository.directory / "targets" / folder / f"{entry['sha256']}.{leaf}"
    try:
        return read(read_bounded(path, SHORTCUTS_BYTES_MAX))
    except (OSError, Refused):
        return Shortcuts()


def cut(repository: Repository, sha256: str) -> Chunked:
    """Cut the file, and lay out its list and, where it is worth it, its packed chunks."""
    path = repository.content_path(sha256)
    part = path.with_name(f".{sha256}.pack.part")
    packed_digest = hashlib.sha256()
    entries = []
    with GrowingFile(part) as growing:
        growing.restart()
        for piece in chunks_of(path):
            entry, travels = chunks.pack(piece)
            entries.append(entry)
            packed_digest.update(travels)
            growing.write(travels)
        pack = packed_digest.hexdigest()
        if growing.size_bytes < path.stat().st_size * WORTH:
            growing.commit(repository.content_path(pack))
        else:
            # The chunks lie in the file itself, just as they are.
            pack = sha256
            entries = [
                chunks.Chunk(e.digest, e.digest, e.length_bytes, e.length_bytes) for e in entries]
    part.unlink(missing_ok=True)
    listed = chunks.encode(entries)
    return Chunked(list=repository.put_content(listed), list_bytes=len(listed), pack=pack)


def _deltas(
    repository: Repository, index: Index, data: bytes, older: Sequence[bytes]
) -> dict[str, list[Delta]]:
    """For the index and for each small file that changed under its name."""
    made: dict[str, list[Delta]] = {}

    def read_content(sha256: str) -> bytes:
        return read_bounded(repository.content_path(sha256), DELTA_BYTES_MAX)

    for old_data in older[:OLDER_KEPT]:
        _add_delta(repository, made, data, old_data)
        old_files = msgspec.json.decode(old_data)["files"]
        for name, entry in index["files"].items():
            old = old_files.get(name, entry)
            if old["sha256"] != entry["sha256"] and _is_small(entry) and _is_small(old):
                _try_delta(repository, made, read_content, entry["sha256"], old["sha256"])
    return made


def _try_delta(
    repository: Repository, made: dict[str, list[Delta]], content: Callable[[str], bytes],
    new: str, old: str,
) -> None:
    try:
        _add_delta(repository, made, content(new), content(old))
    except OSError:
        return  # an old file was removed from the server: there is no delta of it


def _is_small(entry: Mapping[str, Any]) -> bool:
    return DELTA_FROM_BYTES <= int(entry["bytes"]) < CHUNKED_FROM_BYTES


def _add_delta(
    repository: Repository, made: dict[str, list[Delta]], new: bytes, old: bytes
) -> None:
    if new == old or max(len(new), len(old)) > DELTA_BYTES_MAX:
        return
    new_name, old_name = (hashlib.sha256(data).hexdigest() for data in (new, old))
    known = any(delta.old == old_name for delta in made.get(new_name, ()))
    frame = b"" if known else zstd.packed(new, old)
    if known or len(frame) >= len(new) * WORTH:
        return
    delta = Delta(old=old_name, sha256=repository.put_content(frame), bytes=len(frame))
    made.setdefault(new_name, []).append(delta)


def older_indexes(versions: Path, number: int) -> list[bytes]:
    """The indexes of the versions before `number`, as the publisher kept them, newest first."""
    found = []
    for older in range(number - 1, max(0, number - 1 - OLDER_KEPT), -1):
        path = versions / f"{older}.index.json"
        if path.is_file():
            found.append(read_bounded(path, INDEX_BYTES_MAX))
    return found
