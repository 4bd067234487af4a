"""Which signed releases a chain needs no longer. Pure: the caller reads, and removes the names.

Kept are, for each kind of box (environment): what is newer than the newest, the newest and the
`keep - 1` before it, what somebody names (`used`), and the steps that a box which was off for
years has to take to get there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from ota.formats.compat import read_need
from ota.formats.manifest import Manifest
from ota.formats.shortcuts import ways_of
from ota.formats.versions import version_key

# A manifest's name; `newest.json`, the plan, and whatever else is signed there are never touched.
MANIFEST = re.compile(r"releases/(\d+(?:\.\d+)*)(?:\.([a-z][a-z0-9_-]*))?\.json")
KEPT = 6
Key = tuple[int, ...]


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
        kept = _kept(found, manifests, used, max(1, keep))
        gone |= {path for key, path in found.items() if key not in kept}
    return sorted(gone | ({ways_of(path) for path in gone} & set(listed)))


def _kept(
    found: Mapping[Key, str], manifests: Mapping[str, Manifest], used: Used, keep: int
) -> set[Key]:
    newest = version_key(used.newest) if used.newest else max(found)
    named = {version_key(version) for version in used.versions}
    until = sorted((key for key in found if newest is None or key <= newest), reverse=True)
    kept = {key for key in found if key not in until[keep:] or key in named}
    while True:
        more = _steps(found, kept, manifests) - kept
        if not more:
            return kept
        kept |= more


def _steps(
    found: Mapping[Key, str], kept: Collection[Key], manifests: Mapping[str, Manifest]
) -> set[Key]:
    """Releases that must be installed before a kept one can be: the first that its `current`
    allows, and the last for updaters of an older schema."""
    here = {key: manifests[path] for key, path in found.items() if path in manifests}
    steps = set()
    for lowest in _lowest(here[key] for key in kept if key in here):
        steps |= set(sorted(key for key in found if key >= lowest)[:1])
    schemas = [here[key].compat.slot_schema for key in kept if key in here]
    for schema in range(1, max(schemas, default=1)):
        steps |= {max((k for k, m in here.items() if m.compat.slot_schema == schema), default=())}
    return steps - {()}


def _lowest(manifests: Iterable[Manifest]) -> Iterable[Key]:
    for manifest in manifests:
        for raw in manifest.compat.needs:
            need = read_need(raw)
            key = version_key(need.at_least) if need and need.at_least else None
            if need and key and need.what in ("current", "updater"):
                yield key
