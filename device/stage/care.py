"""Care for the panel and for the eye: overlays that wander, parts that rest, gestures when idle.

All pure functions of time and of when something happened last; the performer does what they say.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

# The overlay's way: so far to each side (px of a 1080 wide picture), once round in so long.
SHIFT_PX, ROUND_S = 6.0, 720.0
# Nothing said and nobody asked for so long: from then on card and brand rest in turns.
QUIET_S, TURN_S = 600.0, 300.0
RESTING = ("card", "brand")
# Gestures without words: the first after IDLE_S, then at random between these.
IDLE_S, GESTURE_S_MIN, GESTURE_S_MAX = 60.0, 120.0, 420.0
IDLE_PREFIXES = ("glance", "look", "idle")
WELCOME = "greet"


def shift_px(at_s: float, k: float) -> tuple[int, int]:
    """Where the whole overlay stands beside its place: a closed path, 1 px a step at k = 1.

    `k` is the picture's short side / 1080. Two turns up and down for each across.
    """
    angle = 2 * math.pi * (at_s % ROUND_S) / ROUND_S
    return round(SHIFT_PX * k * math.sin(angle)), round(SHIFT_PX * k * math.sin(2 * angle))


def resting(idle_s: float) -> str | None:
    """The part of the overlay that is hidden now: "card", "brand" or none."""
    if idle_s < QUIET_S:
        return None
    return RESTING[int((idle_s - QUIET_S) // TURN_S) % len(RESTING)]


def idle_gestures(names: Sequence[str]) -> tuple[str, ...]:
    """Those that mean something without words: glances, else the greeting."""
    glances = tuple(name for name in names if name.startswith(IDLE_PREFIXES))
    return glances or tuple(name for name in names if name == WELCOME)


@dataclass
class Idle:
    """When something happened last, and the next gesture without words."""

    gestures: tuple[str, ...]
    chance: random.Random = field(default_factory=random.Random)
    since_s: float = 0.0
    gesture_at_s: float = IDLE_S

    def happened(self, now_s: float) -> None:
        """Somebody asked, or something is said."""
        self.since_s, self.gesture_at_s = now_s, now_s + IDLE_S

    def resting(self, now_s: float) -> str | None:
        """See the function."""
        return resting(now_s - self.since_s)

    def gesture(self, now_s: float) -> str | None:
        """The gesture to begin now, mostly none."""
        if not self.gestures or now_s < self.gesture_at_s:
            return None
        self.gesture_at_s = now_s + self.chance.uniform(GESTURE_S_MIN, GESTURE_S_MAX)
        return self.chance.choice(self.gestures)
