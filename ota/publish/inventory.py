"""What lies in a repository's `targets`, and what its signed lists name: the reading edge."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ota.errors import Refused, Retry
from ota.files import read_bounded
from ota.publish.needed import File, content_of, hashes_named
from ota.publish.roles import DELEGATED
from ota.trust.metadata import check_signed

if TYPE_CHECKING:
    from ota.publish.repository import Repository

CONTENT = "content"
# Nothing that names content is larger: a box takes no larger index or manifest.
NAMING_BYTES_MAX = 16 << 20
DEPTH_MAX = 2
OF_CONTENT = re.compile(r"[0-9a-f]{64}|\.[0-9a-f]{64}(\.pack|\.[0-9a-f]{8})?\.part")
OF_SIGNED = re.compile(
    r"[0-9a-f]{64}\.[a-z0-9][a-z0-9._-]{0,63}|\.[0-9a-f]{64}\.[a-z0-9._-]{1,64}\.[0-9a-f]{8}\.part")
FOLDERS = frozenset(pattern.partition("/")[0] for each in DELEGATED.values() for pattern in each)


@dataclass
class Found:
    """Our own files below `targets`, and how many others lie there."""

    files: list[File] = field(default_factory=list)
    foreign: int = 0


@dataclass(frozen=True)
class _Named:
    wide: frozenset[str]
    exact: frozenset[str]


# A signed file never changes under its name, so it is read once.
Known = dict[str, _Named]


def file_of(path: str, sha256: str) -> str:
    """Where a signed file lies below `targets`."""
    folder, slash, leaf = path.rpartition("/")
    return f"{folder}{slash}{sha256}.{leaf}"


def signed_bytes(
    repository: Repository, path: str, entry: Mapping[str, Any], bytes_max: int
) -> bytes:
    """What lies behind a name that is listed as `entry`. Raises Refused: it is gone or too large.
    """
    file = repository.directory / "targets" / file_of(path, entry["sha256"])
    try:
        return read_bounded(file, bytes_max)
    except OSError as error:
        raise Refused(f"{file} is missing or damaged; bring the repository back from its "
                      "backup.") from error


def look(targets: Path) -> Found:
    """Walk `targets`. Links are followed at its own two levels only; what they lead to in deeper
    ones is foreign, and so is every name that this code does not make. Raises Retry."""
    found = Found()
    for entry in _entries(targets):
        if entry.name == CONTENT and entry.is_dir():
            _take(found, Path(entry.path), f"{CONTENT}/", OF_CONTENT, 0)
        elif entry.name in FOLDERS and entry.is_dir():
            _take(found, Path(entry.path), f"{entry.name}/", OF_SIGNED, DEPTH_MAX - 1)
        else:
            found.foreign += 1
    return found


def _take(found: Found, folder: Path, prefix: str, ours: re.Pattern[str], deeper: int) -> None:
    for entry in _entries(folder):
        if deeper and entry.is_dir(follow_symlinks=False):
            _take(found, Path(entry.path), f"{prefix}{entry.name}/", ours, deeper - 1)
        elif entry.is_file(follow_symlinks=False) and ours.fullmatch(entry.name):
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.files.append(File(prefix + entry.name, info.st_size, info.st_mtime))
        else:
            found.foreign += 1


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except FileNotFoundError:
        return
    except OSError as error:
        raise Retry(f"{folder} cannot be read ({error.strerror}); check the disk.") from error


def needed(
    repository: Repository, known: Known, without: Collection[str] = ()
) -> tuple[set[str], set[str]]:
    """Names below `targets` that the newest lists of all roles need: all that may be one, and
    those without which a box cannot do. `without` are signed names to be passed over.

    Raises Refused: a list that its role has not signed, a signed file that is missing or damaged
    (what it names is not known then).
    """
    wide, exact = set(), set()
    for role, targets in signed_lists(repository):
        for path, info in targets.items():
            if path in without:
                continue
            name = file_of(path, info.hashes["sha256"])
            if name not in known:
                known[name] = _read(repository.directory / "targets" / name, path, role, info)
            wide |= {name, *(f"{CONTENT}/{each}" for each in known[name].wide)}
            exact |= {name, *(f"{CONTENT}/{each}" for each in known[name].exact)}
    return wide, exact


def signed_lists(repository: Repository) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each list in force, by its role: what its own keys have signed. Raises Refused."""
    lists = repository.lists()
    for role, current in lists.items():
        above = repository.current("root") if role == "targets" else lists["targets"]
        check_signed(above, role, current)
        yield role, current.signed.targets


def check_new(directory: Path, before: Any, after: Any) -> None:
    """What a list names newly must lie in the repository. Raises Refused."""
    known = getattr(before, "targets", {})
    for path, info in getattr(after, "targets", {}).items():
        if known.get(path) != info:
            check_there(directory, path, info)


def check_there(directory: Path, path: str, info: Any) -> None:
    """A file about to be signed must lie here with all that it names. Raises Refused."""
    targets = directory / "targets"
    name = file_of(path, info.hashes["sha256"])
    try:
        data = b"" if info.length > NAMING_BYTES_MAX else read_bounded(
            targets / name, NAMING_BYTES_MAX)
        lost = [each for each in content_of(path, data)
                if not (targets / CONTENT / each).is_file()]
    except FileNotFoundError:
        raise Refused(f"{path} is signed but not in this repository; publish it again, or copy "
                      "`targets` from where it was made.") from None
    if lost:
        raise Refused(f"{path} names {len(lost)} files that are not in this repository (any more); "
                      "publish it again, or copy `targets` from where it was made.")


def _read(file: Path, path: str, role: str, info: Any) -> _Named:
    if info.length > NAMING_BYTES_MAX:
        return _Named(frozenset(), frozenset())
    try:
        data = read_bounded(file, NAMING_BYTES_MAX)
    except (OSError, Refused):
        data = None
    if data is None or hashlib.sha256(data).hexdigest() != info.hashes["sha256"]:
        raise Refused(
            f"{path} is signed by {role}, but its file is missing or damaged, so it is not known "
            "what it needs: nothing was removed. Bring it back from the backup, or withdraw it.")
    return _Named(hashes_named(path, data), content_of(path, data))
