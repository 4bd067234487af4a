"""Programme content: signed index, files by hash, a folder laid out, checked, and only then used.

The old programme's folder is never touched: whatever fails here, it plays on.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import msgspec

from device.messages import ProgrammeWanted, Settings
from device.programme.load import INDEX_BYTES_MAX
from device.programme.schema import INDEX_FILE, PROGRAMME_FILE, Index
from device.sharing.neighbours import Neighbours
from device.sync.bringing import Bringer, Fetch, File, seeds_in
from device.sync.budget import Budget
from device.sync.index_rules import is_whole, read_index
from device.sync.keeping import Scrub, leave_only, make_room
from device.sync.plan import OnDisk
from device.sync.together import SHARED_FROM_BYTES, Ways, bring_together
from device.sync.withdrawing import look
from ota.box.assemble import Seeds
from ota.box.store import Store
from ota.errors import Refused, Retry
from ota.files import (
    copy_durable,
    read_bounded,
    sha256_file,
    sync_directory,
    write_durable,
)
from ota.formats.shortcuts import SHORTCUTS_BYTES_MAX, Shortcuts, shortcuts_of
from ota.formats.shortcuts import read as read_shortcuts
from ota.trust.client import Target
from ota.trust.withdrawn import Withdrawn

HELD_BYTES_MAX = 4096
PROBLEMS_SHOWN = 3
Progress = Callable[[int, int], None]
Check = Callable[[Path], list[str]]


class Trust(Protocol):
    """What is needed of ota.trust.client.TrustClient."""

    def refresh(self) -> None:
        """Learn the newest signed state; raises Retry or Refused."""

    def target(self, path: str) -> Target:
        """What is signed under this name; raises Retry or Refused."""
        ...

    def known(self, path: str) -> Target | None:
        """The same by the last refresh alone; None: nothing."""
        ...


@dataclass(frozen=True)
class ContentPlaces:
    """Folders of the content, and the URL under which the chain's server gives it out."""

    store: Store
    programmes: Path
    held: Path
    url: str

    @property
    def targets_url(self) -> str:
        """Base of signed targets."""
        return f"{self.url.rstrip('/')}/targets"

    @property
    def withdrawn(self) -> Withdrawn:
        """What this box knows of consents that were taken back."""
        return Withdrawn(self.held.with_name("withdrawn"))


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """`held.json`: the newest programme that passed every check."""

    target: str
    version: int
    programme_id: str
    folder: str
    index_sha256: str


