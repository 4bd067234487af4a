"""Which signed releases a chain needs no longer. Pure: the caller reads, and removes the names.

Kept are, for each kind of box (environment; of systems: board): what is newer than the newest, the
newest and the `keep - 1` before it, what somebody names (`used`), and the steps that a box which
was off for years has to take to get there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ota.formats.compat import read_need
from ota.formats.manifest import Manifest
from ota.formats.shortcuts import ways_of
from ota.formats.systems import NAMED, SystemRelease
from ota.formats.versions import version_key

# A manifest's name; `newest.json`, the plan, and whatever else is signed there are never touched.
MANIFEST = re.compile(r"releases/(\d+(?:\.\d+)*)(?:\.([a-z][a-z0-9_-]*))?\.json")
KEPT = 6
# A bundle is some GB, and nothing is made from an older one.
KEPT_SYSTEMS = 2
Key = tuple[int, ...]
Steps = Callable[[Mapping[Key, str], Collection[Key]], set[Key]]


@dataclass(frozen=True)
class Used:
    """`newest`: what every box should run, None: not said. `versions` are named by a plan, a
    roll-out, a box, a person."""

    newest: str | None = None
    versions: frozenset[str] = field(default_factory=frozenset)


def obsolete(
    listed: Collection[str], manifests: Mapping[str, Manifest], used: Used, keep: int = KEPT
) -> list[str]:
    """The signed names (manifests with their ways) that may leave the list, sorted.

    `manifests` by signed name, as far as they could be read.
    """
    kinds: dict[str, dict[Key, str]] = {}
    for path in listed:
        match = MANIFEST.fullmatch(path)
        key = version_key(match[1]) if match else None
        if match and key and match[2] != "ways":
            kinds.setdefault(match[2] or "", {})[key] = path
    gone: set[str] = set()
    for found in kinds.values():
        kept = _kept(found, partial(_steps, manifests), used, max(1, keep))
        gone |= {path for key, path in found.items() if key not in kept}
    return sorted(gone | ({ways_of(path) for path in gone} & set(listed)))


def obsolete_systems(
    listed: Collection[str], releases: Mapping[str, SystemRelease], newest: Mapping[str, str],
    versions: Collection[str], keep: int = KEPT_SYSTEMS,
) -> list[str]:
    """The same of systems: `newest` by board, `releases` by signed name where they could be read,
    `versions` are named by somebody."""
    boards: dict[str, dict[Key, str]] = {}
    for path in listed:
        match = NAMED.fullmatch(path)
        key = version_key(match[1]) if match else None
        if match and key:
            boards.setdefault(match[2], {})[key] = path
    gone: list[str] = []
    for board, found in boards.items():
        used = Used(newest.get(board), frozenset(versions))
        kept = _kept(found, partial(_system_steps, releases), used, max(1, keep))
        gone += [path for key, path in found.items() if key not in kept]
    return sorted(gone)


def _kept(found: Mapping[Key, str], steps: Steps, used: Used, keep: int) -> set[Key]:
    newest = version_key(used.newest) if used.newest else max(found)
    named = {version_key(version) for version in used.versions}
    until = sorted((key for key in found if newest is None or key <= newest), reverse=True)
    kept = {key for key in found if key not in until[keep:] or key in named}
    while True:
        more = steps(found, kept) - kept
        if not more:
            return kept
        kept |= more


def _steps(
    manifests: Mapping[str, Manifest], found: Mapping[Key, str], kept: Collection[Key]
) -> set[Key]:
    """Releases that must be installed before a kept one can be: the first that its `current`
    allows, and the last for updaters of an older schema."""
    here = {key: manifests[path] for key, path in found.items() if path in manifests}
    wants = [need for key in kept if key in here for need in here[key].compat.needs]
    steps = _first_allowed(found, wants, ("current", "updater"))
    schemas = [here[key].compat.slot_schema for key in kept if key in here]
    for schema in range(1, max(schemas, default=1)):
        steps |= {max((k for k, m in here.items() if m.compat.slot_schema == schema), default=())}
    return steps - {()}


def _system_steps(
    releases: Mapping[str, SystemRelease], found: Mapping[Key, str], kept: Collection[Key]
) -> set[Key]:
    """The first system that a kept one's need of the system that runs allows."""
    wants = [need for key in kept if found[key] in releases for need in releases[found[key]].needs]
    return _first_allowed(found, wants, ("system",))


def _first_allowed(
    found: Collection[Key], needs: Iterable[Mapping[str, Any]], whats: Collection[str]
) -> set[Key]:
    steps: set[Key] = set()
    for raw in needs:
        need = read_need(raw)
        lowest = version_key(need.at_least) if need and need.at_least else None
        if need and lowest and need.what in whats:
            steps |= set(sorted(key for key in found if key >= lowest)[:1])
    return steps
