"""What to do with the screen: from how it is to how it should be. Pure; run again at each look.

A plug that was out is set up anew, a mode or turn that is not the wished one is set, a light that
does not obey becomes a fault and a black cover. Each order is given a few times, then it is a
fault until something changes: a television that refuses must not flicker all night.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from device.hal.screen import Output, Seen

TRIES_MAX = 3
UNPLUGGED_LOOKS = 2  # televisions drop the line for a moment when they change their input
HEIGHT_PX_MIN = 720  # a monitor that offers less than this does not say what it can do

UNPLUGGED, STAYS_ON, STAYS_OFF = "screen-unplugged", "screen-stays-on", "screen-stays-off"
WRONG_MODE, NOT_TURNED = "screen-mode", "screen-rotation"


@dataclass(frozen=True)
class Wish:
    """How the screen should be; None leaves it as the machine has it."""

    lit: bool = True
    mode: str | None = None
    rotation: int | None = None


@dataclass(frozen=True)
class Power:
    """Light it or switch it off."""

    on: bool


@dataclass(frozen=True)
class Configure:
    """Set up one output."""

    output: str
    mode: str | None
    rotation: int | None


Order = Power | Configure


@dataclass(frozen=True)
class Known:
    """What is remembered from look to look. `good` is the last mode that showed, by output."""

    faults: frozenset[str] = frozenset()
    good: dict[str, str] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    unplugged_looks: int = 0
    plugged_anew: bool = False
    wish: Wish = Wish()
    sent: bool | None = None

    @property
    def cover(self) -> bool:
        """Must a black picture stand, because the light does not go out?"""
        return STAYS_ON in self.faults


def decide(known: Known, seen: Seen, wish: Wish) -> tuple[Known, tuple[Order, ...]]:
    """The memory after this look, and the orders, in this sequence."""
    if wish != known.wish:
        known = replace(known, wish=wish, tries={}, faults=known.faults & {UNPLUGGED})
    known = _plug(known, seen)
    if UNPLUGGED in known.faults or known.unplugged_looks:
        return known, ()
    orders: list[Order] = []
    known, power = _light(known, seen, wish)
    orders += power
    if wish.lit:
        for output in seen.outputs[:4]:
            if output.connected:
                known, more = _setting(known, output, wish)
                orders += more
    return replace(known, plugged_anew=False), tuple(orders)


def _plug(known: Known, seen: Seen) -> Known:
    if seen.plugged is False:
        looks = min(known.unplugged_looks + 1, UNPLUGGED_LOOKS)
        faults = known.faults | ({UNPLUGGED} if looks >= UNPLUGGED_LOOKS else set())
        return replace(known, unplugged_looks=looks, faults=faults)
    if UNPLUGGED in known.faults:
        # It may be another screen now: nothing that was tried on the old one counts.
        return replace(known, unplugged_looks=0, faults=frozenset(), tries={}, sent=None,
                       plugged_anew=True)
    return replace(known, unplugged_looks=0)


def _light(known: Known, seen: Seen, wish: Wish) -> tuple[Known, list[Order]]:
    fault = STAYS_OFF if wish.lit else STAYS_ON
    lit = seen.lit if seen.lit is not None else known.sent
    right = lit is wish.lit or (lit is None and wish.lit)
    if right and not (known.plugged_anew and not wish.lit):
        return _well(known, fault), []
    known, again = _try(known, fault)
    return known, [Power(wish.lit)] if again else []


def _setting(known: Known, output: Output, wish: Wish) -> tuple[Known, list[Order]]:
    mode = wish.mode or (known.good.get(output.name) if _says_little(output) else None)
    wrong_mode = output.mode is None or (mode is not None and not _same(mode, output.mode))
    wrong_turn = wish.rotation is not None and output.rotation != wish.rotation
    if output.mode is not None and not _says_little(output):
        known = replace(known, good={**known.good, output.name: output.mode})
    if not wrong_mode:
        known = _well(known, WRONG_MODE)
    if not wrong_turn:
        known = _well(known, NOT_TURNED)
    tried = wrong_mode or wrong_turn or known.plugged_anew
    if not tried:
        return known, []
    again = known.plugged_anew
    for wrong, fault in ((wrong_mode, WRONG_MODE), (wrong_turn, NOT_TURNED)):
        if wrong:
            known, more = _try(known, fault)
            again = again or more
    return known, [Configure(output.name, mode, wish.rotation)] if again else []


def _says_little(output: Output) -> bool:
    """A broken or missing EDID: the driver falls back to a few small modes."""
    heights = [int(mode.partition("@")[0].partition("x")[2] or 0) for mode in output.modes]
    return max(heights, default=0) < HEIGHT_PX_MIN


def _same(wished: str, found: str) -> bool:
    """"1920x1080" is satisfied by any rate."""
    return wished == found or ("@" not in wished and found.partition("@")[0] == wished)


def _try(known: Known, fault: str) -> tuple[Known, bool]:
    """One more try, or the fault when there were enough."""
    count = known.tries.get(fault, 0)
    if count >= TRIES_MAX:
        return replace(known, faults=known.faults | {fault}), False
    return replace(known, tries={**known.tries, fault: count + 1}), True


def _well(known: Known, fault: str) -> Known:
    tries = {name: count for name, count in known.tries.items() if name != fault}
    return replace(known, tries=tries, faults=known.faults - {fault})
