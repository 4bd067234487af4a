"""Old files leave a repository: those that no newest list has needed for a grace time.

A box that follows an older list has that long to finish; then it gets a 404 and takes the newest
list. Only the newest lists count: the older ones that still lie in `metadata` may be years old.
What was seen unneeded, and since when, is remembered in `pruning.json`; losing it only means that
the time begins anew. Names leave the signed lists first (`ota.publish.obsolete`, with the
releases key), bytes leave the disk a grace time later, under the repository's lock.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from ota.clock import Deadline, sleep_s
from ota.errors import Refused, Retry
from ota.files import read_bounded, sync_directory, write_durable
from ota.publish.inventory import CONTENT, Known, look, needed
from ota.publish.needed import File, Verdict, judge
from ota.publish.repository import Repository

GRACE = timedelta(days=30)
MEMORY = "pruning.json"
MEMORY_BYTES_MAX = 64 << 20
# So many names are remembered; more wait for the next time.
NAMES_MAX = 400_000
# A publisher waits for the lock no longer than this and the last file.
ROUND_S = 5.0
ROUNDS_MAX = 2_000
BETWEEN_S = 0.2
LOST_SHOWN = 20


class Memory(msgspec.Struct, kw_only=True):
    """`since`: moment (UTC) -> names below `targets` that nothing needs since then. The rest is
    what the last look found: for the console."""

    schema: int = 1
    at: str = ""
    size_bytes: int = 0
    freed_bytes: int = 0
    freed_total_bytes: int = 0
    waiting_bytes: int = 0
    lost: int = 0
    since: dict[str, list[str]] = {}


@dataclass
class Pruned:
    """What a look found, and what went. `goes` are bytes and files that went, or would go."""

    repository_bytes: int = 0
    goes: list[File] = field(default_factory=list)
    waiting_files: int = 0
    waiting_bytes: int = 0
    next_at: str = ""
    foreign_files: int = 0
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def freed_bytes(self) -> int:
        """Bytes of what went, or would go."""
        return sum(file.size_bytes for file in self.goes)

    def told(self) -> dict[str, Any]:
        """For programs."""
        return {
            "repository_bytes": self.repository_bytes,
            "freed_bytes": self.freed_bytes,
            "freed_files": len(self.goes),
            "waiting_bytes": self.waiting_bytes,
            "waiting_files": self.waiting_files,
            "next_at": self.next_at or None,
            "foreign_files": self.foreign_files,
            "lost": self.lost[:LOST_SHOWN],
            "not_removed": self.stuck[:LOST_SHOWN],
        }


def would_go(
    repository: Repository, also: Collection[str], grace: timedelta, now: datetime
) -> Pruned:
    """What `prune` would do now; changes nothing, needs no lock, works on a read-only disk.

    `also` are sha256 of content that somebody outside the lists needs. Raises as `prune`.
    """
    pruned, verdict, _ = _judged(repository, also, grace, now, {})
    pruned.goes = list(verdict.goes)
    return pruned


def prune(
    repository: Repository, also: Collection[str], grace: timedelta, now: datetime
) -> Pruned:
    """Remove what nothing has needed for `grace`, and remember what nothing needs since today.

    Bytes go before anything is written, so that a full disk can be emptied. Raises Refused (it is
    not known what is needed: nothing was removed), Retry (the lock, a read-only or full disk).
    """
    known: Known = {}
    # Reads most of what is signed before the lock is taken.
    needed(repository, known)
    gone: list[File] = []
    stuck: dict[str, str] = {}
    for _ in range(ROUNDS_MAX):
        with _alone(repository):
            pruned, verdict, memory = _judged(repository, also, grace, now, known)
            left = [file for file in verdict.goes if file.name not in stuck]
            went = _remove(repository.directory / "targets", left, stuck)
            gone += went
            if len(went) + len(stuck) >= len(verdict.goes):
                pruned.goes, pruned.stuck = gone, sorted(stuck.values())
                pruned.repository_bytes -= sum(file.size_bytes for file in went)
                _remember(repository.directory, memory, verdict, pruned, now)
                return pruned
        sleep_s(BETWEEN_S)
    raise Retry("The repository is larger than one look can clear; prune it again.")


def read_memory(directory: Path) -> Memory:
    """What was remembered; empty when there is nothing, or nothing that can be read."""
    try:
        data = read_bounded(directory / MEMORY, MEMORY_BYTES_MAX)
        memory = msgspec.json.decode(data, type=Memory)
    except (OSError, Refused, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Memory()
    return memory if memory.schema == 1 else Memory()


def _judged(
    repository: Repository, also: Collection[str], grace: timedelta, now: datetime, known: Known
) -> tuple[Pruned, Verdict, Memory]:
    wide, exact = needed(repository, known)
    found, memory = look(repository.directory / "targets"), read_memory(repository.directory)
    since_s = {name: at_s for text, names in memory.since.items()
               if (at_s := _seconds(text)) is not None for name in names}
    kept = wide | {f"{CONTENT}/{sha256}" for sha256 in also}
    verdict = judge(found.files, kept, since_s, now.timestamp(), grace.total_seconds())
    lost = exact - {file.name for file in found.files}
    pruned = Pruned(
        repository_bytes=sum(file.size_bytes for file in found.files),
        waiting_files=len(verdict.waits),
        waiting_bytes=sum(file.size_bytes for file in verdict.waits),
        foreign_files=found.foreign,
        lost=sorted(n for n in lost if not (repository.directory / "targets" / n).is_file()),
    )
    if verdict.waits:
        first_s = min(max(verdict.since_s[each.name], each.written_s) for each in verdict.waits)
        pruned.next_at = _text(first_s + grace.total_seconds())
    return pruned, verdict, memory


def _remove(targets: Path, files: list[File], stuck: dict[str, str]) -> list[File]:
    """Remove for ROUND_S at most; what cannot be removed is noted in `stuck`."""
    deadline, gone = Deadline(ROUND_S), []
    for file in files:
        if deadline.passed:
            break
        try:
            (targets / file.name).unlink(missing_ok=True)
            gone.append(file)
        except OSError as error:
            if error.errno == errno.EROFS:
                raise Retry(f"{targets} is on a read-only disk; nothing can be removed there. "
                            "Check the disk.") from error
            stuck[file.name] = f"{file.name}: {error.strerror}"
    return gone


def _remember(
    directory: Path, memory: Memory, verdict: Verdict, pruned: Pruned, now: datetime
) -> None:
    for folder in sorted({Path(file.name).parent for file in pruned.goes}):
        try:
            sync_directory(directory / "targets" / folder)
        except OSError:
            continue  # gone as a whole, or a disk that will not: what comes back goes again
    gone = {file.name for file in pruned.goes}
    left = sorted(
        (at_s, name) for name, at_s in verdict.since_s.items() if name not in gone)
    since: dict[str, list[str]] = {}
    for at_s, name in islice(left, NAMES_MAX):
        since.setdefault(_text(at_s), []).append(name)
    written = Memory(
        at=now.isoformat(timespec="seconds"),
        size_bytes=pruned.repository_bytes,
        freed_bytes=pruned.freed_bytes,
        freed_total_bytes=memory.freed_total_bytes + pruned.freed_bytes,
        waiting_bytes=pruned.waiting_bytes,
        lost=len(pruned.lost),
        since=since,
    )
    write_durable(directory / MEMORY, msgspec.json.encode(written), sole=True)


@contextmanager
def _alone(repository: Repository) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(repository.alone())
        except OSError as error:
            raise Retry(f"{repository.directory} cannot be written ({error.strerror}); check the "
                        "disk and its permissions.") from error
        yield


def _seconds(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None


def _text(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat(timespec="seconds")
