"""The chain's signed repository onto a USB stick, with the signed wishes for every box.

Only what the newest lists name is carried. What is on the stick already is not copied again, and
the timestamp comes last: a stick pulled out too early holds yesterday's state or none.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fleet.places import FleetPlaces
from ota.errors import Refused, Retry
from ota.files import GrowingFile, read_bounded, sha256_file, write_durable
from ota.floor import locked
from ota.formats.shortcuts import NAME as SHORTCUTS
from ota.formats.shortcuts import read as read_shortcuts
from ota.publish.repository import DELEGATED, Repository

TARGET_BYTES_MAX = 16 << 20
METADATA_BYTES_MAX = 16 << 20
TIMESTAMP = "timestamp.json"
BLOCK_BYTES = 1 << 20
RESERVE_BYTES = 8 << 20


@dataclass(frozen=True)
class Written:
    """What the stick carries now, and how much of it is new."""

    files: int
    bytes_new: int
    boxes: int


def write_stick(
    places: FleetPlaces, wishes: Iterable[tuple[str, bytes]], to: Path
) -> Written:
    """Bring the stick in folder `to` up to date. `wishes` are each box's signed envelope.

    Raises Refused: no such folder, no room, a repository that lost files; Retry: the stick
    cannot be written.
    """
    if not to.is_dir():
        raise Refused(f"There is no folder {to}; plug the stick in and name where it is.")
    repository = Repository.open(places.tuf, {})
    with locked(places.tuf / "lock"):
        names = sorted(set(_targets(repository)))
        metadata = {path.name: read_bounded(path, METADATA_BYTES_MAX)
                    for path in (places.tuf / "metadata").glob("*.json")}
    missing = [name for name in names if not _is_there(places.tuf / name, to / name)]
    _check_room(places.tuf, missing, to)
    bytes_new = sum(_copy(places.tuf / name, to / name) for name in missing)
    for name in sorted(metadata, key=lambda name: name == TIMESTAMP):
        write_durable(to / "metadata" / name, metadata[name])
    boxes = 0
    for box, envelope in wishes:
        write_durable(to / "desired" / f"{box}.json", envelope)
        boxes += 1
    return Written(len(names) + len(metadata) + boxes, bytes_new, boxes)


def _targets(repository: Repository) -> Iterator[str]:
    """Paths, within the repository, of all that is signed now and what it names."""
    for role in DELEGATED:
        for path, entry in repository.listed(role).items():
            folder, slash, leaf = path.rpartition("/")
            name = f"targets/{folder}{slash}{entry['sha256']}.{leaf}"
            yield name
            data = read_bounded(repository.directory / name, TARGET_BYTES_MAX)
            for sha256 in _named_in(leaf, data):
                yield f"targets/content/{sha256}"


def _named_in(leaf: str, data: bytes) -> set[str]:
    """Content that a target names: files of a programme, a release's artefact, lists of chunks.

    Packs and deltas stay at home: from a stick a whole file is as good.
    """
    if leaf == SHORTCUTS:
        return {chunked.list for chunked in read_shortcuts(data).chunked.values()}
    try:
        body = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set()
    if not isinstance(body, dict):
        return set()
    if isinstance(body.get("artefact"), dict):
        return {str(body["artefact"].get("sha256"))}
    files = body.get("files")
    entries = files.values() if isinstance(files, dict) else ()
    return {str(entry["sha256"]) for entry in entries if isinstance(entry, dict)}


def _is_there(source: Path, destination: Path) -> bool:
    """Their names tell what they hold, so the size is enough: a box judges every byte."""
    try:
        return destination.stat().st_size == source.stat().st_size
    except FileNotFoundError:
        return False


def _check_room(root: Path, missing: Iterable[str], to: Path) -> None:
    try:
        need = sum((root / name).stat().st_size for name in missing)
    except FileNotFoundError as error:
        raise Refused(f"The repository lost {error.filename}; publish again.") from error
    free = shutil.disk_usage(to).free - RESERVE_BYTES
    if need > free:
        raise Refused(f"The stick needs {need >> 20} MB more and has {free >> 20} MB free.")


def _copy(source: Path, destination: Path) -> int:
    """Copy durably, and read it again: sticks lie."""
    part = destination.with_name(f".{destination.name}.part")
    try:
        with GrowingFile(part) as growing, source.open("rb") as reader:
            growing.restart()
            while block := reader.read(BLOCK_BYTES):
                growing.write(block)
            growing.commit(destination)
        if sha256_file(destination, from_disk=True) != sha256_file(source):
            destination.unlink(missing_ok=True)
            raise Retry(f"The stick did not keep {destination.name[:12]}; take another one.")
    except OSError as error:
        raise Retry(f"The stick cannot be written ({error.strerror}); try another one.") from error
    return destination.stat().st_size
