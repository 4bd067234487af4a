"""The publisher's side of TUF: a folder of static files that any web server can hand out.

    metadata/N.root.json, timestamp.json, N.snapshot.json, N.targets.json, N.<role>.json
    targets/<folder>/<sha256>.<name>   signed files        targets/content/<sha256>   their bytes

Roles: root and targets offline; delegated `releases` and `avatars` offline, `programmes` and
`rollouts` online; snapshot and timestamp online.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ota.clock import utc_now
from ota.errors import Refused
from ota.files import copy_durable, read_bounded, sha256_file, write_durable
from ota.floor import locked
from ota.publish import ceremony
from ota.publish.inventory import check_new, check_there
from ota.publish.roles import (
    DELEGATED,
    LIFE,
    OFFLINE,
    ONLINE,
    ROLES,
    check_name,
    delegations,
    delegator,
)
from ota.trust.dsse import Signing, key_of, signer
from ota.trust.metadata import (
    ISSUED_FIELD,
    METADATA_BYTES_MAX,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
    check_signed,
    listed,
    parse,
    serialised,
)

__all__ = ["DELEGATED", "LIFE", "OFFLINE", "ONLINE", "ROLES", "Repository"]

VERSIONS_KEPT = 16
SHA256 = re.compile(r"[0-9a-f]{64}")
RoleKeys = Mapping[str, Sequence[Signing]]


@dataclass
class _Change:
    role: str
    path: str
    file: TargetFile | None


@dataclass
class Repository:
    """An open repository. `keys` are those at hand: a role without keys cannot be changed.

    Changes are collected by `add` and `remove` and become visible, all at once, by `publish`.
    """

    directory: Path
    keys: RoleKeys
    clock: Callable[[], datetime] = utc_now
    _changes: list[_Change] = field(default_factory=list)

    @classmethod
    def create(
        cls,
        directory: Path,
        keys: RoleKeys,
        thresholds: Mapping[str, int] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> Repository:
        """Make a new repository with every role of `ROLES` and publish its first state.

        `thresholds` says how many of a role's keys must sign (default 1). Raises Refused when
        there is one already, a role has no key, or fewer keys than its threshold.
        """
        self = cls(directory, keys, clock)
        need = thresholds or {}
        for role in ROLES:
            if len(keys.get(role, ())) < max(1, need.get(role, 1)):
                raise Refused(f"Role {role!r} has fewer keys than must sign; make more keys.")
        with locked(directory / "lock"):
            if self._metadata.joinpath("timestamp.json").exists():
                raise Refused(f"There is a repository in {directory} already; open that one.")
            root = Root(version=1, expires=self._until("root"), consistent_snapshot=True)
            for role in ("root", "targets", "snapshot", "timestamp"):
                for key in keys[role]:
                    root.add_key(key_of(key), role)
                root.roles[role].threshold = need.get(role, 1)
            self._sign("root", Metadata(root), write=True)
            targets = Targets(version=1, expires=self._until("targets"))
            public = {role: [key_of(key) for key in keys[role]] for role in DELEGATED}
            targets.delegations = delegations(public, need)
            self._sign("targets", Metadata(targets), write=True)
            versions = {"targets": 1}
            for role in DELEGATED:
                self._sign(role, Metadata(Targets(1, None, self._until(role))), write=True)
                versions[role] = 1
            self._write_online(versions, 1, 1)
        return self

    @classmethod
    def open(
        cls, directory: Path, online_keys: RoleKeys, clock: Callable[[], datetime] = utc_now
    ) -> Repository:
        """Open an existing repository with whichever keys are at hand. Raises Refused."""
        if not directory.joinpath("metadata", "timestamp.json").exists():
            raise Refused(f"There is no repository in {directory}; create it first.")
        return cls(directory, online_keys, clock)

    def root_bytes(self) -> bytes:
        """The newest root metadata: what a box is given at enrolment."""
        return read_bounded(self._path("root", self._root().signed.version), METADATA_BYTES_MAX)

    def listed(self, role: str) -> dict[str, dict[str, Any]]:
        """Published targets of a role: path -> {"length", "sha256", "custom"}."""
        targets = self._read(role, self._versions()[role]).signed
        return {path: _described(info) for path, info in sorted(targets.targets.items())}

    def add(
        self, role: str, target_path: str, data: bytes | Path, custom: dict[str, Any] | None = None
    ) -> str:
        """Sign a file under `target_path` at the next `publish`; returns its sha256.

        Raises Refused when the name is not the role's to give, or not lower-case a-z0-9._-/.
        """
        check_name(role, target_path)
        body = read_bounded(data, METADATA_BYTES_MAX) if isinstance(data, Path) else data
        sha256 = hashlib.sha256(body).hexdigest()
        folder, _, name = target_path.rpartition("/")
        write_durable(self.directory / "targets" / folder / f"{sha256}.{name}", body)
        fields = {"custom": custom} if custom else {}
        file = TargetFile(len(body), {"sha256": sha256}, target_path, fields)
        self._changes.append(_Change(role, target_path, file))
        return sha256

    def remove(self, role: str, target_path: str) -> None:
        """Withdraw a signed name at the next `publish`."""
        self._changes.append(_Change(role, target_path, None))

    def put_content(self, data: bytes | Path) -> str:
        """Lay bytes out as `targets/content/<sha256>`; returns the hash. Idempotent, durable."""
        if isinstance(data, bytes):
            sha256 = hashlib.sha256(data).hexdigest()
            path = self.content_path(sha256)
            if not path.exists():
                write_durable(path, data)
            return sha256
        sha256 = sha256_file(data)
        path = self.content_path(sha256)
        if not path.exists():
            copy_durable(data, path)
        return sha256

    def content_path(self, sha256: str) -> Path:
        """Where content of this hash lies. Raises Refused for anything but a hash."""
        if not SHA256.fullmatch(sha256):
            raise Refused(f"{sha256[:80]!r} is not a sha256.")
        return self.directory / "targets" / "content" / sha256

    def publish(self) -> int:
        """Sign what was added and make it visible at once; returns the new snapshot version.

        Order: changed roles, snapshot, and the timestamp last: a box sees the old state or the
        new one. Raises Refused when a changed role's key is not at hand, or what was added is not
        (any more) here: then it is forgotten, and must be added again.
        """
        with locked(self.directory / "lock"):
            self._check_added()
            ceremony.check_online(self._root(), self.keys)
            versions = self._versions()
            for role in dict.fromkeys(change.role for change in self._changes):
                # What is here may be a thief's: only a list that its role signed is built upon.
                check_signed(self.current(delegator(role)), role, self.current(role))
                metadata = self.following(role)
                self.apply_added(role, metadata.signed)
                self._sign(role, metadata, write=False)
                check_signed(self.current(delegator(role)), role, metadata)
                write_durable(self._path(role, metadata.signed.version), serialised(metadata))
                versions[role] = metadata.signed.version
            snapshot, timestamp = self._online_versions()
            self._write_online(versions, snapshot + 1, timestamp + 1)
            self._changes.clear()
            self._prune(versions, snapshot + 1)
            return snapshot + 1

    def keep_fresh(self) -> bool:
        """Sign timestamp and snapshot again when half their life is over; True when it did.

        Call it hourly on the chain's server: boxes refuse news that has run out.
        """
        now = self.clock()
        timestamp = self._read_file("timestamp.json").signed
        snapshot = self._read("snapshot", timestamp.snapshot_meta.version).signed
        tired = timestamp.expires - now < LIFE["timestamp"] / 2
        if tired or snapshot.expires - now < LIFE["snapshot"] / 2:
            self.publish()
            return True
        return False

    def rotate(self, role: str, new_keys: Sequence[Signing], threshold: int = 1) -> None:
        """Replace a role's keys; boxes follow by themselves. Visible at once.

        Needs the root keys at hand (for root, targets, snapshot, timestamp) or the targets keys
        (for a delegated role); `ceremony.rotation` is for several people. Raises Refused.
        """
        change = ceremony.rotation(self, role, [key_of(key) for key in new_keys], threshold)
        # Old and new keys sign what is shown now: no box is refused meanwhile.
        self.keys = {**self.keys, role: [*self.keys.get(role, ()), *new_keys]}
        ceremony.sign(change, self.keys)
        ceremony.put_in_force(self, change)
        self.keys = {**self.keys, role: list(new_keys)}

    def lists(self) -> dict[str, Metadata[Any]]:
        """The newest published list of every role that lists targets. Raises Refused."""
        return {role: self._read(role, version) for role, version in self._versions().items()}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the repository's lock. Raises Retry when another process keeps it."""
        with locked(self.directory / "lock"):
            yield

    def current(self, role: str) -> Metadata[Any]:
        """The newest published list of a role. Raises Refused: missing, damaged."""
        if role == "root":
            return self._root()
        return self._read(role, self._versions()[role])

    def expires(self, role: str) -> datetime:
        """When the newest list of a role runs out."""
        if role == "timestamp":
            newest = self._read_file("timestamp.json")
        elif role == "snapshot":
            newest = self._read(role, self._online_versions()[0])
        else:
            newest = self.current(role)
        ends: datetime = newest.signed.expires
        return ends

    def following(self, role: str) -> Metadata[Any]:
        """The list after it, with the same content and a new end; not yet signed or written."""
        metadata = self.current(role)
        metadata.signed.version += 1
        metadata.signed.expires = self._until(role)
        metadata.signatures.clear()
        return metadata

    def write_change(self, documents: Mapping[str, Metadata[Any]], again: Sequence[str]) -> None:
        """Lay out signed lists, sign the online lists `again` with new keys, and show it all.

        Only for `ceremony.put_in_force`, which has judged the signatures.
        """
        for role, metadata in documents.items():
            check_new(self.directory, self.current(role).signed, metadata.signed)
        root = documents.get("root")
        ceremony.check_online(root or self._root(), self.keys)
        new = {role: each for role, each in documents.items() if role != "root"}
        for role in again:
            new[role] = self.following(role)
            self._sign(role, new[role], write=False)
            check_signed(documents["targets"], role, new[role])
        versions = self._versions()
        for role, metadata in new.items():
            write_durable(self._path(role, metadata.signed.version), serialised(metadata))
            versions[role] = metadata.signed.version
        snapshot, timestamp = self._online_versions()
        self._write_online(versions, snapshot + 1, timestamp + 1, root)
        self._changes.clear()

    def _check_added(self) -> None:
        """Under the lock: nobody prunes now, and from here on the list keeps what it names."""
        last = {change.path: change.file for change in self._changes}
        try:
            for path, file in last.items():
                if file is not None:
                    check_there(self.directory, path, file)
        except Refused:
            self._changes.clear()
            raise

    @property
    def _metadata(self) -> Path:
        return self.directory / "metadata"

    def _path(self, role: str, version: int) -> Path:
        return self._metadata / f"{version}.{role}.json"

    def _until(self, role: str) -> datetime:
        return self.clock().replace(microsecond=0) + LIFE[role]

    def apply_added(self, role: str, targets: Any) -> None:
        """Put what was added and removed into a role's list."""
        for change in self._changes:
            if change.role != role:
                continue
            if change.file is None:
                targets.targets.pop(change.path, None)
            else:
                targets.targets[change.path] = change.file

    def _sign(self, role: str, metadata: Metadata[Any], write: bool) -> bytes:
        keys = self.keys.get(role, ())
        if not keys:
            raise Refused(
                f"The key of role {role!r} is not at hand; publish this where that key is kept."
            )
        metadata.signatures.clear()
        unique = {key_of(key).keyid: key for key in keys}
        for key in unique.values():
            metadata.sign(signer(key), append=True)
        data = serialised(metadata)
        if write:
            write_durable(self._path(role, metadata.signed.version), data)
        return data

    def _write_online(
        self, versions: Mapping[str, int], snapshot: int, timestamp: int,
        root: Metadata[Any] | None = None,
    ) -> None:
        """Snapshot, then timestamp: it shows all. A new `root` stands beside it (`ceremony`)."""
        meta = {f"{role}.json": MetaFile(version) for role, version in versions.items()}
        listing = Metadata(Snapshot(version=snapshot, expires=self._until("snapshot"), meta=meta))
        self._sign("snapshot", listing, write=True)
        now = self.clock().replace(microsecond=0)
        stamp = Metadata(Timestamp(
            version=timestamp,
            expires=self._until("timestamp"),
            snapshot_meta=MetaFile(snapshot),
            unrecognized_fields={ISSUED_FIELD: now.isoformat()},
        ))
        shown = [(self._metadata / "timestamp.json", self._sign("timestamp", stamp, write=False))]
        if root is not None:
            news: dict[str, Metadata[Any]] = {
                "timestamp": stamp, "snapshot": listing,
                "targets": self._read("targets", versions["targets"])}
            seamless = ceremony.is_seamless(self._root(), news)
            shown.insert(len(shown) if seamless else 0,
                         (self._path("root", root.signed.version), serialised(root)))
        for path, data in shown:
            write_durable(path, data)

    def _read(self, role: str, version: int) -> Metadata[Any]:
        return self._read_file(f"{version}.{role}.json")

    def _read_file(self, name: str) -> Metadata[Any]:
        try:
            data = read_bounded(self._metadata / name, METADATA_BYTES_MAX)
            return parse(data, name.removesuffix(".json").rpartition(".")[2])
        except (OSError, Refused) as error:
            raise Refused(
                f"{self._metadata / name} is missing or damaged; bring the repository back from "
                "its backup."
            ) from error

    def _online_versions(self) -> tuple[int, int]:
        signed = self._read_file("timestamp.json").signed
        return signed.snapshot_meta.version, signed.version

    def _versions(self) -> dict[str, int]:
        return listed(self._read("snapshot", self._online_versions()[0]))

    def _root(self) -> Metadata[Any]:
        found = [version for version, role in self._files() if role == "root"]
        if not found:
            raise Refused(f"{self._metadata} has no root; bring it back from its backup.")
        return self._read("root", max(found))

    def _files(self) -> Iterator[tuple[int, str]]:
        for path in self._metadata.glob("*.json"):
            version, _, role = path.stem.partition(".")
            if version.isdecimal() and role:
                yield int(version), role

    def _prune(self, versions: Mapping[str, int], snapshot: int) -> None:
        newest = {**versions, "snapshot": snapshot}
        for version, role in list(self._files()):
            if role in newest and version < newest[role] - VERSIONS_KEPT:
                self._path(role, version).unlink(missing_ok=True)


def _described(info: TargetFile) -> dict[str, Any]:
    return {"length": info.length, "sha256": info.hashes["sha256"], "custom": info.custom or {}}
