"""What can be rolled out: releases of the application, and systems; where each is signed and
reported, and how many boxes stand where with each version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fleet.store.database import Database
from ota.formats import systems
from ota.formats.manifest import NEWEST, parse_newest
from ota.formats.rollout import (
    PLAN,
    ROLLOUT,
    STEER_BYTES_MAX,
    Plan,
    Rollout,
    parse_plan,
    parse_rollout,
)
from ota.formats.versions import version_key
from ota.publish.inventory import signed_bytes
from ota.publish.repository import Repository

# Phases of a release (`ota.box.state`) and of a system (`ota.system.words`) before the trial.
WAITS = ("waiting", "installing", "writing", "ready", "held")
TRIED = """
select id, coalesce(json_extract(said,?),'') release,
 coalesce(json_extract(said,?),'idle') phase,
 coalesce(json_extract(said,?),'') trying,
 exists(select 1 from json_each(said,?) where value=?) failed
 from (select id, coalesce(nullif(reported,''),'{}') said from box where retired=0)
"""
STANDING = """
select coalesce(json_extract(said,?),'') runs, coalesce(json_extract(said,?),'idle') phase,
 coalesce(json_extract(said,?),'') trying, coalesce(json_extract(said,?),'[]') failed, count(*) n
 from (select coalesce(nullif(reported,''),'{}') said from box where retired=0) group by 1,2,3,4
"""


@dataclass(frozen=True)
class Subject:
    """What is rolled out: the names it is signed under, where a box reports it, and the command
    that signs it. `pointers` matches the names that send every box to a version."""

    kind: str
    pointers: re.Pattern[str]
    plan: str
    rollout: str
    runs: str
    phase: str
    trying: str
    failed: str
    command: str

    def is_pointer(self, name: str) -> bool:
        """Does this signed name say what every box should run?"""
        return self.pointers.fullmatch(name) is not None


RELEASES = Subject(
    "release", re.compile(re.escape(NEWEST)), PLAN, ROLLOUT, "$.release", "$.update.phase",
    "$.update.version", "$.update.failed", "vitrine ota publish")
SYSTEMS = Subject(
    "system", systems.POINTER, systems.PLAN, systems.ROLLOUT, "$.update.system.floor",
    "$.update.system.phase", "$.update.system.version", "$.update.system.refused",
    "vitrine ota publish-system")


def signed_plan(repository: Repository, subject: Subject, now: datetime) -> Plan | None:
    """What the offline keys allow; for a version that all boxes run, a plan of one wave."""
    listed = _listed(repository, "releases")
    if subject.plan in listed:
        return parse_plan(_signed(repository, subject.plan, listed[subject.plan]))
    newest = [parse_newest(_signed(repository, name, entry))
              for name, entry in listed.items() if subject.is_pointer(name)]
    if not newest:
        return None
    at = now.replace(microsecond=0).isoformat()
    return Plan(schema=1, release=max(newest, key=_key), salt="0" * 16, at=at)


def signed_rollout(repository: Repository, subject: Subject) -> Rollout | None:
    """What the console has signed last, of whatever version."""
    entry = _listed(repository, "rollouts").get(subject.rollout)
    return None if entry is None else parse_rollout(
        _signed(repository, subject.rollout, entry))


def rows_of(database: Database, subject: Subject, version: str) -> list[Any]:
    """What each box reports, and whether it gave up on this version."""
    values = (subject.runs, subject.phase, subject.trying, subject.failed, version)
    return list(database.all(TRIED, values))


def counts(rows: Sequence[Any], version: str) -> dict[str, int]:
    """Of these rows, how many stand where with a version. Pure."""
    on_trial = [row for row in rows if row["trying"] == version]
    return {
        "boxes": len(rows),
        "runs": sum(row["release"] == version and row["phase"] != "trial" for row in rows),
        "tries": sum(row["phase"] == "trial" for row in on_trial),
        "waits": sum(row["phase"] in WAITS for row in on_trial),
        "failed": sum(row["failed"] for row in rows),
    }


@dataclass
class Standing:
    """Boxes by what they report of one version."""

    runs: int = 0
    tries: int = 0
    waits: int = 0
    failed: int = 0


@dataclass(frozen=True)
class ForBoard:
    """A signed bundle for one kind of board; `is_newest`: every box with it is sent there."""

    board: str
    length_bytes: int
    notes: str
    is_newest: bool


@dataclass(frozen=True)
class Published:
    """A version of the system, and the boards it was signed for."""

    version: str
    boards: tuple[ForBoard, ...]
    standing: Standing


def standings(database: Database, subject: Subject) -> dict[str, Standing]:
    """Each version that a box names, with how many boxes run, try, wait with and gave up on it.

    One look at all boxes, whatever the number of versions.
    """
    found: dict[str, Standing] = {}
    where = (subject.runs, subject.phase, subject.trying, subject.failed)
    for row in database.all(STANDING, where):
        if row["phase"] != "trial":
            found.setdefault(str(row["runs"]), Standing()).runs += row["n"]
        else:
            found.setdefault(str(row["trying"]), Standing()).tries += row["n"]
        if row["phase"] in WAITS:
            found.setdefault(str(row["trying"]), Standing()).waits += row["n"]
        for version in _texts(row["failed"]):
            found.setdefault(version, Standing()).failed += row["n"]
    return found


def published_systems(repository: Repository, database: Database) -> list[Published]:
    """All signed systems, the newest first. Raises Refused: the repository is damaged."""
    listed = repository.listed("releases")
    told = standings(database, SYSTEMS)
    newest = {match[1]: parse_newest(_signed(repository, path, listed[path]))
              for path in listed if (match := systems.POINTER.fullmatch(path))}
    versions: dict[str, list[ForBoard]] = {}
    for path, entry in listed.items():
        match = systems.NAMED.fullmatch(path)
        if match is None:
            continue
        version, board = match.groups()
        signed = systems.parse_system(_signed(repository, path, entry))
        versions.setdefault(version, []).append(
            ForBoard(board, signed.bundle.bytes, signed.notes, newest.get(board) == version))
    return [
        Published(version, tuple(versions[version]), told.get(version, Standing()))
        for version in sorted(versions, key=_key, reverse=True)
    ]


def _listed(repository: Repository, role: str) -> dict[str, dict[str, Any]]:
    try:
        return repository.listed(role)
    except KeyError:
        return {}  # a chain from before this role


def _signed(repository: Repository, path: str, entry: dict[str, Any]) -> bytes:
    return signed_bytes(repository, path, entry, STEER_BYTES_MAX)


def _key(version: str) -> tuple[int, ...]:
    return version_key(version) or (0,)


def _texts(data: Any) -> list[str]:
    try:
        return msgspec.json.decode(data, type=list[str])
    except (msgspec.MsgspecError, TypeError):
        return []
