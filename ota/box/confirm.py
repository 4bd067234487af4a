"""Does a new release do its job? The health rule of a trial, pure.

Healthy means: the avatar was presented on the screen (pixels that move and are not black), the
recogniser is loaded, and what was seen to work before the switch still does: a test tone went
through the loudspeaker's path, the programme plays. What nobody can tell (no loudspeaker, an older
supervisor) is no fault. A lost network is not ill health: a shop without a line must be able to
confirm what it installed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

# A bad release is back on the old one within 90 s: so long to show itself, the rest to restart.
SHOW_S = 60.0
# One that did its job and stops. A player that hangs once costs 13 s (its watchdog takes ten) and
# is forgiven; twice is not.
LOST_S = 20.0
HOLD_S = 600.0
PROVABLE = {
    "sound": "no test tone went through the loudspeaker's path, as it did before",
    "plays": "the programme does not play, as it did before",
}
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
    sound: bool | None = None
    plays: bool | None = None

    @property
    def proven(self) -> tuple[str, ...]:
        """What is seen to work, of that which a release may be without."""
        return tuple(name for name in PROVABLE if getattr(self, name))

    @property
    def good(self) -> bool:
        """Everything that a shop needs of a release."""
        return self.player_presented and self.ear_ready and not self.crashed


def lacks(health: Health, proven: Collection[str]) -> str:
    """What worked before the switch and does not now, as the end of a sentence, or "". Pure."""
    for name, sentence in PROVABLE.items():
        if name in proven and getattr(health, name) is False:
            return sentence
    return ""


@dataclass(frozen=True)
class Trial:
    """A trial that began at `started_s` (monotonic). Each `observe` returns the trial after it.

    `show_s`: how long it may be unhealthy at the start, `lost_s` (or `show_s`, if that is less)
    after it was once healthy, all breaks together: one that hangs and is started again and again
    looks well in between. `hold_s`: how long it must be healthy without a break.
    """

    started_s: float
    show_s: float = SHOW_S
    hold_s: float = HOLD_S
    good_since_s: float | None = None
    bad_since_s: float | None = None
    lost_s: float = LOST_S
    was_good: bool = False
    lost_before_s: float = 0.0
    verdict: Verdict = Verdict.WAIT
    reason: str = ""

    def observe(
        self,
        player_presented: bool,
        ear_ready: bool,
        crashed: bool,
        now_s: float,
        lacks: str = "",
    ) -> Trial:
        """The trial after one look; `lacks` is of the function of that name. A verdict stays."""
        if self.verdict is not Verdict.WAIT:
            return self
        if crashed:
            return self._ended(Verdict.ROLLBACK, "a process of the new release crashed")
        if player_presented and ear_ready and not lacks:
            since = now_s if self.good_since_s is None else self.good_since_s
            lost_s = now_s - self.bad_since_s if self.was_good and self.bad_since_s else 0.0
            after = replace(self, good_since_s=since, bad_since_s=None, was_good=True,
                            lost_before_s=self.lost_before_s + lost_s)
            if now_s - since >= self.hold_s:
                return after._ended(Verdict.CONFIRM, "picture and recogniser held")
        else:
            bad = self.started_s if self.good_since_s is None else now_s
            since = bad if self.bad_since_s is None else self.bad_since_s
            after = replace(self, good_since_s=None, bad_since_s=since)
            allowed_s = min(self.lost_s, self.show_s) if self.was_good else self.show_s
            if self.lost_before_s + now_s - since >= allowed_s:
                why = _missing(player_presented, ear_ready, lacks)
                return after._ended(Verdict.ROLLBACK, why)
        if now_s - self.started_s >= FLAPPING_FACTOR * (self.show_s + self.hold_s):
            return after._ended(Verdict.ROLLBACK, "it was healthy only now and then")
        return after

    def _ended(self, verdict: Verdict, reason: str) -> Trial:
        return replace(self, verdict=verdict, reason=reason)


def _missing(player_presented: bool, ear_ready: bool, lacks: str) -> str:
    if not player_presented and not ear_ready:
        return "no picture was shown and the recogniser was not loaded in time"
    if not player_presented:
        return "no picture was shown in time"
    if ear_ready:
        return lacks
    return "the recogniser was not loaded in time"
