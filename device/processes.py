"""The process table of one box: who runs, how it is started, and how long it may be silent.

The demo, `vitrine device run` and the systemd units are all made from this table.
"""

from __future__ import annotations

from dataclasses import dataclass

RESTART_PAUSE_S = 0.5
RESTARTS_MAX = 20
RESTARTS_WINDOW_S = 60.0
# The player's end when a person at the machine closed its window, told from an ordered end.
EXIT_WINDOW_CLOSED = 4
# The player's own end when its picture does not move any more.
EXIT_FROZEN = 5
# The player's orderly end to be started again with another avatar.
EXIT_RECAST = 6


@dataclass(frozen=True)
class Process:
    """One line of the table; `arguments` follow the name of the command line."""

    name: str
    arguments: tuple[str, ...]
    stop_s: float = 5.0
    memory_mb_max: int = 512
    watchdog_s: float | None = None
    # Picture and sound go first: everybody else yields the processor to the player.
    nice: int = 0


BOX: tuple[Process, ...] = (
    Process("safe", ("device", "safe"), memory_mb_max=96, nice=5),
    Process("preview", ("device", "preview"), memory_mb_max=128, nice=5),
    Process("player", ("device", "player"), memory_mb_max=640, watchdog_s=10),
    Process("ear", ("device", "ear"), memory_mb_max=640, watchdog_s=30, nice=2),
    # Idle, and without a camera, unless the settings ask for attract mode.
    Process("eye", ("device", "eye"), memory_mb_max=160, watchdog_s=30, nice=10),
    Process("agent", ("device", "agent"), memory_mb_max=192, nice=5),
)
