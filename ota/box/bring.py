"""A release's artefact onto the box: a patch, chunks, or the whole, whichever is cheapest; every
way ends in the same sha256, or the next one is gone.

What came is kept over cuts: a patch and a whole file grow in the store, chunks in a file of good
ones. Nothing is fetched before the disk was found large enough for the artefact, what it is made
from, and the slot beside it.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ota import zstd
from ota.box.assemble import Pack, Seeds, assemble
from ota.box.plan import Here, Way, plan
from ota.box.store import Store
from ota.errors import Refused, Retry
from ota.fetch import DISK_RESERVE_BYTES, HttpStatus, NoRanges, Progress
from ota.files import read_bounded
from ota.formats import chunks
from ota.formats.layout import SlotTar
from ota.formats.manifest import MANIFEST_BYTES_MAX, Manifest, release_target
from ota.formats.patch import Goal, apply
from ota.formats.shortcuts import SHORTCUTS_BYTES_MAX, Ways, read_ways, ways_of
from ota.machine import memory_free_bytes
from ota.trust.client import Target

GONE = (403, 404, 410)


class Fetch(Protocol):
    """What is needed of `ota.fetch.Fetcher` or `ota.box.stick.StickFetcher`."""

    def bytes(self, url: str, bytes_max: int) -> builtins.bytes: ...
    def file(
        self, url: str, destination: Path, length_bytes: int, sha256: str,
        progress: Progress | None = None,
    ) -> None: ...
    def span(self, url: str, start: int, length_bytes: int) -> Iterator[builtins.bytes]: ...


class Signed(Protocol):
    """What is needed of `ota.trust.client.TrustClient`."""

    def known(self, path: str) -> Target | None: ...


@dataclass(frozen=True)
class Origin:
    """Signed names, and the bytes behind them."""

    trust: Signed
    fetcher: Fetch
    targets_url: str

    def content(self, sha256: str) -> str:
        """Where content of this hash lies."""
        return f"{self.targets_url}/content/{sha256}"

    def ways(self, target: str) -> Ways | None:
        """The signed ways to a release; none is no fault, and neither is one that is no use."""
        try:
            signed = self.trust.known(ways_of(target))
            if signed is None or signed.length_bytes > SHORTCUTS_BYTES_MAX:
                return None
            data = self.fetcher.bytes(signed.url(self.targets_url), signed.length_bytes)
            return read_ways(data) if hashlib.sha256(data).hexdigest() == signed.sha256 else None
        except Refused:
            return None
        except HttpStatus as error:
            _unless_gone(error)
            return None


    def manifest(self, target: Target, kept: Path | None) -> builtins.bytes | None:
        """A manifest out of the one in file `kept`, or None: there is no such way to it."""
        try:
            old = b"" if kept is None else read_bounded(kept, MANIFEST_BYTES_MAX)
            listed = self.ways(target.path) if old else None
            name = hashlib.sha256(old).hexdigest()
            delta = next((d for d in listed.manifests if d.old == name), None) if listed else None
            if delta is None:
                return None
            frame = self.fetcher.bytes(self.content(delta.sha256), delta.bytes)
            if hashlib.sha256(frame).hexdigest() != delta.sha256:
                return None
            made = zstd.unpacked(frame, target.length_bytes, old)
        except (OSError, Refused):
            return None
        except HttpStatus as error:
            _unless_gone(error)
            return None
        return made if hashlib.sha256(made).hexdigest() == target.sha256 else None


@dataclass(frozen=True)
class Running:
    """The release that runs, from a slot that is whole: what a new one can be made from."""

    manifest: Manifest
    folder: Path

    @property
    def target(self) -> str:
        """The name it was signed under."""
        return release_target(self.manifest.version, self.manifest.environment)


@dataclass(frozen=True)
class Bringing:
    """A plan that was made; `go` carries it out."""

    origin: Origin
    store: Store
    manifest: Manifest
    running: Running | None
    listed: Ways | None
    ways: tuple[Way, ...]

    @property
    def wire_bytes(self) -> int:
        """What is still to come by the cheapest way; 0 when the artefact is here."""
        here = self.store.length_bytes(self.manifest.artefact.sha256)
        return 0 if here else self.ways[0].wire_bytes

    def told(self) -> dict[str, str]:
        """The cheapest way and what it weighs, for the audit log."""
        return {"way": self.ways[0].name, "bytes": str(self.ways[0].wire_bytes)}

    def go(self, tell: Progress = lambda done, whole: None) -> Path:
        """The artefact, whole and verified, in the store. Raises Retry (network, disk), Refused
        (what was signed is not to be had)."""
        artefact = self.manifest.artefact
        path = self.store.path(artefact.sha256)
        if self.store.verify(artefact.sha256):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        for way in self.ways[:-1]:
            try:
                self._walk(way, path, tell)
                return path
            except (Refused, NoRanges):
                continue
            except HttpStatus as error:
                _unless_gone(error)
        self._walk(self.ways[-1], path, tell)
        return path

    def _walk(self, way: Way, path: Path, tell: Progress) -> None:
        if way.patch is not None:
            self._patched(way, path, tell)
        elif way.name == "chunks":
            self._assembled(path, tell)
        else:
            artefact = self.manifest.artefact
            url = self.origin.content(artefact.sha256)
            self.origin.fetcher.file(url, path, artefact.bytes, artefact.sha256, tell)

    def _patched(self, way: Way, path: Path, tell: Progress) -> None:
        assert way.patch is not None and self.running is not None
        patch, artefact = way.patch, self.manifest.artefact
        here = self.store.path(patch.sha256)
        if not self.store.verify(patch.sha256):
            url = self.origin.content(patch.sha256)
            self.origin.fetcher.file(url, here, patch.bytes, patch.sha256, tell)
        old = SlotTar(self.running.folder, self.running.manifest.files)
        goal = Goal(artefact.sha256, artefact.bytes)
        try:
            apply(here, old, patch.old, goal, path)
        except Refused:
            # A running release that rotted, or a patch that lies: room for the next way.
            self.store.remove(patch.sha256)
            raise
        self.store.remove(patch.sha256)

    def _assembled(self, path: Path, tell: Progress) -> None:
        assert self.listed is not None
        artefact, chunked = self.manifest.artefact, self.listed.chunked
        wanted = self._list(chunked.list, chunked.list_bytes, artefact.bytes)
        source = Pack(self.origin.fetcher, self.origin.content(chunked.pack), wanted)
        assemble(path, artefact.sha256, wanted, self._seeds(), source,
                 lambda length_bytes: tell(length_bytes, artefact.bytes))

    def _seeds(self) -> Seeds:
        """The chunks of the release that runs; none when it has no signed list any more."""
        seeds = Seeds()
        if self.running is None:
            return seeds
        manifest = self.running.manifest
        ways = self.origin.ways(self.running.target)
        if ways is not None:
            try:
                have = self._list(ways.chunked.list, ways.chunked.list_bytes,
                                  manifest.artefact.bytes)
                seeds.add_reader(SlotTar(self.running.folder, manifest.files).read, have)
            except Refused:
                pass  # no such list: everything comes over the line
            except HttpStatus as error:
                _unless_gone(error)
        return seeds

    def _list(self, sha256: str, list_bytes: int, length_bytes: int) -> tuple[chunks.Chunk, ...]:
        """A list of chunks, kept in the store until the release is installed."""
        if not self.store.verify(sha256):
            url = self.origin.content(sha256)
            self.origin.fetcher.file(url, self.store.path(sha256), list_bytes, sha256)
        data = read_bounded(self.store.path(sha256), chunks.LIST_BYTES_MAX)
        return chunks.decode(data, length_bytes)


def prepare(
    origin: Origin, store: Store, manifest: Manifest, running: Running | None,
    slot_bytes: int = 0,
) -> Bringing:
    """Plan how the artefact comes. `slot_bytes` is what the slot will take of the same disk, net
    of what it holds now. Only the signed list of ways is fetched.

    Raises Retry: not even the way that takes least room fits.
    """
    target = release_target(manifest.version, manifest.environment)
    listed = origin.ways(target)
    base = None if running is None else running.manifest.artefact.sha256
    names = _names(manifest, listed)
    # What earlier releases left behind must not keep this one out.
    store.keep_only(names)
    at_hand = sum(_held_bytes(store, name) for name in names)
    spare = store.disk_free_bytes() - DISK_RESERVE_BYTES - max(0, slot_bytes)
    free = min(spare, store.free_bytes())
    ways, least = plan(manifest.artefact, listed,
                       Here(base, memory_free_bytes(), free, at_hand))
    if not ways:
        raise Retry(
            f"Release {manifest.version} needs {least >> 20} MB beside its slot, and the disk has "
            f"{max(0, free + at_hand) >> 20} MB for that; free some space."
        )
    return Bringing(origin, store, manifest, running, listed, ways)


def _names(manifest: Manifest, ways: Ways | None) -> set[str]:
    """The hashes of all that may lie in the store for this release."""
    found = {manifest.artefact.sha256}
    if ways is not None:
        found |= {ways.chunked.list, *(patch.sha256 for patch in ways.patches)}
    return found


def _held_bytes(store: Store, sha256: str) -> int:
    path = store.path(sha256)
    files = [path, *path.parent.glob(f".{sha256}.*")]
    return sum(file.stat().st_size for file in files if file.is_file())


def _unless_gone(error: HttpStatus) -> None:
    """A way that is not there is none; other answers of a server are its trouble."""
    if error.status not in GONE:
        raise error
