"""What a release says of itself: its files by hash, and where it may run. Signed as a TUF target.

`releases/<version>.json` is a Manifest; `releases/newest.json` is a Newest: the release that
every box of the chain should run.
"""

from __future__ import annotations

import platform
import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ota.errors import Refused
from ota.formats.compat import NEEDS_MAX, Facts, unmet
from ota.formats.versions import version_key
from ota.machine import facts_of

MANIFEST_BYTES_MAX = 8 << 20
FILES_MAX = 20_000
RELEASE_BYTES_MAX = 4 << 30
PATH_CHARS_MAX = 240
SHA256 = re.compile(r"[0-9a-f]{64}")
# What this updater can install and its slots can hold; a release names what it needs.
# 2: the slot holds its own Python packages, or there is a matrix of needs.
SLOT_SCHEMA = 2
# The release's software bill of materials.
SBOM_FILE = "sbom.cdx.json"
NEWEST = "releases/newest.json"


class FileEntry(msgspec.Struct, frozen=True):
    """One file of the release."""

    sha256: str
    bytes: int


class Artefact(msgspec.Struct, frozen=True):
    """The one file that is downloaded, from `targets/content/<sha256>`."""

    sha256: str
    bytes: int


class Compat(msgspec.Struct, frozen=True):
    """Where the release runs: first and first-not-supported Python, platforms, slot layout.

    `requirements` is the sha256 of the list of foreign packages; a box whose environment was made
    from another list refuses. Empty: not checked (a release with its own packages needs none).
    `needs` is the rest of the matrix, see `ota.formats.compat.Need`; it is kept raw, so that a need
    that an older updater cannot read is refused and not lost.
    """

    python_from: str
    python_below: str
    platforms: tuple[str, ...]
    slot_schema: int = 1
    requirements: str = ""
    needs: tuple[dict[str, Any], ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """A release. `files` maps relative paths to hashes.

    `environment` is the tag of the packages in it, like `linux-x86_64-cp311`; `sbom` the sha256 of
    SBOM_FILE among the files; `updater` the beginnings of the paths that the updater runs on.
    """

    schema: int
    version: str
    artefact: Artefact
    compat: Compat
    files: dict[str, FileEntry]
    notes: str = ""
    environment: str = ""
    sbom: str = ""
    updater: tuple[str, ...] = ()

    @property
    def unpacked_bytes(self) -> int:
        """What a slot holds of it."""
        return sum(entry.bytes for entry in self.files.values())


class Newest(msgspec.Struct, frozen=True):
    """The chain's pointer to the release to run."""

    schema: int
    version: str


@dataclass(frozen=True)
class Machine:
    """What decides whether a release fits here."""

    python: tuple[int, int]
    platform: str
    slot_schema: int = SLOT_SCHEMA
    requirements: str = ""
    facts: Facts = field(default_factory=dict)

    @classmethod
    def here(
        cls, requirements: str = "", programmes: Path | None = None, plays: int | None = None
    ) -> Machine:
        """This machine; `requirements` is the sha256 its environment was made from, if known,
        `programmes` and `plays` as in `facts_of`."""
        name = f"{sys.platform}-{platform.machine()}"
        python = (sys.version_info.major, sys.version_info.minor)
        facts = facts_of(programmes=programmes, plays=plays)
        return cls(python, name, SLOT_SCHEMA, requirements, facts)


def environment_here() -> str:
    """The tag of the packages that run here, like `linux-x86_64-cp311`."""
    major, minor = sys.version_info[:2]
    return f"{sys.platform}-{platform.machine()}-cp{major}{minor}"


def release_target(version: str, environment: str = "") -> str:
    """The name a release is signed under; one with its own packages has a name for each tag."""
    return f"releases/{version}.{environment}.json" if environment else f"releases/{version}.json"


def parse_manifest(data: bytes) -> Manifest:
    """Read and check a manifest. Raises Refused: malformed, a path that leaves the slot, limits."""
    if len(data) > MANIFEST_BYTES_MAX:
        raise Refused("The release's manifest is larger than 8 MiB; publish it again.")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The release's manifest is malformed ({error}).") from error
    fault = _fault(manifest)
    if fault:
        raise Refused(f"The release's manifest is not acceptable: {fault}.")
    return manifest


def parse_newest(data: bytes) -> str:
    """The version in `releases/newest.json`. Raises Refused."""
    try:
        newest = msgspec.json.decode(data, type=Newest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The pointer to the newest release is malformed ({error}).") from error
    if newest.schema != 1 or version_key(newest.version) is None:
        raise Refused("The pointer to the newest release is of another schema; update by hand.")
    return newest.version


def misfit(compat: Compat, machine: Machine, current: str = "") -> str | None:
    """Why a release does not run here, as a sentence, or None. Pure.

    `current` is the release that runs now, if any.
    """
    if compat.slot_schema > machine.slot_schema:
        return "it needs a newer updater; install the release before it first"
    if compat.platforms and machine.platform not in compat.platforms:
        return f"it is for {', '.join(compat.platforms)}, and this box is {machine.platform}"
    low, high = version_key(compat.python_from), version_key(compat.python_below)
    if low is None or high is None or not low <= machine.python < high:
        here = ".".join(str(part) for part in machine.python)
        return f"it needs Python {compat.python_from} to below {compat.python_below}, not {here}"
    if compat.requirements and machine.requirements not in ("", compat.requirements):
        return "it needs other packages than this box has; update the box's environment first"
    return unmet(compat.needs, {**machine.facts, **({"current": (current,)} if current else {})})


def _fault(manifest: Manifest) -> str | None:
    if manifest.schema != 1:
        return f"schema {manifest.schema} is unknown"
    if version_key(manifest.version) is None:
        return f"{manifest.version[:40]!r} is not a version of dotted numbers"
    if not 0 < len(manifest.files) <= FILES_MAX:
        return f"it has {len(manifest.files)} files, and 1 to {FILES_MAX} are allowed"
    sizes = (manifest.unpacked_bytes, manifest.artefact.bytes)
    if max(sizes) > RELEASE_BYTES_MAX or manifest.artefact.bytes <= 0:
        return "it is larger than 4 GiB"
    if not SHA256.fullmatch(manifest.artefact.sha256):
        return "the artefact's hash is not a sha256"
    for path, entry in manifest.files.items():
        if not safe_path(path):
            return f"the path {path[:80]!r} is not a plain relative path"
        if entry.bytes < 0 or not SHA256.fullmatch(entry.sha256):
            return f"the entry of {path[:80]!r} has no valid size and hash"
    if manifest.sbom and getattr(manifest.files.get(SBOM_FILE), "sha256", "") != manifest.sbom:
        return f"{SBOM_FILE} is not the one it names"
    if len(manifest.compat.needs) > NEEDS_MAX:
        return f"it has {len(manifest.compat.needs)} needs, and {NEEDS_MAX} are allowed"
    return _collision(manifest.files)


def _collision(paths: Iterable[str]) -> str | None:
    """Two names that are one on a disk that knows no case, or a file where a folder must be."""
    seen: dict[str, str] = {}
    folded = {path: unicodedata.normalize("NFC", path).casefold() for path in paths}
    for path, name in folded.items():
        other = seen.setdefault(name, path)
        if other != path:
            return f"{path[:80]!r} and {other[:80]!r} are one name on some disks"
    for path, name in folded.items():
        parent = name.rpartition("/")[0]
        while parent:
            if parent in seen:
                return f"{seen[parent][:80]!r} is a file and a folder (of {path[:80]!r})"
            parent = parent.rpartition("/")[0]
    return None


def safe_path(path: str) -> bool:
    """True for `a/b/c` without `..`, empty or hidden-trick parts, back slashes or controls."""
    if not path or len(path) > PATH_CHARS_MAX or "\\" in path or not path.isprintable():
        return False
    return all(part not in ("", ".", "..") for part in path.split("/"))
