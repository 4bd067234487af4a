"""What the publisher adds to a release so that a box fetches only what changed: its chunks, and
patches from the releases before it."""

from __future__ import annotations

import hashlib

import msgspec

from fleet.patches import Packed, is_worth, make_patch
from fleet.shortcuts import cut
from ota import zstd
from ota.errors import Refused
from ota.files import read_bounded
from ota.formats import chunks
from ota.formats.manifest import MANIFEST_BYTES_MAX, Manifest, parse_manifest, release_target
from ota.formats.shortcuts import OLDER_MAX, Chunked, Delta, Patch, Ways, read_ways, ways_of
from ota.formats.versions import version_key
from ota.publish.release import Release, encoded
from ota.publish.repository import Repository

ROLE = "releases"
# A patch is some MB on the server; from older releases chunks cost three times as much.
PATCHED_FROM = 5
WAYS_BYTES_MAX = 1 << 20


def add_ways(
    repository: Repository, release: Release, patched_from: int = PATCHED_FROM
) -> None:
    """Add the release's `.ways.json`, to be signed with the next `publish`. Its artefact lies in
    the repository; patches are made from the last `patched_from` ones before it. Older releases
    whose artefact was removed are left out."""
    new = release.manifest
    older = _older(repository, new)
    path = repository.content_path(new.artefact.sha256)
    chunked = cut(repository, new.artefact.sha256)
    listed = _list(repository, chunked, new)
    patches = []
    for manifest in older[:patched_from]:
        was = Packed(manifest, repository.content_path(manifest.artefact.sha256))
        data, ram_bytes = make_patch(was, Packed(new, path))
        if is_worth(data, new):
            patches.append(Patch(old=manifest.artefact.sha256, sha256=repository.put_content(data),
                                 bytes=len(data), ram_bytes=ram_bytes))
    missing = {}
    for manifest in older[:OLDER_MAX]:
        have = _list_of(repository, manifest)
        if have is not None:
            digests = {chunk.digest for chunk in have}
            missing[manifest.artefact.sha256] = sum(
                chunk.packed_bytes for chunk in listed if chunk.digest not in digests)
    manifests = [_delta(repository, release, manifest) for manifest in older[:patched_from]]
    ways = Ways(chunked=chunked, pack_bytes=sum(chunk.packed_bytes for chunk in listed),
                missing_bytes=missing, patches=patches, manifests=manifests)
    repository.add(ROLE, ways_of(release.target), msgspec.json.encode(ways), {"kind": "ways"})


def _delta(repository: Repository, release: Release, older: Manifest) -> Delta:
    """The new manifest against an older one, both as they were signed."""
    old = encoded(older)
    frame = zstd.packed(release.manifest_bytes, old)
    return Delta(old=hashlib.sha256(old).hexdigest(), sha256=repository.put_content(frame),
                 bytes=len(frame))


def _older(repository: Repository, new: Manifest) -> list[Manifest]:
    """The signed releases before this one for the same kind of box, the newest first; those of
    boxes that had no packages of their own yet come after."""
    listed = repository.listed(ROLE)
    mine = version_key(new.version) or (0,)
    found = []
    for environment in dict.fromkeys((new.environment, "")):
        versions = [name.removeprefix("releases/").removesuffix(
            release_target("", environment).removeprefix("releases/")) for name in listed]
        keys = {key: version for version in versions if (key := version_key(version))}
        for key in sorted((key for key in keys if key < mine), reverse=True):
            manifest = _manifest(repository, release_target(keys[key], environment))
            if manifest is not None:
                found.append(manifest)
    return found


def _manifest(repository: Repository, target: str) -> Manifest | None:
    entry = repository.listed(ROLE).get(target)
    data = None if entry is None else _signed(repository, target, entry["sha256"])
    try:
        manifest = None if data is None else parse_manifest(data)
    except Refused:
        return None
    there = manifest and repository.content_path(manifest.artefact.sha256).is_file()
    return manifest if there else None


def _list_of(repository: Repository, manifest: Manifest) -> tuple[chunks.Chunk, ...] | None:
    """The chunks of an older release, if it was published with them."""
    name = ways_of(release_target(manifest.version, manifest.environment))
    entry = repository.listed(ROLE).get(name)
    data = None if entry is None else _signed(repository, name, entry["sha256"])
    try:
        return None if data is None else _list(repository, read_ways(data).chunked, manifest)
    except (OSError, Refused):
        return None


def _list(
    repository: Repository, chunked: Chunked, manifest: Manifest
) -> tuple[chunks.Chunk, ...]:
    data = read_bounded(repository.content_path(chunked.list), chunks.LIST_BYTES_MAX)
    return chunks.decode(data, manifest.artefact.bytes)


def _signed(repository: Repository, target: str, sha256: str) -> bytes | None:
    folder, _, leaf = target.rpartition("/")
    path = repository.directory / "targets" / folder / f"{sha256}.{leaf}"
    try:
        return read_bounded(path, MANIFEST_BYTES_MAX)
    except (OSError, Refused):
        return None
