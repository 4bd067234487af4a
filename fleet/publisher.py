"""Publishing: a checked draft becomes speech, content by hash, a signed target, desired states.

A draft with a fault changes nothing: the boxes keep what they have. Versions only go up; undo
publishes an old document under a new number.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from device.messages import ProgrammeWanted
from fleet import likeness
from fleet.drafts import Document, differences, to_bytes
from fleet.live import Hub
from fleet.pictures import drop_unused
from fleet.places import BOX_ID, FleetPlaces
from fleet.shortcuts import add_shortcuts, older_indexes
from fleet.store.boxes import Boxes
from fleet.store.journal import Journal
from fleet.store.programmes import Programmes, Version
from fleet.studio import Fault, Preparing, Studio
from fleet.unspoken import has_unspoken
from fleet.wishes import Wishes
from ota.clock import monotonic_s, utc_now
from ota.errors import Refused, Retry, VitrineError
from ota.files import read_bounded, sha256_file, write_durable
from ota.heap import give_back
from ota.publish.repository import Repository
from ota.publish.withdraw import published

DOCUMENT_BYTES_MAX = 4 << 20
INDEX_BYTES_MAX = 16 << 20
# The avatars that the software ships; their consents are asked at every publish.
AVATARS = Path(__file__).resolve().parent.parent / "models" / "avatars"
# A box asks for the newest; every name that is kept is fetched by all boxes at each publish.
TARGETS_KEPT = 8
TARGETS_SWEPT = 45
BUILD_WAIT_S = 90.0


class NotPlayable(Refused):
    """The draft has faults; `faults` are for the form, the text is the first of them."""

    def __init__(self, faults: list[Fault]) -> None:
        first = faults[0]
        where = f" ({first.field})" if first.field else ""
        super().__init__(f"Not published{where}: {first.sentence_en}")
        self.faults = faults


@dataclass(frozen=True)
class Tables:
    """The parts of the database that publishing reads and writes."""

    boxes: Boxes
    programmes: Programmes
    journal: Journal


class Publisher:
    """Owns the drafts and the online signing role; one publish at a time."""

    def __init__(
        self,
        places: FleetPlaces,
        tables: Tables,
        repository: Repository,
        studio: Studio,
        wishes: Wishes,
        hub: Hub,
        chain: str,
    ) -> None:
        self._places = places
        self._tables = tables
        self._repository = repository
        self._studio = studio
        self._wishes = wishes
        self._hub, self._chain = hub, chain
        self._building = threading.Lock()
        self._soon = threading.Event()
        self._stop = threading.Event()
        self._changed: list[str] = []
        self._values: dict[str, str] = {}
        self._last_pages: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self.preparing = Preparing()

    def start(self, first: Path | None) -> None:
        """Warm the voice and, on a new server, publish the programme in folder `first`."""
        self._first = first
        self._thread.start()

    def stop(self) -> None:
        """End the background work; a build that is not done in 2 s is left to the process's end."""
        self._stop.set()
        self._soon.set()
        self._thread.join(timeout=2.0)

    @property
    def is_busy(self) -> bool:
        """True while the background thread lives (after `stop`: it is inside the synthesiser)."""
        return self._thread.is_alive()

    def draft(self, programme: str) -> Document:
        """The draft's document. Raises Refused when there is no such programme or it is broken."""
        data = self.draft_bytes(programme)
        try:
            return msgspec.json.decode(data, type=dict[str, Any])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"The draft of {programme} is broken ({error}); correct it.") from error

    def draft_bytes(self, programme: str) -> bytes:
        """The draft as it lies on disk. Raises Refused when there is no such programme."""
        if not BOX_ID.fullmatch(programme):
            raise Refused(f"{programme!r} is no programme; use a-z, 0-9 and -.")
        try:
            return read_bounded(
                self._places.draft(programme) / "programme.json", DOCUMENT_BYTES_MAX
            )
        except FileNotFoundError:
            raise Refused(f"There is no programme {programme!r}; import it first.") from None

    def is_last_page(self, programme: str, page: str) -> bool:
        """True when the draft was last saved from this very browser page: no one else's words."""
        return bool(page) and self._last_pages.get(programme) == page

    def save(
        self, programme: str, document: Document, who: str, page: str = "", ahead: bool = True
    ) -> list[Fault]:
        """Keep a draft, faulty or not; returns its faults. Nothing is published.

        With `ahead` its speech is made in the background, so that publishing has little left to
        do. The audit has one line for each browser page that edits.
        """
        before = self.draft(programme)
        if document.get("id") != programme:
            document = {**document, "id": programme}
        data = to_bytes(document)
        if len(data) > DOCUMENT_BYTES_MAX:
            raise Refused("The programme is larger than 4 MiB; make it shorter.")
        if document != before:
            is_first = not self.is_last_page(programme, page)
            self._last_pages[programme] = page
            write_durable(self._places.draft(programme) / "programme.json", data)
            now = utc_now()
            self._tables.programmes.draft_changed(programme, who, now)
            changes = [path for path, _, _ in differences(before, document)][:50]
            if is_first:
                self._tables.journal.note(who, "draft.saved", programme, now, {"changed": changes})
        faults = self.faults(programme)
        if ahead and not blocking(faults):
            self._prepare_soon(programme)
        return faults

    def faults(self, programme: str) -> list[Fault]:
        """What is wrong with the draft; see `blocking`."""
        return self._studio.check(self._places.draft(programme), utc_now())

    def publish(self, programme: str, who: str, note: str = "") -> Version:
        """Publish the draft to every box of the programme.

        Raises NotPlayable with the faults (nothing has changed then), or Refused.
        """
        known = self._tables.programmes.get(programme)
        if known is None:
            raise Refused(f"There is no programme {programme!r}; import it first.")
        with self._turn():
            started_s = monotonic_s()
            document = self.draft(programme)
            number = known.version + 1
            if known.version == 0 and isinstance(document.get("version"), int):
                number = max(1, int(document["version"]))
            try:
                version = self._publish(programme, document, number, who, note, started_s)
            except VitrineError as error:
                detail: dict[str, Any] = {"reason": str(error)}
                self._tables.journal.note(who, "publish.refused", programme, utc_now(), detail)
                raise
        self._hub.announce("programme", programme)
        return version

    def roll_back(self, programme: str, to_version: int, who: str) -> Version:
        """Publish the document of an older version under a new number; the draft follows it."""
        old = self._tables.programmes.version(programme, to_version)
        if old is None:
            raise Refused(f"{programme} has no version {to_version}.")
        with self._turn():
            self._restore_files(programme, to_version)
            draft = self._places.draft(programme)
            shutil.copyfile(draft / "programme.json", draft.parent / "draft-before-undo.json")
            write_durable(draft / "programme.json", to_bytes(old.document))
        return self.publish(programme, who, f"undo: back to version {to_version}")

    def add_programme(self, folder: Path) -> str:
        """Take a programme folder in as a draft; returns its id. Raises Refused."""
        try:
            data = read_bounded(folder / "programme.json", DOCUMENT_BYTES_MAX)
            document = msgspec.json.decode(data, type=dict[str, Any])
        except FileNotFoundError:
            raise Refused(f"{folder} holds no programme.json; name a programme folder.") from None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(f"{folder / 'programme.json'} cannot be read ({error}).") from error
        programme = str(document.get("id", ""))
        if not BOX_ID.fullmatch(programme):
            raise Refused(f"{folder / 'programme.json'} has no usable id; use a-z, 0-9 and -.")
        draft = self._places.draft(programme)
        if not (draft / "programme.json").exists():
            shutil.copytree(folder, draft, dirs_exist_ok=True, symlinks=True)
        self._tables.programmes.add(programme)
        return programme

    def values_changed(self, programme: str, who: str) -> None:
        """A store has other values now: what they change in its lines is spoken and published."""
        self._values[programme] = who
        self._soon.set()

    def wanted(self, programme: str) -> ProgrammeWanted | None:
        """What a box of this programme shall play now, None before the first publish."""
        known = self._tables.programmes.get(programme)
        if known is None or known.version == 0:
            return None
        return ProgrammeWanted(target=_target(programme, known.version), version=known.version)

    def _publish(
        self,
        programme: str,
        document: Document,
        number: int,
        who: str,
        note: str,
        started_s: float,
    ) -> Version:
        draft = self._places.draft(programme)
        document = {**document, "version": number}
        write_durable(draft / "programme.json", to_bytes(document))
        faults = blocking(self._studio.check(draft, utc_now()))
        faults += likeness.faults(document, AVATARS, self._places.likeness_keys, self._chain,
                                  utc_now(), published(self._repository))
        if faults:
            raise NotPlayable(faults)
        drop_unused(draft, to_bytes(document).decode())
        index = self._studio.build(draft, self._progress, self._stores(programme))
        bytes_new = self._put_content(draft, index)
        data = msgspec.json.encode(index)
        target = _target(programme, number)
        self._repository.add("programmes", target, data, {"programme": programme})
        versions = draft.parent / "versions"
        add_shortcuts(self._repository, target, index, data, older_indexes(versions, number))
        for old in range(number - TARGETS_KEPT - TARGETS_SWEPT, number - TARGETS_KEPT):
            if old > 0:
                self._repository.remove("programmes", _target(programme, old))
        self._repository.publish()
        write_durable(versions / f"{number}.index.json", data)
        version = Version(
            programme=programme,
            version=number,
            at=utc_now().isoformat(timespec="seconds"),
            by=who,
            note=note[:200],
            target=target,
            document=document,
            took_ms=round((monotonic_s() - started_s) * 1000),
            bytes_new=bytes_new,
        )
        self._tables.programmes.published(version)
        boxes = [box.id for box in self._tables.boxes.with_programme(programme)]
        self._wishes.renew(boxes, ProgrammeWanted(target=target, version=number))
        detail = {"version": number, "boxes": len(boxes), "note": version.note}
        self._tables.journal.note(who, "publish", programme, utc_now(), detail)
        return version

    def _put_content(self, draft: Path, index: dict[str, Any]) -> int:
        """Lay every file out by its hash; returns how many bytes were not there before."""
        bytes_new = 0
        for relative, entry in index["files"].items():
            if not self._repository.content_path(entry["sha256"]).exists():
                found = self._repository.put_content(draft / relative)
                if found != entry["sha256"]:
                    raise Refused(f"{relative} changed while it was published; publish again.")
                bytes_new += int(entry["bytes"])
        return bytes_new

    def _restore_files(self, programme: str, version: int) -> None:
        """Bring back pictures and clips of an old version that the draft has lost or changed."""
        draft = self._places.draft(programme)
        path = draft.parent / "versions" / f"{version}.index.json"
        index = msgspec.json.decode(read_bounded(path, INDEX_BYTES_MAX))
        for relative, entry in index["files"].items():
            destination = draft / relative
            kept = self._repository.content_path(entry["sha256"])
            if relative == "programme.json" or not kept.exists():
                continue
            if not destination.exists() or sha256_file(destination) != entry["sha256"]:
                destination.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(kept, destination)
        # The build takes clips for good by the index that made them.
        write_durable(draft / "index.json", msgspec.json.encode(index))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One build at a time; raises Retry when the one before takes too long to wait for."""
        if not self._building.acquire(timeout=BUILD_WAIT_S):
            done, total = self.preparing.done, self.preparing.total
            raise Retry(
                f"Speech of an earlier change is still being made ({done} of {total} sentences); "
                "publish again in a minute."
            )
        try:
            yield
        finally:
            self._building.release()
            give_back()

    def _stores(self, programme: str) -> list[dict[str, str]]:
        """The different sets of variables that this programme's boxes have."""
        found = [box.variables for box in self._tables.boxes.with_programme(programme)]
        return [values for number, values in enumerate(found) if values not in found[:number]]

    def _progress(self, done: int, total: int) -> None:
        self.preparing.done, self.preparing.total = done, total
        self._hub.announce("publish", f"{done}/{total}")

    def _prepare_soon(self, programme: str) -> None:
        if programme not in self._changed:
            self._changed.append(programme)
        self._soon.set()

    def _run(self) -> None:
        if self._first is not None:
            self._work("building", self._publish_first, then="warming")
        first_trouble = self.preparing.trouble
        self._work("warming", self._studio.warm)
        if first_trouble:
            self.preparing.state, self.preparing.trouble = "trouble", first_trouble
        while not self._stop.is_set():
            self._soon.wait()
            self._soon.clear()
            while self._changed and not self._stop.is_set():
                self._work("building", partial(self._build_ahead, self._changed.pop()))
            while self._values and not self._stop.is_set():
                self._work("building", partial(self._speak_values, *self._values.popitem()))

    def _work(self, state: str, work: Callable[[], object], then: str = "ready") -> None:
        self.preparing.state = state
        try:
            work()
        except VitrineError as error:
            self.preparing.trouble = str(error)
        else:
            self.preparing.trouble = ""
        self.preparing.state = "trouble" if self.preparing.trouble else then
        self._hub.announce("publish", self.preparing.state)

    def _publish_first(self) -> None:
        assert self._first is not None
        programme = self.add_programme(self._first)
        known = self._tables.programmes.get(programme)
        if known is not None and known.version == 0:
            self.publish(programme, "system", "first start")

    def _speak_values(self, programme: str, who: str) -> None:
        """A version with new speech; not over a draft whose changes nobody has published."""
        self._build_ahead(programme)
        newest = self._tables.programmes.versions(programme, 1)
        if not newest or differences(newest[0].document, self.draft(programme)):
            return
        if has_unspoken(self._places.draft(programme), newest[0].version):
            self.publish(programme, who, "new values of a store")

    def _build_ahead(self, programme: str) -> None:
        """Speak changed lines while the editor still reads: publishing then has little to do."""
        with self._building:
            draft = self._places.draft(programme)
            if not blocking(self._studio.check(draft, utc_now())):
                self._studio.build(draft, self._progress, self._stores(programme))


def blocking(faults: list[Fault]) -> list[Fault]:
    """Those that keep a draft from being published."""
    return [fault for fault in faults if fault.severity == "error"]


def _target(programme: str, version: int) -> str:
    return f"programmes/{programme}/{version}.json"
