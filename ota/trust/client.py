"""The box's side of TUF: what may be trusted now. python-tuf judges the metadata; we add what it
leaves open: floors that survive a power cut, a clock that cannot be set back, our own downloads.

The metadata on disk is only a cache: torn or tampered, it is fetched again. What protects from
rollback and freeze is `ota.floor`, durable before any answer is given. Measured
holes and attack table: docs/updates.md.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ota.errors import Refused
from ota.files import read_bounded, write_durable
from ota.floor import FloorClock, RoleFloor, Signers, locked, sunk
from ota.trust.metadata import (
    METADATA_BYTES_MAX,
    BytesFetcher,
    Metadata,
    TargetFile,
    Updater,
    issued,
    judged,
    listed,
    new_updater,
    parse,
    verify_first_root,
)

ROOT_BYTES_MAX = 512_000
TARGET_PATH_CHARS_MAX = 200


@dataclass(frozen=True)
class Target:
    """A signed file: its name, its exact bytes and what its signer says of it."""

    path: str
    length_bytes: int
    sha256: str
    custom: dict[str, Any] = field(default_factory=dict)

    def url(self, targets_url: str) -> str:
        """Where its bytes lie: the file name is prefixed by its hash (consistent snapshot)."""
        folder, slash, name = self.path.rpartition("/")
        return f"{targets_url.rstrip('/')}/{folder}{slash}{self.sha256}.{name}"


class NothingSigned(Refused):
    """The repository is fine, but holds nothing under the name that was asked for."""


class TrustClient:
    """Asks one repository what is true. `store` is durable and belongs to one box.

    `clock` is the box's FloorClock: signed times raise it, and expiry is judged by it.
    """

    def __init__(
        self, store: Path, metadata_url: str, fetch: BytesFetcher, clock: FloorClock
    ) -> None:
        self._store = store
        self._cache = store / "metadata"
        self._url = metadata_url
        self._fetch = fetch
        self._clock = clock
        self._floor = RoleFloor(store / "roles")
        self._updater: Updater | None = None
        # What a list said, by its bytes: most looks find them as they were.
        self._parsed: dict[str, tuple[bytes, Metadata[Any]]] = {}

    @property
    def floor_lost(self) -> bool:
        """True when the durable floors were there but are unreadable: report it."""
        return self._floor.lost

    def bootstrap(self, root_bytes: bytes) -> None:
        """Take the first root (from enrolment). A second call changes nothing. Raises Refused."""
        if self._root_path.exists():
            return
        if len(root_bytes) > ROOT_BYTES_MAX:
            raise Refused("The first root of trust is too long; enrol this box again.")
        verify_first_root(root_bytes)
        write_durable(self._root_path, root_bytes)

    def refresh(self) -> None:
        """Learn the newest state. Raises Retry (no network) or Refused (bad, old, expired)."""
        with self._alone():
            self._refresh()

    def target(self, path: str) -> Target:
        """What is signed under this name. Raises NothingSigned, Refused, Retry (no network)."""
        _check_name(path)
        with self._alone():
            info = None if self._updater is None else self._lookup(self._updater, path)
            if info is None:
                # Perhaps it was published after the last look.
                info = self._lookup(self._refresh(), path)
        if info is None:
            raise NothingSigned(f"The fleet has signed nothing under the name {path!r}.")
        return _target_of(info)

    def known(self, path: str) -> Target | None:
        """The same by what the last `refresh` brought, which is not done again; None: nothing."""
        _check_name(path)
        with self._alone():
            info = None if self._updater is None else self._lookup(self._updater, path)
        return None if info is None else _target_of(info)

    def listed(self, *paths: str) -> list[Target | None]:
        """Learn the newest state once, and what is signed under each name, None: nothing.

        Raises Retry (no network) or Refused (bad, old, expired).
        """
        with self._alone():
            updater = self._refresh(judge=False)
            found = [judged(partial(updater.get_targetinfo, path)) for path in paths]
            self._accept(self._delegated())
            self._updater = updater
        return [None if info is None else _target_of(info) for info in found]

    def _lookup(self, updater: Updater, path: str) -> TargetFile | None:
        info = judged(lambda: updater.get_targetinfo(path))
        self._accept(self._delegated())
        return info

    @property
    def _root_path(self) -> Path:
        return self._store / "root.json"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locked(self._store / "lock"):
            yield

    def _refresh(self, judge: bool = True) -> Updater:
        """With `judge` False the caller judges, and only then keeps the updater for others."""
        self._updater = None
        try:
            first_root = read_bounded(self._root_path, ROOT_BYTES_MAX)
        except FileNotFoundError as error:
            raise Refused("This box has no root of trust yet; enrol it first.") from error
        self._drop_sunken_cache()
        self._cache.mkdir(parents=True, exist_ok=True)
        updater = new_updater(self._cache, self._url, self._fetch, first_root)
        judged(updater.refresh)
        if judge:
            self._accept(self._top_level())
            self._updater = updater
        return updater

    def _drop_sunken_cache(self) -> None:
        """A cache behind the floor was torn or tampered with: let it be fetched again."""
        # python-tuf writes through such files; after a cut nobody takes them away.
        for left in self._cache.glob("tmp*"):
            left.unlink(missing_ok=True)
        try:
            found = self._top_level()
        except Refused:
            shutil.rmtree(self._cache, ignore_errors=True)
            return
        floors = self._floor.versions(self._signers(found.get("root")).keys)
        if sunk(floors, {role: data.signed.version for role, data in found.items()}):
            shutil.rmtree(self._cache, ignore_errors=True)

    def _accept(self, found: dict[str, Metadata[Any]]) -> None:
        """Judge by our floors and our clock, then raise both, durably. Raises Refused."""
        versions = {role: data.signed.version for role, data in found.items()}
        snapshot = found.get("snapshot")
        offered = {**({} if snapshot is None else listed(snapshot)), **versions}
        signers = self._signers(found.get("root"))
        floors = self._floor.versions(signers.keys)
        fallen = sunk(floors, offered)
        if fallen:
            shutil.rmtree(self._cache, ignore_errors=True)
            raise Refused(
                f"The server offers an older {fallen} list than this box has already seen "
                f"(version {offered[fallen]} after {floors[fallen]}); it was "
                "not used, so check who answers there."
            )
        timestamp = found.get("timestamp")
        signed_at = None if timestamp is None else issued(timestamp)
        believed = self._clock.now_by(signers)
        now = max(believed, signed_at or believed)
        for role, data in sorted(found.items()):
            if data.signed.is_expired(now):
                raise Refused(_expired_sentence(role, data.signed.expires, now))
        if signed_at is not None:
            self._clock.seen(signed_at, signers)
        self._floor.raise_to(versions, signers.keys)

    def _top_level(self) -> dict[str, Metadata[Any]]:
        names = ("root", "timestamp", "snapshot", "targets")
        return {name: data for name in names if (data := self._cached(name)) is not None}

    def _delegated(self) -> dict[str, Metadata[Any]]:
        top = self._top_level()
        targets = top.get("targets")
        roles = {} if targets is None else (targets.signed.delegations.roles or {})
        current = listed(top["snapshot"]) if "snapshot" in top else {}
        for name in roles:
            data = self._cached(name)
            # An older cached list that this walk had no need for says nothing about now.
            if data is not None and data.signed.version == current.get(name):
                top[name] = data
        return top

    def _cached(self, role: str) -> Metadata[Any] | None:
        path = self._cache / f"{role}.json"
        try:
            data = read_bounded(path, METADATA_BYTES_MAX)
        except FileNotFoundError:
            return None
        before, known = self._parsed.get(role, (b"", None))
        if known is None or before != data:
            known = parse(data, role)
            self._parsed[role] = data, known
        return known

    def _signers(self, root: Metadata[Any] | None) -> Signers:
        """Which root holds, and a name for the set of keys that sign timestamp and snapshot."""
        if root is None:
            root = parse(read_bounded(self._root_path, ROOT_BYTES_MAX), "root")
        roles = [sorted(root.signed.roles[name].keyids) for name in ("timestamp", "snapshot")]
        keys = hashlib.sha256(json.dumps(roles).encode()).hexdigest()
        return Signers(root.signed.version, keys)


def _check_name(path: str) -> None:
    if not path or len(path) > TARGET_PATH_CHARS_MAX or ".." in path.split("/"):
        raise Refused(f"{path[:80]!r} is not a name of a signed file.")


def _expired_sentence(role: str, expires: datetime, now: datetime) -> str:
    return (
        f"The signed {role} list ran out on {expires:%Y-%m-%d %H:%M} and it is at least "
        f"{now:%Y-%m-%d %H:%M} (UTC); let the fleet sign it again."
    )


def _target_of(info: TargetFile) -> Target:
    sha256 = info.hashes.get("sha256")
    if not sha256:
        raise Refused(f"{info.path!r} is signed without a sha256; publish it again.")
    custom = info.custom if isinstance(info.custom, dict) else {}
    return Target(info.path, info.length, sha256, dict(custom))
