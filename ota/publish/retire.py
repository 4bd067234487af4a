"""Old releases leave the signed list: which ones, and the change that takes them out.

Their bytes stay for a grace time after that (`ota.publish.pruning`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ota.errors import Refused
from ota.files import read_bounded
from ota.formats.manifest import (
    MANIFEST_BYTES_MAX,
    NEWEST,
    Manifest,
    parse_manifest,
    parse_newest,
)
from ota.formats.rollout import PLAN, ROLLOUT, parse_plan, parse_rollout
from ota.publish import ceremony
from ota.publish.ceremony import Change
from ota.publish.inventory import file_of
from ota.publish.obsolete import MANIFEST, Used, obsolete
from ota.publish.repository import Repository

ROLE = "releases"


def obsolete_now(repository: Repository, keep: int, versions: Collection[str] = ()) -> list[str]:
    """Signed names of releases that this chain needs no longer; `versions` are kept as well.

    Raises Refused: the pointer, the plan or the roll-out cannot be read, so it is not known.
    """
    listed = repository.listed(ROLE)
    manifests = {path: manifest for path in listed if MANIFEST.fullmatch(path)
                 and (manifest := _manifest(repository, path, listed[path])) is not None}
    return obsolete(list(listed), manifests, _used(repository, listed, versions), keep)


def withdrawal(repository: Repository, names: Collection[str]) -> Change:
    """The change that takes these names out of the releases list, to be signed."""
    for name in names:
        repository.remove(ROLE, name)
    return ceremony.listing(repository, ROLE)


def _used(repository: Repository, listed: dict[str, Any], versions: Collection[str]) -> Used:
    newest, named = None, set(versions)
    if NEWEST in listed:
        newest = parse_newest(_signed(repository, NEWEST, listed[NEWEST]))
    if PLAN in listed:
        plan = parse_plan(_signed(repository, PLAN, listed[PLAN]))
        named |= {plan.release, plan.min_version, *plan.pins.values()}
    # A chain from before roll-outs has no such role.
    brakes = repository.listed("rollouts") if "rollouts" in repository.lists() else {}
    if ROLLOUT in brakes:
        rollout = parse_rollout(_signed(repository, ROLLOUT, brakes[ROLLOUT]))
        named |= {rollout.release, *rollout.pins.values()}
    return Used(newest, frozenset(named))


def _signed(repository: Repository, path: str, entry: dict[str, Any]) -> bytes:
    file = repository.directory / "targets" / file_of(path, entry["sha256"])
    try:
        return read_bounded(file, MANIFEST_BYTES_MAX)
    except OSError as error:
        raise Refused(f"{file} is missing or damaged; bring the repository back from its "
                      "backup.") from error


def _manifest(repository: Repository, path: str, entry: dict[str, Any]) -> Manifest | None:
    """None: it is damaged or gone, and can be installed no more."""
    try:
        return parse_manifest(_signed(repository, path, entry))
    except Refused:
        return None
