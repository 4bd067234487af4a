"""A trial is watched to its end: a release of the application's, or a system's."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from ota.box.confirm import Health, Trial, Verdict, lacks
from ota.clock import monotonic_s, sleep_s

# A person's word in a trial, and what it means.
WORDS = {
    "confirm": (Verdict.CONFIRM, "a person confirmed it"),
    "rollback": (Verdict.ROLLBACK, "a person refused it"),
}


def watch(
    trial: Trial,
    look_s: float,
    look: Callable[[], Health],
    proven: Collection[str],
    order: Callable[[], str | None],
    stop: Callable[[], bool],
    tell: Callable[[int, int], None],
) -> Trial:
    """The trial at its end, by health (`look`) or a person's `order`; still WAIT when stopped.

    `tell` hears for how many seconds it was well, and of how many.
    """
    while trial.verdict is Verdict.WAIT and not stop():
        word = order()
        if word in WORDS:
            verdict, reason = WORDS[word]
            return replace(trial, verdict=verdict, reason=reason)
        seen, now_s = look(), monotonic_s()
        trial = trial.observe(
            seen.player_presented, seen.ear_ready, seen.crashed, now_s, lacks(seen, proven)
        )
        held_s = 0.0 if trial.good_since_s is None else now_s - trial.good_since_s
        tell(round(held_s), round(trial.hold_s))
        if trial.verdict is Verdict.WAIT:
            sleep_s(look_s)
    return trial
