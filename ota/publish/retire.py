"""Old releases and systems leave the signed list: which, and the change that takes them out.

Their bytes stay for a grace time after that (`ota.publish.pruning`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ota.errors import Refused
from ota.formats import systems
from ota.formats.manifest import (
    MANIFEST_BYTES_MAX,
    NEWEST,
    Manifest,
    parse_manifest,
    parse_newest,
)
from ota.formats.rollout import PLAN, ROLLOUT, parse_plan, parse_rollout
from ota.formats.systems import SystemRelease, parse_system
from ota.publish import ceremony
from ota.publish.ceremony import Change
from ota.publish.inventory import signed_bytes
from ota.publish.obsolete import (
    KEPT_SYSTEMS,
    MANIFEST,
    Used,
    obsolete,
    obsolete_systems,
)
from ota.publish.repository import Repository

ROLE = "releases"


def obsolete_now(
    repository: Repository, keep: int, versions: Collection[str] = (),
    keep_systems: int = KEPT_SYSTEMS,
) -> list[str]:
    """Signed names of releases and systems that this chain needs no longer; `versions` are kept
    as well.

    Raises Refused: a pointer, a plan or a roll-out cannot be read, so it is not known.
    """
    listed = repository.listed(ROLE)
    manifests = {path: manifest for path in listed if MANIFEST.fullmatch(path)
                 and (manifest := _manifest(repository, path, listed[path])) is not None}
    newest = parse_newest(_signed(repository, NEWEST, listed[NEWEST])) if NEWEST in listed else None
    named = _named(repository, listed, PLAN, ROLLOUT) | set(versions)
    found = obsolete(list(listed), manifests, Used(newest, frozenset(named)), keep)
    return sorted(found + _systems(repository, listed, versions, keep_systems))


def _systems(
    repository: Repository, listed: dict[str, Any], versions: Collection[str], keep: int
) -> list[str]:
    releases = {path: release for path in listed if systems.NAMED.fullmatch(path)
                and (release := _system(repository, path, listed[path])) is not None}
    newest = {match[1]: parse_newest(_signed(repository, path, listed[path]))
              for path in listed if (match := systems.POINTER.fullmatch(path))}
    named = _named(repository, listed, systems.PLAN, systems.ROLLOUT) | set(versions)
    return obsolete_systems(list(listed), releases, newest, named, keep)


def withdrawal(repository: Repository, names: Collection[str]) -> Change:
    """The change that takes these names out of the releases list, to be signed."""
    for name in names:
        repository.remove(ROLE, name)
    return ceremony.listing(repository, ROLE)


def _named(
    repository: Repository, listed: dict[str, Any], plan_name: str, rollout_name: str
) -> set[str]:
    """The versions that a plan and the console's word on it name."""
    named: set[str] = set()
    if plan_name in listed:
        plan = parse_plan(_signed(repository, plan_name, listed[plan_name]))
        named |= {plan.release, plan.min_version, *plan.pins.values()}
    # A chain from before roll-outs has no such role.
    brakes = repository.listed("rollouts") if "rollouts" in repository.lists() else {}
    if rollout_name in brakes:
        rollout = parse_rollout(_signed(repository, rollout_name, brakes[rollout_name]))
        named |= {rollout.release, *rollout.pins.values()}
    return named


def _signed(repository: Repository, path: str, entry: dict[str, Any]) -> bytes:
    return signed_bytes(repository, path, entry, MANIFEST_BYTES_MAX)


def _manifest(repository: Repository, path: str, entry: dict[str, Any]) -> Manifest | None:
    """None: it is damaged or gone, and can be installed no more."""
    try:
        return parse_manifest(_signed(repository, path, entry))
    except Refused:
        return None


def _system(repository: Repository, path: str, entry: dict[str, Any]) -> SystemRelease | None:
    try:
        return parse_system(_signed(repository, path, entry))
    except Refused:
        return None
