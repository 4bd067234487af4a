"""Makes a release from a source tree: the same tree gives the same bytes, on any machine.

An uncompressed tar (a changed line must stay a small delta) with sorted names and nothing in it
that depends on who packed it or when.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from ota.errors import Refused
from ota.files import GrowingFile
from ota.manifest import (
    NEWEST,
    Artefact,
    Compat,
    FileEntry,
    Manifest,
    Newest,
    parse_manifest,
    safe_path,
)
from ota.repository import Repository
from ota.state import version_key

PACKAGES = ("cli", "device", "fleet", "models", "ota", "programmes", "provisioning")
REQUIREMENTS = Path("requirements/run.txt")
PLATFORMS = ("linux-x86_64", "linux-aarch64")
PYTHON_FROM, PYTHON_BELOW = "3.10", "3.14"
LEFT_OUT_FOLDERS = {"__pycache__", ".git", ".venv"}
LEFT_OUT_SUFFIXES = {".pyc", ".pyo", ".part"}
_MODE = 0o644


@dataclass(frozen=True)
class Release:
    """A packed release: the tar file and the manifest that is to be signed."""

    artefact: Path
    manifest: Manifest

    @property
    def manifest_bytes(self) -> bytes:
        """The manifest as it is signed: one line of JSON with sorted keys."""
        return msgspec.json.encode(self.manifest, order="deterministic")


def build(
    tree: Path,
    version: str,
    artefact: Path,
    packages: Sequence[str] = PACKAGES,
    platforms: Sequence[str] = PLATFORMS,
    notes: str = "",
) -> Release:
    """Pack `packages` of the source tree into the tar `artefact`.

    Raises Refused: no such folders, a version that is not dotted numbers, links in the tree.
    """
    if version_key(version) is None:
        raise Refused(f"{version!r} is not a version; write dotted numbers like 1.4.0.")
    sources = list(_sources(tree, packages))
    if not sources:
        raise Refused(f"There is nothing to release in {tree}; give the checkout's folder.")
    files: dict[str, FileEntry] = {}
    whole = hashlib.sha256()
    part = artefact.with_name(f".{artefact.name}.part")
    with GrowingFile(part) as growing:
        growing.restart()
        for name, path in sources:
            body = path.read_bytes()
            files[name] = FileEntry(hashlib.sha256(body).hexdigest(), len(body))
            block = _member(name, body)
            whole.update(block)
            growing.write(block)
        end = b"\0" * 1024
        whole.update(end)
        growing.write(end)
        size_bytes = growing.size_bytes
        growing.commit(artefact)
    requirements = tree / REQUIREMENTS
    packages_hash = (
        hashlib.sha256(requirements.read_bytes()).hexdigest() if requirements.is_file() else ""
    )
    manifest = Manifest(
        schema=1,
        version=version,
        artefact=Artefact(whole.hexdigest(), size_bytes),
        compat=Compat(PYTHON_FROM, PYTHON_BELOW, tuple(platforms), requirements=packages_hash),
        files=files,
        notes=notes,
    )
    release = Release(artefact, manifest)
    # What the box would refuse must not be published.
    parse_manifest(release.manifest_bytes)
    return release


def publish(repository: Repository, release: Release, newest: bool = True) -> None:
    """Sign the release; with `newest`, also as the one that every box should run.

    Raises Refused when this version was published with other bytes: a version never changes.
    """
    name = f"releases/{release.manifest.version}.json"
    before = repository.listed("releases").get(name)
    data = release.manifest_bytes
    if before and before["sha256"] != hashlib.sha256(data).hexdigest():
        raise Refused(
            f"Release {release.manifest.version} was published with other bytes; "
            "give this one a higher version."
        )
    repository.put_content(release.artefact)
    repository.add("releases", name, data)
    if newest:
        pointer = msgspec.json.encode(Newest(1, release.manifest.version), order="deterministic")
        repository.add("releases", NEWEST, pointer)
    repository.publish()


def _sources(tree: Path, packages: Sequence[str]) -> Iterator[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for package in packages:
        for path in (tree / package).rglob("*"):
            relative = path.relative_to(tree)
            if LEFT_OUT_FOLDERS & set(relative.parts) or path.suffix in LEFT_OUT_SUFFIXES:
                continue
            # A link within the tree is packed as the file it means; one that leads out is not.
            if path.is_symlink() and not path.resolve().is_relative_to(tree.resolve()):
                raise Refused(f"{relative} is a link that leads out of {tree}; remove it.")
            if path.is_file():
                if not safe_path(relative.as_posix()):
                    raise Refused(f"{relative} has a name that a box would refuse; rename it.")
                found.append((relative.as_posix(), path))
    return iter(sorted(found))


def _member(name: str, body: bytes) -> bytes:
    """One file as tar blocks: header (GNU for long names), body, padding."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(body), _MODE, 0
    header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")
    padding = b"\0" * (-len(body) % tarfile.BLOCKSIZE)
    return b"".join((header, body, padding))


def members(artefact: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and readers of an artefact, in order. Raises Refused: not plain files, damaged.

    Nothing is extracted by tarfile itself: it follows links and absolute paths.
    """
    try:
        with tarfile.open(artefact, "r:") as archive:
            for info in archive:
                reader = archive.extractfile(info) if info.isreg() else None
                if reader is None or not safe_path(info.name):
                    raise Refused(f"The release holds {info.name[:80]!r}, which is no plain file.")
                yield info.name, reader
    except (tarfile.TarError, EOFError) as error:
        raise Refused(f"The release's artefact is damaged ({error}).") from error
