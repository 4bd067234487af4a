"""What the fleet wants of this box now: plan, roll-out and newest release, fetched when changed.

Each is a few hundred bytes, kept under its signed hash: a look with nothing new fetches the
timestamp alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ota.errors import Refused, Retry
from ota.files import read_bounded, write_durable
from ota.formats.manifest import NEWEST, parse_newest
from ota.formats.rollout import (
    PLAN,
    ROLLOUT,
    STEER_BYTES_MAX,
    Decision,
    Plan,
    Rollout,
    decide,
    parse_plan,
    parse_rollout,
)
from ota.trust.client import Target


class SmallFiles(Protocol):
    """What is needed of a fetcher."""

    def bytes(self, url: str, bytes_max: int) -> bytes: ...


class Signed(Protocol):
    """What is needed of `ota.trust.client.TrustClient`."""

    def listed(self, *paths: str) -> list[Target | None]: ...


@dataclass(frozen=True)
class Steering:
    """The signed words on releases that hold now; None: the fleet has said nothing of the kind."""

    newest: str | None = None
    plan: Plan | None = None
    rollout: Rollout | None = None

    def decide(self, box: str, running: str, now: datetime) -> Decision:
        """The plan's release where this box is in its wave, else the one for everybody. Pure."""
        told = Decision(None, "the fleet has not published a release yet")
        if self.plan is not None:
            told = decide(self.plan, self.rollout, box, running, now)
            if told.release is not None:
                return told
        brake = self.rollout
        if brake is not None and brake.release == self.newest and brake.state != "running":
            return Decision(None, f"release {self.newest} is {brake.state}")
        if self.newest is None:
            return told
        if self.newest == running:
            return told if self.plan else Decision(None, f"release {running} is running already")
        return Decision(self.newest, "every box runs it")

    @property
    def held_back(self) -> str:
        """The release whose roll-out was paused or stopped, or an empty text."""
        brake = self.rollout
        return brake.release if brake is not None and brake.state != "running" else ""

    def forbids(self, version: str, box: str, running: str, now: datetime) -> str | None:
        """Why an order of the console (not of a person here) for this version is not followed:
        it may not go around the waves. Pure."""
        brake = self.rollout
        if brake is not None and brake.release == version and brake.state != "running":
            return f"the roll-out of release {version} is {brake.state}"
        if self.plan is not None and self.plan.release == version != self.newest:
            told = decide(self.plan, self.rollout, box, running, now)
            return None if told.release == version else told.why
        return None


def look(
    trust: Signed, fetcher: SmallFiles, targets_url: str, kept: Path,
    names: tuple[str, str, str] = (NEWEST, PLAN, ROLLOUT),
) -> Steering:
    """Ask the fleet. `kept` is a folder for what was fetched, `names` those of the three files.

    Raises Refused, Retry.
    """
    newest, plan, rollout = (
        None if target is None else _body(target, fetcher, targets_url, kept)
        for target in trust.listed(*names)
    )
    return Steering(
        None if newest is None else parse_newest(newest),
        None if plan is None else parse_plan(plan),
        None if rollout is None else parse_rollout(rollout),
    )


def _body(target: Target, fetcher: SmallFiles, targets_url: str, kept: Path) -> bytes:
    if target.length_bytes > STEER_BYTES_MAX:
        raise Refused(f"{target.path} is longer than 64 KiB; sign a shorter one.")
    copy = kept / target.path.replace("/", "-")
    try:
        body = read_bounded(copy, STEER_BYTES_MAX)
        if hashlib.sha256(body).hexdigest() == target.sha256:
            return body
    except (OSError, Refused):
        pass  # not there, or torn: fetched again
    body = fetcher.bytes(target.url(targets_url), target.length_bytes)
    if len(body) != target.length_bytes:
        raise Retry(f"{target.path} came incomplete; it is fetched again.")
    if hashlib.sha256(body).hexdigest() != target.sha256:
        raise Refused(f"{target.path} was changed after it was signed; it was not used.")
    write_durable(copy, body)
    return body
