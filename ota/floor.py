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
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ota.clock import Deadline, boot_id, monotonic_s, sleep_s, utc_now
from ota.errors import Refused, Retry
from ota.files import read_bounded, write_durable

STATE_BYTES_MAX = 1 << 18
# No box of this code can live before the code was written.
WRITTEN_AT = datetime(2026, 11, 21, tzinfo=timezone.utc)
# A signed time further ahead than this is a stolen or broken key, not news.
AHEAD_MAX = timedelta(days=5 * 365)
LOCK_WAIT_S = 20.0
# So much of what was lived through a power cut may take from a box without a clock battery.
KEEP_S = 600.0


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
        """Make `body` the truth in both copies; one writer at a time. Raises Retry (disk full)."""
        count, _ = self._newest()
        line = json.dumps({"count": count + 1, "body": body}, sort_keys=True).encode()
        data = hashlib.sha256(line).hexdigest().encode() + b"\n" + line + b"\n"
        self._files[0].parent.mkdir(parents=True, exist_ok=True)
        for path in self._files:
            write_durable(path, data, sole=True)

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
    except (
        OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, Refused
    ):
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


@dataclass(frozen=True)
class Signers:
    """Who signs the online lists now: the root's version, and a name for the set of keys."""

    root: int = 0
    keys: str = ""


@dataclass(frozen=True)
class _Known:
    """It was at least `floor` when this boot's monotonic clock stood at `at_s`."""

    floor: datetime
    at_s: float
    signers: Signers


class FloorClock:
    """Time that never runs behind the newest signed time this box has seen, nor behind what it
    has lived through since.

    A dead clock battery puts a box years back, where expired metadata and prices look fresh.
    `path` names the durable state, `wall` is the machine's clock, `up_s` its monotonic one and
    `boot` names the boot in which that one counts. A wall clock that is ahead never raises the
    floor: once it is right again, all is as before.
    """

    def __init__(
        self,
        path: Path,
        wall: Callable[[], datetime] = utc_now,
        up_s: Callable[[], float] = monotonic_s,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        self._path, self._wall, self._up_s, self._boot = path, wall, up_s, boot
        self._state = TwoCopies(path)
        self._known = self._stored()
        self._kept_s = up_s()

    @property
    def floor(self) -> datetime:
        """The time before which it cannot be."""
        return self._known.floor + timedelta(seconds=self._up_s() - self._known.at_s)

    def now(self) -> datetime:
        """Aware UTC time: the wall clock, or the floor where the wall clock is behind it."""
        return max(self._wall(), self.floor)

    def now_by(self, signers: Signers) -> datetime:
        """The same for a list of these signers: where a newer root has taken the online keys away
        from those who told us the time, their word counts no more."""
        return max(self._wall(), WRITTEN_AT) if self._replaces(signers) else self.now()

    def behind(self) -> timedelta:
        """How far the machine's clock is behind the floor; zero when it is not."""
        return max(self.floor - self._wall(), timedelta(0))

    def reread(self) -> None:
        """Take up what other processes have learnt since."""
        stored = self._stored()
        if stored.signers.root > self._known.signers.root or self._lived(stored) > self.floor:
            self._known = stored

    def keep(self) -> None:
        """Now and then write down what was lived through: after a power cut a dead clock battery
        costs no more than KEEP_S. Raises Retry when the disk is full."""
        if self._up_s() - self._kept_s >= KEEP_S:
            self._kept_s = self._up_s()
            with self._at_work():
                self._write(self.floor, self._known.signers)

    def seen(self, signed_at: datetime, signers: Signers | None = None) -> None:
        """Note a time found in a verified document. Raises Refused when it is absurdly ahead."""
        who = self._known.signers if signers is None else signers
        if signed_at - self.now_by(who) > AHEAD_MAX:
            raise Refused(
                f"A signed document claims to be from {signed_at:%Y-%m-%d}, more than five years "
                "ahead; check the clock of the machine that signs."
            )
        if signed_at <= self.floor and who.root <= self._known.signers.root:
            return
        with self._at_work():
            if self._replaces(who):
                self._write(max(WRITTEN_AT, signed_at), who)
            else:
                newer = who if who.root >= self._known.signers.root else self._known.signers
                self._write(max(self.floor, signed_at), newer)

    def _replaces(self, signers: Signers) -> bool:
        known = self._known.signers
        return known.keys not in ("", signers.keys) and signers.root > known.root

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with locked(self._path.with_name(f"{self._path.name}.lock")):
            self.reread()
            yield

    def _write(self, floor: datetime, signers: Signers) -> None:
        at_s = self._up_s()
        self._known = _Known(floor, at_s, signers)
        self._state.write({
            "signed_time": floor.isoformat(), "at_s": at_s, "boot": self._boot(),
            "root": signers.root, "keys": signers.keys,
        })

    def _lived(self, known: _Known) -> datetime:
        return known.floor + timedelta(seconds=self._up_s() - known.at_s)

    def _stored(self) -> _Known:
        body = self._state.read() or {}
        at_s, root = body.get("at_s"), body.get("root", 0)
        same_boot = body.get("boot") == self._boot() != ""
        here_s = self._up_s()
        since_s = at_s if same_boot and isinstance(at_s, (int, float)) else here_s
        signers = Signers(root if isinstance(root, int) else 0, str(body.get("keys", "")))
        floor = max(WRITTEN_AT, _time_of(body))
        return _Known(floor, min(float(since_s), here_s), signers)


def _time_of(body: dict[str, Any]) -> datetime:
    try:
        found = datetime.fromisoformat(body["signed_time"])
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
