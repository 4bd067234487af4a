"""Files into the content store by the cheapest signed way: chunks, a delta, or whole."""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import msgspec

from device.programme.load import INDEX_BYTES_MAX
from device.programme.schema import INDEX_FILE, Index, IndexedFile
from ota import zstd
from ota.box.assemble import Pack, Seeds, Source, assemble
from ota.box.store import Store
from ota.errors import Refused
from ota.fetch import HttpStatus, NoRanges
from ota.files import read_bounded, write_durable
from ota.formats import chunks
from ota.formats.chunks import Chunk
from ota.formats.shortcuts import DELTA_BYTES_MAX, Delta, Shortcuts

NOT_FOUND = 404
# A file without a list is held in memory until it is judged, when it comes from a neighbour.
SINGLE_BYTES_MAX = 1 << 20


class Fetch(Protocol):
    """What is needed of ota.fetch.Fetcher."""

    def bytes(self, url: str, bytes_max: int) -> builtins.bytes:
        """A small file; raises Retry or Refused."""
        ...

    def file(self, url: str, destination: Path, length_bytes: int, sha256: str) -> None:
        """A file of any size, resumed and verified; raises Retry or Refused."""

    def span(self, url: str, start: int, length_bytes: int) -> Iterator[builtins.bytes]:
        """Bytes of a file from `start` on; raises Retry."""
        ...


@dataclass(frozen=True)
class File:
    """A file that must be here, and where the chain's server has it whole."""

    sha256: str
    length_bytes: int
    url: str


class Near(Protocol):
    """What is needed of device.sharing.neighbours.Neighbours here."""

    def fetch(
        self, destination: Path, sha256: str, chunks: Sequence[Chunk], seeds: Seeds, box: str
    ) -> bool:
        """Make the file whole out of what `box` has; False when it is not whole yet."""
        ...


class Bringer:
    """Brings files from the chain's server or a neighbour. Used by one thread at a time.

    `grown(sha256, length_bytes)` is told how many good bytes of a file from the server are here.
    """

    def __init__(
        self, store: Store, fetch: Fetch, targets_url: str,
        grown: Callable[[str, int], None] = lambda sha256, length_bytes: None,
    ) -> None:
        self._store, self._fetch, self._url = store, fetch, targets_url
        self._grown = grown

    def url(self, sha256: str) -> str:
        """Where content of this hash lies."""
        return f"{self._url}/content/{sha256}"

    def bring(self, file: File, shortcuts: Shortcuts, seeds: Seeds) -> None:
        """Make `file` whole in the store. Raises Retry (what came is kept) or Refused."""
        listed = self._chunks(file, shortcuts)
        if listed is not None and self._by_chunks(file, listed, shortcuts, seeds):
            seeds.add(self._store.path(file.sha256), listed)
            return
        for delta in shortcuts.deltas.get(file.sha256, ()):
            if self._by_delta(file, delta):
                return
        self._fetch.file(
            file.url, self._store.path(file.sha256), file.length_bytes, file.sha256)

    def can_share(self, file: File, shortcuts: Shortcuts) -> bool:
        """A large file without a list of chunks cannot be judged while it comes."""
        return file.length_bytes <= SINGLE_BYTES_MAX or file.sha256 in shortcuts.chunked

    def bring_near(
        self, file: File, shortcuts: Shortcuts, seeds: Seeds, near: Near, box: str
    ) -> bool:
        """Make `file` whole out of what a neighbour has; False when it is not whole yet."""
        listed = self._chunks(file, shortcuts)
        if listed is None and file.length_bytes > SINGLE_BYTES_MAX:
            return False
        pieces = listed or chunks.single(file.sha256, file.length_bytes)
        path = self._store.path(file.sha256)
        if not near.fetch(path, file.sha256, pieces, seeds, box):
            return False
        if listed is not None:
            seeds.add(path, listed)
        return True

    def _chunks(self, file: File, shortcuts: Shortcuts) -> tuple[Chunk, ...] | None:
        """The file's chunks, kept for the day when it is a seed; None: it has no usable list."""
        entry = shortcuts.chunked.get(file.sha256)
        if entry is None:
            return None
        path = self._store.chunks_path(file.sha256)
        try:
            data = read_bounded(path, entry.list_bytes) if path.is_file() else b""
            if hashlib.sha256(data).hexdigest() != entry.list:
                data = self._signed_bytes(entry.list, entry.list_bytes)
                write_durable(path, data, sole=True)
            return chunks.decode(data, file.length_bytes)
        except Refused:
            return None
        except HttpStatus as error:
            _unless_gone(error)
            return None

    def _by_chunks(
        self, file: File, listed: tuple[Chunk, ...], shortcuts: Shortcuts, seeds: Seeds
    ) -> bool:
        """False when the server has no such pack, or no ranges: the whole file remains."""
        url = self.url(shortcuts.chunked[file.sha256].pack)
        source: Source = Pack(self._fetch, url, listed)
        try:
            assemble(
                self._store.path(file.sha256), file.sha256, listed, seeds, source,
                lambda length_bytes: self._grown(file.sha256, length_bytes))
        except NoRanges:
            return False
        except HttpStatus as error:
            _unless_gone(error)
            return False
        return True

    def _by_delta(self, file: File, delta: Delta) -> bool:
        """False when the older file is not here, or the delta is not there."""
        if file.length_bytes > DELTA_BYTES_MAX or not self._store.verify(delta.old):
            return False
        try:
            old = read_bounded(self._store.path(delta.old), DELTA_BYTES_MAX)
            data = self._signed_bytes(delta.sha256, delta.bytes)
            made = zstd.unpacked(data, file.length_bytes, old)
        except Refused:
            return False
        except HttpStatus as error:
            _unless_gone(error)
            return False
        if hashlib.sha256(made).hexdigest() != file.sha256:
            return False
        write_durable(self._store.path(file.sha256), made, sole=True)
        return True

    def _signed_bytes(self, sha256: str, bytes_max: int) -> builtins.bytes:
        data = self._fetch.bytes(self.url(sha256), bytes_max)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Refused(f"The content {sha256[:12]} is not the one that was signed.")
        return data


def seeds_in(folders: Iterable[Path], store: Store) -> Seeds:
    """The chunks of all programme folders. A rotten file gives those of its chunks that are good.
    """
    seeds = Seeds()
    for folder in folders:
        for name, entry in files_of(folder).items():
            path = store.chunks_path(entry.sha256)
            if not path.is_file():
                continue
            try:
                data = read_bounded(path, chunks.LIST_BYTES_MAX)
                seeds.add(folder / PurePosixPath(name), chunks.decode(data, entry.bytes))
            except (OSError, Refused):
                continue
    return seeds


def files_of(folder: Path) -> dict[str, IndexedFile]:
    """The files that a programme folder's index names; none when it has no readable index."""
    try:
        data = read_bounded(folder / INDEX_FILE, INDEX_BYTES_MAX)
        return msgspec.json.decode(data, type=Index).files
    except (OSError, Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _unless_gone(error: HttpStatus) -> None:
    """A shortcut that is not there is none; other answers of a server are its trouble."""
    if error.status != NOT_FOUND:
        raise error