class Content:
    """Brings programmes onto the disk. Used by one thread at a time."""

    def __init__(
        self, places: ContentPlaces, trust: Trust, fetch: Fetch, check: Check,
        neighbours: Neighbours | None = None, budget: Budget | None = None,
    ) -> None:
        self._places, self._trust, self._fetch, self._check = places, trust, fetch, check
        self._neighbours, self._budget = neighbours, budget
        self._scrub = Scrub(places.store)
        grown = neighbours.shelf.grown if neighbours is not None else lambda sha256, count: None
        self._bringer = Bringer(places.store, fetch, places.targets_url, grown)

    def bring(
        self, wanted: ProgrammeWanted, progress: Progress | None = None, keep: Iterable[str] = (),
    ) -> OnDisk:
        """Make `wanted` a verified folder on this disk; files that are here are not fetched.

        When room is needed, the folders `keep` stay, and what was good at the last start.
        Raises Retry (network, disk full) or Refused (not signed, tampered, broken programme).
        """
        try:
            return self._bring(wanted, progress, {Path(path).name for path in keep})
        finally:
            if self._budget is not None:
                self._budget.save()

    def _bring(
        self, wanted: ProgrammeWanted, progress: Progress | None, kept: set[str]
    ) -> OnDisk:
        if self._budget is not None:
            self._budget.begin(0)
        self.look_for_withdrawn()
        target = self._trust.target(wanted.target)
        shortcuts = self._shortcuts(wanted)
        data = self._bring_index(target, shortcuts)
        index = read_index(data, target)
        self._bring_files(index, shortcuts, progress, kept)
        folder, programme_id = self._lay_out(index, data, wanted)
        self._remember(wanted, programme_id, folder, target.sha256)
        return OnDisk(wanted, programme_id, str(folder))

    def held(self) -> OnDisk | None:
        """The programme that was good before the restart, if its files are still whole."""
        held = self._read_held()
        if held is not None:
            folder = self._places.programmes / held.folder
            if is_whole(folder, held.index_sha256):
                wanted = ProgrammeWanted(target=held.target, version=held.version)
                return OnDisk(wanted, held.programme_id, str(folder))
        return None

    def _read_held(self) -> Held | None:
        try:
            data = read_bounded(self._places.held, HELD_BYTES_MAX)
            return msgspec.json.decode(data, type=Held)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Refused):
            return None

    def _held_folder(self) -> set[str]:
        held = self._read_held()
        return set() if held is None else {held.folder}

    def tidy(self, keep: Iterable[str]) -> int:
        """Remove programme folders that nobody plays, and their files; returns freed folders."""
        kept = {Path(path).name for path in keep}
        return leave_only(self._places.store, self._folders(), kept)

    def look_for_withdrawn(self) -> frozenset[str]:
        """Learn the newest signed state, and whose face was taken back since; these ids.

        Raises Retry (no network), Refused."""
        self._trust.refresh()
        where = self._places
        return look(self._trust, self._fetch, where.targets_url, where.withdrawn)

    def scrub(self) -> list[str]:
        """Read a little of the store again; returns the files that rotted, which are gone now."""
        return self._scrub.look()

    def counters(self) -> dict[str, int]:
        """For the console: what came over the shop's line in 24 hours, and from box to box since
        the start. May be called by any thread."""
        found = {}
        if self._budget is not None:
            found["downloaded_day_bytes"] = self._budget.used_bytes
        if self._neighbours is not None:
            found["from_neighbours_bytes"] = self._neighbours.got_bytes
            found["to_neighbours_bytes"] = self._neighbours.listener.given_bytes
        return found

    def follow(self, settings: Settings) -> None:
        """How much of the line downloads may use; may be called by any thread."""
        if self._budget is not None:
            self._budget.follow(settings)

    def _shortcuts(self, wanted: ProgrammeWanted) -> Shortcuts:
        """The programme's shortcuts; none is no fault, and neither is one that is no use."""
        try:
            target = self._trust.target(shortcuts_of(wanted.target))
            path = target.url(self._places.targets_url)
            data = self._fetch.bytes(path, min(target.length_bytes, SHORTCUTS_BYTES_MAX))
            if hashlib.sha256(data).hexdigest() == target.sha256:
                return read_shortcuts(data)
        except Refused:
            pass
        return Shortcuts()

    def _bring_index(self, target: Target, shortcuts: Shortcuts) -> bytes:
        """The index is content, too: a delta of the one before is a hundredth of it."""
        store = self._places.store
        if target.length_bytes > INDEX_BYTES_MAX:
            raise Refused("The programme's index is larger than 16 MiB; publish a smaller one.")
        if not store.verify(target.sha256):
            url = target.url(self._places.targets_url)
            file = File(target.sha256, target.length_bytes, url)
            self._bringer.bring(file, shortcuts, Seeds())
        return read_bounded(store.path(target.sha256), INDEX_BYTES_MAX)

    def _bring_files(
        self, index: Index, shortcuts: Shortcuts, progress: Progress | None, kept: set[str]
    ) -> None:
        """Fetch what is not here, or no longer what it was."""
        store = self._places.store
        missing = {
            entry.sha256: entry.bytes
            for entry in index.files.values() if not store.verify(entry.sha256)
        }
        total, done = sum(missing.values()), 0
        wanting = sum(max(0, size - store.loaded_bytes(name)) for name, size in missing.items())
        needed = {entry.sha256 for entry in index.files.values()}
        make_room(store, wanting, self._folders(), kept | self._held_folder(), needed)
        seeds = seeds_in(self._folders(), store)
        if self._budget is not None:
            self._budget.begin(total)

        def tell(file: File) -> None:
            nonlocal done
            done += file.length_bytes
            if progress is not None:
                progress(done, total)

        ways = Ways(
            far=lambda file: self._from_afar(file, shortcuts, seeds),
            near=lambda file, box: self._from_near(file, shortcuts, seeds, box),
            done=tell,
        )
        self._bring_all(
            [File(name, size, self._bringer.url(name)) for name, size in missing.items()],
            shortcuts, ways)

    def _bring_all(self, files: list[File], shortcuts: Shortcuts, ways: Ways) -> None:
        near = self._neighbours
        shared = near is not None and sum(f.length_bytes for f in files) >= SHARED_FROM_BYTES
        together = [file for file in files if shared and self._bringer.can_share(file, shortcuts)]
        if near is not None and together:
            bring_together(together, near, ways)
        for file in files:
            if file not in together:
                ways.far(file)
                ways.done(file)

    def _from_afar(self, file: File, shortcuts: Shortcuts, seeds: Seeds) -> None:
        if self._budget is not None:
            self._budget.judge()
        self._bringer.bring(file, shortcuts, seeds)

    def _from_near(self, file: File, shortcuts: Shortcuts, seeds: Seeds, box: str) -> bool:
        assert self._neighbours is not None
        return self._bringer.bring_near(file, shortcuts, seeds, self._neighbours, box)

    def _folders(self) -> list[Path]:
        programmes = self._places.programmes
        return [path for path in programmes.iterdir() if path.is_dir()] if (
            programmes.is_dir()) else []

    def _lay_out(self, index: Index, data: bytes, wanted: ProgrammeWanted) -> tuple[Path, str]:
        programmes = self._places.programmes
        try:
            programmes.mkdir(parents=True, exist_ok=True)
            draft = programmes / f".draft-{wanted.version}"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
        except OSError as error:
            reason = error.strerror or str(error)
            raise Retry(f"{programmes} cannot be written ({reason}); check the disk.") from error
        try:
            self._fill(draft, index, data)
            programme_id = _programme_id(draft, wanted)
            problems = self._check(draft)
            if problems:
                raise Refused(_refusal(wanted, problems))
            return self._settle(draft, f"{programme_id}-{wanted.version}"), programme_id
        except OSError as error:
            reason = error.strerror or str(error)
            raise Retry(f"The programme was not written ({reason}); check the disk.") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _fill(self, draft: Path, index: Index, data: bytes) -> None:
        folders = {draft}
        for name, entry in index.files.items():
            path = draft / PurePosixPath(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            folders.add(path.parent)
            source = self._places.store.path(entry.sha256)
            try:
                os.link(source, path)
            except OSError:
                copy_durable(source, path)
        write_durable(draft / INDEX_FILE, data)
        for folder in folders:
            sync_directory(folder)

    def _settle(self, draft: Path, name: str) -> Path:
        """Give the checked draft its name; a folder that is being played is never replaced."""
        folder = self._places.programmes / name
        if folder.exists():
            digest = sha256_file(draft / INDEX_FILE)
            if is_whole(folder, digest):
                return folder
            folder = self._places.programmes / f"{name}.{digest[:8]}"
            if is_whole(folder, digest):
                return folder
            shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        sync_directory(self._places.programmes)
        return folder

    def _remember(
        self, wanted: ProgrammeWanted, programme_id: str, folder: Path, index_sha256: str
    ) -> None:
        held = Held(
            target=wanted.target, version=wanted.version, programme_id=programme_id,
            folder=folder.name, index_sha256=index_sha256,
        )
        write_durable(self._places.held, msgspec.json.encode(held), sole=True)


def programme_problems(folder: Path) -> list[str]:
    """What `vitrine programme check` finds, a sentence each, Chinese and English."""
    from device.programme.check import check

    return [
        f"{problem.file}: {problem.sentence_zh} / {problem.sentence_en}"
        for problem in check(folder, drawn=False)
    ]


class _Head(msgspec.Struct, frozen=True):
    """Of programme.json only what names it; the check reads the rest."""

    id: str
    version: int


def _programme_id(draft: Path, wanted: ProgrammeWanted) -> str:
    try:
        data = read_bounded(draft / PROGRAMME_FILE, INDEX_BYTES_MAX)
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"{PROGRAMME_FILE} is malformed ({error}); publish it again.") from error
    if wanted.target != f"programmes/{head.id}/{head.version}.json" or (
        head.version != wanted.version
    ):
        raise Refused(
            f"Under the name {wanted.target} lies programme {head.id} {head.version}; "
            "publish it again."
        )
    return head.id


def _refusal(wanted: ProgrammeWanted, problems: list[str]) -> str:
    more = len(problems) - PROBLEMS_SHOWN
    tail = f" (+{more})" if more > 0 else ""
    return f"{wanted.target}: " + "; ".join(problems[:PROBLEMS_SHOWN]) + tail
