"""Makes a release from a source tree: the same tree gives the same bytes, on any machine.

An uncompressed tar (see `ota.formats.layout`) of the code, with wheels also of the Python packages
that it runs on, and of its bill of materials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ota.box.updater import CODE
from ota.box.updater import PACKAGES as UPDATER_PACKAGES
from ota.errors import Refused
from ota.files import GrowingFile, read_bounded, write_durable
from ota.formats.compat import read_need
from ota.formats.layout import END_BYTES, member_header, padding_bytes
from ota.formats.manifest import (
    NEWEST,
    SBOM_FILE,
    Artefact,
    Compat,
    FileEntry,
    Manifest,
    Newest,
    parse_manifest,
    release_target,
    safe_path,
)
from ota.formats.versions import version_key
from ota.publish.repository import Repository
from ota.publish.sbom import AVATAR, AVATARS, make_sbom
from ota.publish.wheels import WheelSet, check_pinned, folders_of, read_wheels, unpacked

PACKAGES = ("cli", "device", "fleet", "models", "ota", "programmes", "provisioning")
REQUIREMENTS = Path("requirements/run.txt")
PLATFORMS = ("linux-x86_64", "linux-aarch64")
PYTHON_FROM, PYTHON_BELOW = "3.10", "3.14"
NEEDS_BYTES_MAX = 64 << 10
LEFT_OUT_FOLDERS = {"__pycache__", ".git", ".venv"}
LEFT_OUT_SUFFIXES = {".pyc", ".pyo", ".part"}
Body = Callable[[], bytes]
# What is done with a new release's artefact before it is signed: cheaper ways to it.
Shorten = Callable[[Repository, "Release"], None]


@dataclass(frozen=True)
class Release:
    """A packed release: the tar file, the manifest that is to be signed, its bill of materials."""

    artefact: Path
    manifest: Manifest
    sbom: bytes

    @property
    def manifest_bytes(self) -> bytes:
        """The manifest as it is signed."""
        return encoded(self.manifest)

    def told(self) -> dict[str, Any]:
        """What programs are told of it."""
        manifest = self.manifest
        return {
            "version": manifest.version,
            "sha256": manifest.artefact.sha256,
            "bytes": manifest.artefact.bytes,
            "files": len(manifest.files),
            "environment": manifest.environment or None,
            "sbom_sha256": manifest.sbom,
        }

    @property
    def target(self) -> str:
        """The name it is signed under."""
        return release_target(self.manifest.version, self.manifest.environment)


def encoded(manifest: Manifest) -> bytes:
    """A manifest as it is signed: one line of JSON with sorted keys."""
    return msgspec.json.encode(manifest, order="deterministic")


def build(
    tree: Path,
    version: str,
    artefact: Path,
    packages: Sequence[str] = PACKAGES,
    platforms: Sequence[str] = PLATFORMS,
    notes: str = "",
    wheels: Path | None = None,
    needs: Sequence[Mapping[str, Any]] = (),
) -> Release:
    """Pack `packages` of the source tree into the tar `artefact`.

    With a folder of `wheels` the release has its own Python packages, and is for their machine
    and Python only. `needs` is the matrix beyond that (`ota.formats.compat.Need`). Raises Refused:
    no such folders, a version that is not dotted numbers, links in the tree, wheels that do not
    belong together or not to the tree's list of packages.
    """
    if version_key(version) is None:
        raise Refused(f"{version!r} is not a version; write dotted numbers like 1.4.0.")
    bodies = dict(_sources(tree, packages))
    if not bodies:
        raise Refused(f"There is nothing to release in {tree}; give the checkout's folder.")
    brought = None if wheels is None else read_wheels(wheels)
    if brought is not None:
        check_pinned(brought, _requirements(tree).decode())
        bodies.update(unpacked(brought))
    files = {name: _entry(body()) for name, body in sorted(bodies.items())}
    sbom = make_sbom(version, files, () if brought is None else brought.wheels, _avatars(tree))
    bodies[SBOM_FILE], files[SBOM_FILE] = lambda: sbom, _entry(sbom)
    manifest = Manifest(
        schema=1,
        version=version,
        artefact=_write(artefact, bodies, files),
        compat=_compat(tree, platforms, brought, needs),
        files=files,
        notes=notes,
        environment="" if brought is None else brought.tag,
        sbom=files[SBOM_FILE].sha256,
        updater=(*CODE, *(folders_of(brought, UPDATER_PACKAGES) if brought else ())),
    )
    release = Release(artefact, manifest, sbom)
    # What the box would refuse must not be published.
    parse_manifest(release.manifest_bytes)
    return release


def publish(
    repository: Repository,
    release: Release,
    newest: bool = True,
    shorten: Shorten | None = None,
) -> None:
    """Sign the release; with `newest`, also as the one that every box should run.

    Raises Refused when this version was published with other bytes: a version never changes.
    """
    name = release.target
    before = repository.listed("releases").get(name)
    data = release.manifest_bytes
    if before and before["sha256"] != hashlib.sha256(data).hexdigest():
        raise Refused(
            f"Release {release.manifest.version} was published with other bytes; "
            "give this one a higher version."
        )
    repository.put_content(release.artefact)
    if shorten is not None:
        shorten(repository, release)
    repository.add("releases", name, data)
    if newest:
        pointer = msgspec.json.encode(Newest(1, release.manifest.version), order="deterministic")
        repository.add("releases", NEWEST, pointer)
    repository.publish()
    bill = name.rpartition("/")[2].removesuffix(".json")
    write_durable(repository.directory / "sbom" / f"{bill}.cdx.json", release.sbom)


def read_needs(path: Path | None) -> list[dict[str, Any]]:
    """The matrix in a JSON file. Raises Refused: unreadable, or a line no box can judge."""
    if path is None:
        return []
    try:
        needs = msgspec.json.decode(read_bounded(path, NEEDS_BYTES_MAX), type=list[dict[str, Any]])
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise Refused(f"{path} is not a JSON list of needs ({error}); correct it.") from error
    bad = next((need for need in needs if read_need(need) is None), None)
    if bad is not None:
        raise Refused(f"{str(bad)[:120]} in {path} is no need that a box can judge; correct it.")
    return needs


def _compat(
    tree: Path, platforms: Sequence[str], wheels: WheelSet | None,
    needs: Sequence[Mapping[str, Any]],
) -> Compat:
    wanted = tuple(dict(need) for need in needs)
    if wheels is None:
        requirements = _requirements(tree)
        packages = hashlib.sha256(requirements).hexdigest() if requirements else ""
        schema = 2 if wanted else 1
        return Compat(PYTHON_FROM, PYTHON_BELOW, tuple(platforms), schema, packages, wanted)
    major, minor = wheels.python
    if wheels.glibc > (0, 0):
        oldest = ".".join(str(part) for part in wheels.glibc)
        wanted = ({"what": "glibc", "at_least": oldest}, *wanted)
    return Compat(f"{major}.{minor}", f"{major}.{minor + 1}", (wheels.platform,), 2, "", wanted)


def _requirements(tree: Path) -> bytes:
    path = tree / REQUIREMENTS
    return path.read_bytes() if path.is_file() else b""


def _avatars(tree: Path) -> dict[str, str]:
    """Ids and versions of the avatars in the tree."""
    found = {}
    for path in sorted((tree / AVATARS).glob(f"*/{AVATAR}")):
        try:
            told = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Refused(f"{path} is not a valid avatar description ({error}).") from error
        found[path.parent.name] = str(told.get("version", ""))
    return found


def _entry(body: bytes) -> FileEntry:
    return FileEntry(hashlib.sha256(body).hexdigest(), len(body))


def _write(artefact: Path, bodies: Mapping[str, Body], files: Mapping[str, FileEntry]) -> Artefact:
    """Lay the artefact out. Raises Refused when a file changes meanwhile."""
    whole = hashlib.sha256()
    with GrowingFile(artefact.with_name(f".{artefact.name}.part")) as growing:
        growing.restart()
        for name in sorted(bodies):
            body = bodies[name]()
            if _entry(body) != files[name]:
                raise Refused(f"{name} changed while the release was packed; pack it again.")
            for block in (member_header(name, len(body)), body, bytes(padding_bytes(len(body)))):
                whole.update(block)
                growing.write(block)
        whole.update(bytes(END_BYTES))
        growing.write(bytes(END_BYTES))
        size_bytes = growing.size_bytes
        growing.commit(artefact)
    return Artefact(whole.hexdigest(), size_bytes)


def _sources(tree: Path, packages: Sequence[str]) -> Iterator[tuple[str, Body]]:
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
                yield relative.as_posix(), partial(Path.read_bytes, path)
