"""A new player is made ready behind the old one's picture, and takes the stage when that is gone.

Loading an avatar takes seconds, in which a shop would see a still picture. So the newcomer loads
everything but screen, sound and bus, says in `run/player.warm` that it is ready, and waits for the
old player's lock to fall. A newcomer that cannot even load never disturbs the picture. A release
from before this knows nothing of it: it is waited for in vain, and then moved as ever.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from device.paths import Places
from device.processes import Process
from device.stage.keeper import somebody_presents
from device.supervisor import Supervisor
from ota.clock import Deadline, sleep_s
from ota.errors import Refused
from ota.files import read_bounded

BEHIND = {"VITRINE_BEHIND": "1"}
NEWCOMER = "player-next"
WARM = "player.warm"
WARM_BYTES_MAX = 32
# Longer than any load that was seen; then the old way, with a longer still picture.
WARM_S_MAX = 30.0
WAIT_S_MAX = 120.0
LOOK_S = 0.005


def wait_behind(places: Places) -> None:
    """The newcomer's side: say that everything is loaded, wait until nobody presents."""
    (places.run / WARM).write_text(f"{os.getpid()}\n", encoding="ascii")
    deadline = Deadline(WAIT_S_MAX)
    while somebody_presents(places) and not deadline.passed:
        sleep_s(LOOK_S)


class Warmup:
    """The supervisor's side: `ready` says when to let the newcomer on; `cancel` gives it up."""

    def __init__(
        self, places: Places, supervisor: Supervisor, player: Process, command: Sequence[str],
        folder: Path, environment: Mapping[str, str],
    ) -> None:
        """Start the player of the code in `folder` behind the one that presents."""
        self._places, self._supervisor, self.folder = places, supervisor, folder
        self._deadline = Deadline(WARM_S_MAX)
        (places.run / WARM).unlink(missing_ok=True)
        newcomer = Process(NEWCOMER, player.arguments, player.stop_s, player.memory_mb_max)
        supervisor.start(newcomer, command, folder, {**environment, **BEHIND})

    @property
    def crashes(self) -> int:
        """How often the newcomer has died before it could show anything."""
        return self._supervisor.restarts(NEWCOMER)

    @property
    def ready(self) -> bool:
        """It has loaded, or there is nothing more to wait for."""
        if self._deadline.passed or not somebody_presents(self._places):
            return True
        try:
            said = int(read_bounded(self._places.run / WARM, WARM_BYTES_MAX))
        except (OSError, ValueError, Refused):
            return False
        return said == self._supervisor.pid(NEWCOMER)

    def take_over(self, environment: Mapping[str, str]) -> None:
        """The old player goes, the newcomer is the player from now on."""
        self._supervisor.take_over("player", NEWCOMER, environment)

    def cancel(self) -> None:
        """The switch was set back: nobody on the screen has noticed anything."""
        self._supervisor.stop(NEWCOMER)
