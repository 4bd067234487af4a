"""Does a new release do its job? The health rule of a trial, pure.

Healthy means: the avatar was presented on the screen and the recogniser is loaded. A lost
network is not ill health: a shop without a line must be able to confirm what it installed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

# A bad release is back on the old one within 90 s: 75 s to show itself, the rest to restart.
SHOW_S = 75.0
HOLD_S = 600.0
# A release that is healthy only now and then is not good: the whole trial ends after this.
FLAPPING_FACTOR = 3.0


class Verdict(Enum):
    """What to do with the release on trial."""

    WAIT = "wait"
    CONFIRM = "confirm"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Health:
    """What the supervisor sees of the processes it runs from one slot."""

    slot: str
    player_presented: bool = False
    ear_ready: bool = False
    crashed: bool = False

    @property
    def good(self) -> bool:
        """Everything that a shop needs of a release."""
        return self.player_presented and self.ear_ready and not self.crashed


@dataclass(frozen=True)
class Trial:
    """A trial that began at `started_s` (monotonic). Each `observe` returns the trial after it.

    `show_s`: how long it may be unhealthy, at the start or in between. `hold_s`: how long it must
    be healthy without a break before it is confirmed.
    """

    started_s: float
    show_s: float = SHOW_S
    hold_s: float = HOLD_S
    good_since_s: float | None = None
    bad_since_s: float | None = None
    verdict: Verdict = Verdict.WAIT
    reason: str = ""

    def observe(
        self, player_presented: bool, ear_ready: bool, crashed: bool, now_s: float
    ) -> Trial:
        """The trial after one look. A verdict once given stays."""
        if self.verdict is not Verdict.WAIT:
            return self
        if crashed:
            return self._ended(Verdict.ROLLBACK, "a process of the new release crashed")
        if player_presented and ear_ready:
            since = now_s if self.good_since_s is None else self.good_since_s
            after = replace(self, good_since_s=since, bad_since_s=None)
            if now_s - since >= self.hold_s:
                return after._ended(Verdict.CONFIRM, "picture and recogniser held")
        else:
            bad = self.started_s if self.good_since_s is None else now_s
            since = bad if self.bad_since_s is None else self.bad_since_s
            after = replace(self, good_since_s=None, bad_since_s=since)
            if now_s - since >= self.show_s:
                return after._ended(Verdict.ROLLBACK, _missing(player_presented, ear_ready))
        if now_s - self.started_s >= FLAPPING_FACTOR * (self.show_s + self.hold_s):
            return after._ended(Verdict.ROLLBACK, "it was healthy only now and then")
        return after

    def _ended(self, verdict: Verdict, reason: str) -> Trial:
        return replace(self, verdict=verdict, reason=reason)


def _missing(player_presented: bool, ear_ready: bool) -> str:
    if not player_presented and not ear_ready:
        return "no picture was shown and the recogniser was not loaded in time"
    if not player_presented:
        return "no picture was shown in time"
    return "the recogniser was not loaded in time"
