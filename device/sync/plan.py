"""What must be done to make the box as desired: pure, and done again after every change.

Doing the steps of a plan leads to an empty plan, or to one that waits for a retry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from device.messages import Desired, Notice, ProgrammeWanted, Settings
from device.sync.desired import instant


@dataclass(frozen=True)
class OnDisk:
    """A verified programme folder: what it was made from and where it lies."""

    wanted: ProgrammeWanted
    programme_id: str
    path: str


@dataclass(frozen=True)
class Played:
    """What the player was last told."""

    on_disk: OnDisk
    variables: dict[str, str]
    settings: Settings


@dataclass(frozen=True)
class Waiting:
    """This programme could not be had; it is tried again at `until_s` (monotonic).

    `for_network` is true when a network that comes back is a reason to try at once.
    """

    wanted: ProgrammeWanted
    until_s: float
    attempt: int
    for_network: bool = True


@dataclass(frozen=True)
class Actual:
    """How the box is. `working` is true while a programme is being brought.

    `release` is the code that runs, `release_asked` what the updater was last told to install.
    """

    on_disk: OnDisk | None = None
    played: Played | None = None
    notice: Notice | None = None
    working: bool = False
    waiting: Waiting | None = None
    release: str | None = None
    release_asked: str | None = None


@dataclass(frozen=True)
class Bring:
    """Fetch, verify and lay out this programme."""

    wanted: ProgrammeWanted


@dataclass(frozen=True)
class Play:
    """Tell player and ear to play this folder with these values."""

    played: Played


@dataclass(frozen=True)
class Announce:
    """Give the player an emergency notice, or take it back (None)."""

    notice: Notice | None


@dataclass(frozen=True)
class Install:
    """Tell the updater to install this signed release; it judges for itself."""

    release: str


Step = Bring | Play | Announce | Install


def plan(
    desired: Desired | None, actual: Actual, now: datetime, monotonic_s: float
) -> tuple[Step, ...]:
    """The steps from `actual` to `desired`; an empty tuple when there is nothing to do."""
    if desired is None:
        return ()
    steps: list[Step] = []
    notice = standing_notice(desired, now)
    if notice != actual.notice:
        steps.append(Announce(notice))
    if actual.on_disk is not None:
        played = Played(actual.on_disk, desired.variables, desired.settings)
        if played != actual.played:
            steps.append(Play(played))
    release = desired.release
    if release is not None and release not in (actual.release, actual.release_asked):
        steps.append(Install(release))
    wanted = desired.programme
    if wanted is not None and _must_bring(wanted, actual, monotonic_s):
        steps.append(Bring(wanted))
    return tuple(steps)


def standing_notice(desired: Desired, now: datetime) -> Notice | None:
    """The emergency notice, while it is in date."""
    notice = desired.override
    if notice is None or instant(notice.until) <= now:
        return None
    return notice


def _must_bring(wanted: ProgrammeWanted, actual: Actual, monotonic_s: float) -> bool:
    if actual.on_disk is not None and actual.on_disk.wanted == wanted:
        return False
    if actual.working:
        return False
    waiting = actual.waiting
    return waiting is None or waiting.wanted != wanted or monotonic_s >= waiting.until_s
