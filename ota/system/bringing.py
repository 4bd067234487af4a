"""A signed system onto the box: which one, does it fit here, and its bundle, over as many sittings
as it takes. All but the bundle's bytes is judged before one of them is fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ota.box.bring import Origin
from ota.box.store import Store
from ota.errors import Refused, Retry
from ota.fetch import DISK_RESERVE_BYTES, Final
from ota.formats.compat import Facts, unmet
from ota.formats.systems import (
    SYSTEM_BYTES_MAX,
    SystemRelease,
    parse_system,
    system_target,
)
from ota.system.told import Bundle
from ota.trust.client import NothingSigned, Target


class PutOff(Final):
    """Something else is to be done now; what came of the bundle is kept."""


def find(
    known: Callable[[str], Target | None], origin: Origin, version: str, board: str
) -> SystemRelease:
    """The signed system of this version for this board, by what the last look brought.

    Raises NothingSigned, Refused (changed, malformed, another's), Retry.
    """
    target = known(system_target(version, board))
    if target is None:
        raise NothingSigned(f"System {version} was not signed for {board}; sign it for such boxes.")
    if target.length_bytes > SYSTEM_BYTES_MAX:
        raise Refused(f"{target.path} is longer than 64 KiB; sign a shorter one.")
    body = origin.fetcher.bytes(target.url(origin.targets_url), target.length_bytes)
    if len(body) != target.length_bytes:
        raise Retry(f"{target.path} came incomplete; it is fetched again.")
    if hashlib.sha256(body).hexdigest() != target.sha256:
        raise Refused(f"{target.path} was changed after it was signed; it was not used.")
    release = parse_system(body)
    if (release.version, release.board) != (version, board):
        raise Refused(f"What is signed as system {version} for {board} says it is "
                      f"{release.version} for {release.board}.")
    return release


def facts_with(
    facts: Facts, rauc: tuple[int, ...], system: str, application: str
) -> dict[str, tuple[str, ...]]:
    """The machine's facts, with what only its updater knows. Pure."""
    known = {"rauc": ".".join(map(str, rauc)), "system": system, "current": application}
    return {**facts, **{name: (value,) for name, value in known.items() if value}}


def misfit(release: SystemRelease, facts: Facts) -> str | None:
    """Why this system is not for this box, as a clause of a sentence, or None. Pure."""
    return unmet(release.needs, facts)


def missing_bytes(store: Store, release: SystemRelease) -> int:
    """What is still to come of the bundle."""
    sha256 = release.bundle.sha256
    return release.bundle.bytes - max(store.length_bytes(sha256), store.loaded_bytes(sha256))


def room_for(store: Store, release: SystemRelease) -> None:
    """Raises Retry: the disk has no room for what is still to come of the bundle.

    Bundles of other systems leave first.
    """
    store.keep_only((release.bundle.sha256,))
    missing = missing_bytes(store, release)
    free = store.disk_free_bytes() - DISK_RESERVE_BYTES
    if missing > free:
        raise Retry(f"System {release.version} needs {missing >> 20} MB more, and the disk has "
                    f"{max(0, free) >> 20} MB for that; free some space.")


def bring(
    origin: Origin, store: Store, release: SystemRelease,
    tell: Callable[[int, int], None] = lambda done, whole: None,
) -> Path:
    """The bundle, whole and verified, in the store; continues what an earlier sitting left.

    `tell` may raise PutOff. Raises Retry (network, disk), Refused (not the signed bytes).
    """
    bundle = release.bundle
    path = store.path(bundle.sha256)
    if not store.verify(bundle.sha256, from_disk=True):
        room_for(store, release)
        origin.fetcher.file(
            origin.content(bundle.sha256), path, bundle.bytes, bundle.sha256, tell)
    return path


def check_same(release: SystemRelease, found: Bundle) -> None:
    """What RAUC reads in the bundle must be what was signed of it. Raises Refused."""
    if (found.compatible, found.version) != (release.board, release.version):
        raise Refused(f"The bundle signed as system {release.version} for {release.board} is "
                      f"{found.version[:40]} for {found.compatible[:40]}; sign the right one.")
