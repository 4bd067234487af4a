"""What a box must never forget: the newest signed time and the newest version of each role.

Kept in two checksummed copies, so that a torn or rotten one costs nothing. Rollback and freeze
protection rest on this file and not on the metadata cache.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ota.clock import Deadline, sleep_s, utc_now
from ota.errors import Refused, Retry
from ota.files import read_bounded, write_durable

STATE_BYTES_MAX = 1 << 18
# No box of this code can live before the code was written.
WRITTEN_AT = datetime(2026, 11, 21, tzinfo=timezone.utc)
# A signed time further ahead than this is a stolen or broken key, not news.
AHEAD_MAX = timedelta(days=5 * 365)
LOCK_WAIT_S = 20.0


class TwoCopies:
    """A small JSON object, durable, in `<path>.0.json` and `<path>.1.json`.

    Each file is one line of sha256 and one line of JSON {"count", "body"}; the valid one with
    the higher count is the truth. `lost` says after a read that copies were there but none valid.
    """

    def __init__(self, path: Path) -> None:
        self._files = [path.with_name(f"{path.name}.{number}.json") for number in (0, 1)]
        self.lost = False

    def read(self) -> dict[str, Any] | None:
        """The newest valid body, or None when there is none."""
        count, body = self._newest()
        return body if count else None

    def write(self, body: dict[str, Any]) -> None:
        """Make `body` the truth in both copies. Raises OSError (disk full, read-only)."""
        count, _ = self._newest()
        line = json.dumps({"count": count + 1, "body": body}, sort_keys=True).encode()
        data = hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n"
        self._files[0].parent.mkdir(parents=True, exist_ok=True)
        for path in self._files:
            write_durable(path, data)

    def _newest(self) -> tuple[int, dict[str, Any]]:
        found = [_read_copy(path) for path in self._files]
        valid = [copy for copy in found if copy is not None]
        self.lost = not valid and any(path.exists() for path in self._files)
        return max(valid, key=lambda copy: copy[0], default=(0, {}))


def _read_copy(path: Path) -> tuple[int, dict[str, Any]] | None:
    try:
        digest, line, _ = read_bounded(path, STATE_BYTES_MAX).split(b"\n", 2)
        if hashlib.sha256(line).hexdigest().encode() != digest:
            return None
        parsed = json.loads(line)
        return int(parsed["count"]), dict(parsed["body"])
    except (OSError, ValueError, KeyError, TypeError, Refused):
        return None


@contextmanager
def locked(path: Path, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the lock file `path` against every other process. Raises Retry when it stays taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait_for_lock(handle, path, wait_s)
        yield
    finally:
        os.close(handle)


def lock_taken(path: Path) -> bool:
    """True while another process holds the lock file."""
    try:
        with locked(path, wait_s=0.0):
            return False
    except Retry:
        return True


def _wait_for_lock(handle: int, path: Path, wait_s: float) -> None:
    deadline = Deadline(wait_s)
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if deadline.passed:
                raise Retry(
                    f"Another process is at work on {path.parent}; try again in a minute."
                ) from None
        sleep_s(0.05)


class FloorClock:
    """Time that never runs behind the newest signed time this box has seen.

    A dead clock battery puts a box years back, where expired metadata looks fresh. `path` names
    the durable state; `wall` is the machine's clock.
    """

    def __init__(self, path: Path, wall: Callable[[], datetime] = utc_now) -> None:
        self._path = path
        self._wall = wall
        self._state = TwoCopies(path)
        self._floor = max(WRITTEN_AT, _time_of(self._state.read()))

    @property
    def floor(self) -> datetime:
        """The time before which it cannot be."""
        return self._floor

    def now(self) -> datetime:
        """Aware UTC time: the wall clock, or the floor where the wall clock is behind it."""
        return max(self._wall(), self._floor)

    def behind(self) -> timedelta:
        """How far the machine's clock is behind the floor; zero when it is not."""
        return max(self._floor - self._wall(), timedelta(0))

    def seen(self, signed_at: datetime) -> None:
        """Note a time found in a verified document. Raises Refused when it is absurdly ahead."""
        if signed_at - self.now() > AHEAD_MAX:
            raise Refused(
                f"A signed document claims to be from {signed_at:%Y-%m-%d}, more than five years "
                "ahead; check the clock of the machine that signs."
            )
        if signed_at <= self._floor:
            return
        with locked(self._path.with_name(f"{self._path.name}.lock")):
            stored = _time_of(self._state.read())
            self._floor = max(self._floor, stored, signed_at)
            self._state.write({"signed_time": self._floor.isoformat()})


def _time_of(body: dict[str, Any] | None) -> datetime:
    try:
        found = datetime.fromisoformat((body or {})["signed_time"])
    except (KeyError, ValueError, TypeError):
        return WRITTEN_AT
    return found if found.tzinfo else WRITTEN_AT


class RoleFloor:
    """The newest version of each TUF role this box has accepted. Versions only rise.

    `online_keys` names the keys of timestamp and snapshot: when the root replaces them, the two
    floors start again, so that a thief who counted them up cannot lock boxes out (TUF 5.3.11).
    """

    def __init__(self, path: Path) -> None:
        self._state = TwoCopies(path)

    @property
    def lost(self) -> bool:
        """True when both copies were there and neither could be read."""
        self._state.read()
        return self._state.lost

    def versions(self, online_keys: str) -> dict[str, int]:
        """Floors that hold under these online keys."""
        body = self._state.read() or {}
        roles = {str(role): int(version) for role, version in body.get("roles", {}).items()}
        if body.get("online_keys", online_keys) != online_keys:
            roles = {k: v for k, v in roles.items() if k not in ("timestamp", "snapshot")}
        return roles

    def raise_to(self, found: dict[str, int], online_keys: str) -> None:
        """Durably raise the floors to the versions found; never lowers one."""
        before = self.versions(online_keys)
        after = dict(before)
        for role, version in found.items():
            after[role] = max(version, before.get(role, 0))
        body = {"roles": after, "online_keys": online_keys}
        if body != self._state.read():
            self._state.write(body)


def sunk(floors: dict[str, int], found: dict[str, int]) -> str | None:
    """The first role whose found version is below its floor, or None. Pure."""
    for role in sorted(found):
        if found[role] < floors.get(role, 0):
            return role
    return None
