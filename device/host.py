"""Runs one box's process table on a machine without systemd, and follows the slot switch.

The updater's only word to us is the symlink `opt/vitrine/current`: when it points elsewhere,
the processes move there one by one, behind the last good frame. Our only words to the updater
are `run/health.json` and `run/shop.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from device import messages as m
from device.bus import Bus
from device.paths import Places, repository_root
from device.processes import BOX, Process
from device.stage.keeper import somebody_presents
from device.supervisor import Supervisor, python_command
from device.warmup import Warmup
from device.witness import Health, Witness
from ota.box.daemon import make_parts
from ota.box.install import Settings, recover
from ota.box.window import SHOP
from ota.clock import monotonic_ns, monotonic_s
from ota.errors import Retry
from ota.floor import locked

CURRENT = "current"
HEALTH = "health.json"
HEALTH_EACH_S = 0.5
UPDATER_LOCK_S = 2.0
SILENT_MAX_NS = 20_000_000_000
# The player goes first: the new release has to prove its picture before anything else moves.
PLAYER = next(process for process in BOX if process.name == "player")
MOVE_ORDER = ("player", "ear", "eye", "agent", "preview", "safe")


class Silence:
    """A player that spoke and says nothing more hangs as a whole: not even its guard can act.

    One that has just been started and never spoke is given all the time it needs.
    """

    def __init__(self) -> None:
        self._word: m.PlayerState | None = None
        self._since_ns, self._restarts = 0, -1

    def is_too_long(self, word: m.PlayerState | None, restarts: int, now_ns: int) -> bool:
        """One look at the last word; True once for each silence, to end that process."""
        if word is not self._word:
            self._word, self._since_ns, self._restarts = word, now_ns, restarts
        elif (word is not None and restarts == self._restarts
              and now_ns - self._since_ns > SILENT_MAX_NS):
            self._restarts = -1
            return True
        return False


class Host:
    """Start, watch and move the processes of one box. One loop calls `poll`."""

    def __init__(
        self,
        places: Places,
        supervisor: Supervisor,
        environment: Mapping[str, str],
        extra: Mapping[str, Sequence[str]],
        own_environment: Mapping[str, Mapping[str, str]],
    ) -> None:
        """`extra` adds arguments, `own_environment` variables, to single processes by name."""
        self._places, self._supervisor = places, supervisor
        self._environment, self._extra, self._own = dict(environment), extra, own_environment
        places.run.mkdir(parents=True, exist_ok=True)
        self._bus = Bus(places.run, "watch")
        self._code = self.code_folder()
        self._witness = Witness()
        self._health_at_s = 0.0
        self._silence = Silence()
        self._warmup: Warmup | None = None
        self.heard: list[m.Heard] = []
        self.happened: list[m.Happened] = []

    def code_folder(self) -> Path:
        """Where the code runs from: the active slot, or this checkout before any update."""
        link = self._places.opt / CURRENT
        return link.resolve() if link.exists() else repository_root()

    def start(self) -> None:
        """Start every line of the table, from a slot that is whole."""
        self._make_switch_sound()
        for process in BOX:
            self._supervisor.start(
                process, self._command(process), self._code,
                self._environment_of(process.name, self._code))

    def poll(self, wait_s: float) -> None:
        """One turn: restarts, messages for up to `wait_s`, the switch, health."""
        self._supervisor.poll()
        message = self._bus.receive(wait_s)
        while message is not None:
            self._notice(message)
            message = self._bus.receive(0.0)
        self._follow_switch()
        self._end_silence()
        if monotonic_s() - self._health_at_s >= HEALTH_EACH_S:
            self._health_at_s = monotonic_s()
            self._write_health()

    @property
    def player(self) -> m.PlayerState | None:
        """The player's last word, since it runs from the current code."""
        return self._witness.player

    @property
    def ear(self) -> m.EarState | None:
        """The ear's last word, since it runs from the current code."""
        return self._witness.ear

    def close(self) -> None:
        """Stop the box."""
        if self._warmup is not None:
            self._warmup.cancel()
        for process in reversed(BOX):
            self._supervisor.stop(process.name)
        self._bus.close()

    def _make_switch_sound(self) -> None:
        """A power cut in an update, or a rotten slot, is mended before anything runs from it."""
        with suppress(Retry), locked(self._places.var / "ota" / "lock", wait_s=UPDATER_LOCK_S):
            recover(make_parts(self._places, None, None, Settings()))
        self._code = self.code_folder()

    def _command(self, process: Process) -> tuple[str, ...]:
        return (*python_command(process), *self._extra.get(process.name, ()))

    def _environment_of(self, name: str, code: Path) -> dict[str, str]:
        return {**self._environment, **self._own.get(name, {}), "PYTHONPATH": str(code)}

    def _notice(self, message: m.Message) -> None:
        self._witness.note(message)
        if isinstance(message, m.Heard):
            self.heard = [*self.heard[-99:], message]
        elif isinstance(message, m.Happened):
            self.happened = [*self.happened[-999:], message]

    def _follow_switch(self) -> None:
        code = self.code_folder()
        if self._warmup is not None and self._warmup.folder != code:
            self._warmup.cancel()
            self._warmup = None
        if code == self._code:
            return
        if self._warmup is None and self._does_its_job():
            environment = self._environment_of("player", code)
            self._warmup = Warmup(self._places, self._supervisor, PLAYER, self._command(PLAYER),
                                  code, environment)
        if self._warmup is None or self._warmup.ready:
            self._move(code)

    def _does_its_job(self) -> bool:
        """Who works is not disturbed until the newcomer is ready; who does not (a bad release on
        its way out) is replaced at once."""
        seen = self._witness.health("", self._crashes(), monotonic_ns())
        works = seen.player_presented and seen.ear_ready
        return works and somebody_presents(self._places)

    def _move(self, code: Path) -> None:
        """The player first, behind its last frame; everybody else after it."""
        self._code, crashes = code, self._crashes()
        for name in MOVE_ORDER:
            if name == PLAYER.name and self._warmup is not None:
                self._warmup.take_over(self._environment_of(name, code))
            else:
                self._supervisor.move(name, code, self._environment_of(name, code))
        self._warmup = None
        self._witness.moved(crashes, monotonic_ns())

    def _end_silence(self) -> None:
        """systemd does the same by its watchdog."""
        restarts = self._supervisor.restarts("player")
        if self._silence.is_too_long(self._witness.player, restarts, monotonic_ns()):
            self._supervisor.kill("player")

    def _crashes(self) -> int:
        return sum(self._supervisor.restarts(process.name) for process in BOX)

    def _write_health(self) -> None:
        now_ns = monotonic_ns()
        health = self._witness.health(str(self._code), self._crashes(), now_ns)
        if self._warmup is not None:
            # The new release is asked for, and has shown nothing yet.
            health = Health(code=str(self._warmup.folder), crashes=self._warmup.crashes,
                            at_s=now_ns / 1e9)
        self._write(HEALTH, msgspec.json.encode(health))
        self._write(SHOP, msgspec.json.encode(self._witness.shop(now_ns)))

    def _write(self, name: str, data: bytes) -> None:
        """Read by others at any time, but worthless after a reboot: atomic, not durable."""
        temporary = self._places.run / f".{name}"
        temporary.write_bytes(data)
        temporary.replace(self._places.run / name)
