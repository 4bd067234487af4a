"""Starts the processes of the table, restarts what dies, and leaves nothing running behind.

On a box systemd does this from units made of the same table; here it is a laptop's demo, a
test, or `vitrine device run`. A child dies with its supervisor, whatever killed that one.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from device.processes import RESTART_PAUSE_S, RESTARTS_MAX, RESTARTS_WINDOW_S, Process
from ota.clock import Deadline, monotonic_s, sleep_s
from ota.errors import Broken

LOG_BYTES_MAX = 4 << 20
LOG_TAIL_BYTES = 4096
_PR_SET_PDEATHSIG = 1
_LIBC = "libc.so.6"


@dataclass(frozen=True)
class Ended:
    """One child's end: exit code, or minus the signal's number; `restarts` so far."""

    name: str
    code: int
    restarts: int
    given_up: bool
    last_words: str


@dataclass
class _Child:
    process: Process
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    popen: subprocess.Popen[bytes] | None = None
    restart_at_s: float = 0.0
    restarts: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_MAX))
    count: int = 0


def python_command(process: Process) -> tuple[str, ...]:
    """The command line of one process of the table in this Python."""
    return (sys.executable, "-m", "cli", *process.arguments)


class Supervisor:
    """Owns child processes; not thread-safe: one loop calls `poll` a few times a second."""

    def __init__(self, logs: Path, announce: Callable[[Ended], None]) -> None:
        """Children write to `logs/<name>.log`; `announce` hears of each end."""
        logs.mkdir(parents=True, exist_ok=True)
        self._logs, self._announce = logs, announce
        self._children: dict[str, _Child] = {}
        # Loaded before any fork: a child between fork and exec must not import.
        self._libc = ctypes.CDLL(_LIBC, use_errno=True)

    def start(
        self,
        process: Process,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        """Start one child in `folder` with exactly `environment`."""
        child = _Child(process, tuple(command), dict(environment), folder)
        self._children[process.name] = child
        self._spawn(child)

    def poll(self) -> None:
        """Notice ends, restart what is due, keep logs within their limit."""
        for child in list(self._children.values()):
            self._bound_log(child.process.name)
            if child.popen is None:
                if monotonic_s() >= child.restart_at_s:
                    self._spawn(child)
            elif (code := child.popen.poll()) is not None:
                self._after_end(child, code)

    def alive(self, name: str) -> bool:
        """True while the child of this name runs."""
        child = self._children.get(name)
        return child is not None and child.popen is not None and child.popen.poll() is None

    def pid(self, name: str) -> int | None:
        """The process id, or None while it does not run."""
        child = self._children.get(name)
        return child.popen.pid if child and child.popen else None

    def pids(self) -> dict[str, int]:
        """Process ids of all that run, by name."""
        return {name: pid for name in self._children if (pid := self.pid(name)) is not None}

    def restarts(self, name: str) -> int:
        """How often this child was restarted after an end of its own."""
        return self._children[name].count if name in self._children else 0

    def move(self, name: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Stop the child and start it again from another code folder (an application slot)."""
        child = self._children[name]
        self._stop([child])
        child.folder, child.environment = folder, dict(environment)
        child.restarts.clear()
        self._spawn(child)

    def take_over(self, name: str, newcomer: str, environment: Mapping[str, str]) -> None:
        """Stop the child `name`; the one that runs as `newcomer` has its name, and its log's."""
        child, new = self._children[name], self._children.pop(newcomer)
        self._stop([child])
        child.popen, child.folder, child.environment = new.popen, new.folder, dict(environment)
        child.restarts.clear()
        log = self._logs / f"{name}.log"
        if log.exists():
            log.replace(self._logs / f"{name}.old.log")
        # Whoever writes to it goes on writing to it.
        (self._logs / f"{newcomer}.log").replace(log)

    def kill(self, name: str) -> None:
        """End one that hangs, at once; `poll` notices and starts it again."""
        child = self._children.get(name)
        if child is not None:
            _signal_group(child, signal.SIGKILL)

    def stop(self, name: str) -> None:
        """Stop one child and forget it."""
        child = self._children.pop(name, None)
        if child is not None:
            self._stop([child])

    def stop_all(self) -> None:
        """Stop everything, the youngest first; kills what does not go within its time."""
        children = list(reversed(self._children.values()))
        self._children.clear()
        self._stop(children)

    def last_words(self, name: str) -> str:
        """The end of a child's log, for an error message."""
        path = self._logs / f"{name}.log"
        if not path.exists():
            return ""
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            return log.read(LOG_TAIL_BYTES).decode("utf-8", "replace").strip()

    def _spawn(self, child: _Child) -> None:
        path = self._logs / f"{child.process.name}.log"
        try:
            # O_APPEND, so that cutting the file short while the child writes is safe.
            with path.open("ab") as log:
                child.popen = subprocess.Popen(
                    child.command,
                    cwd=child.folder,
                    env=child.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=partial(self._prepare_child, child.process.nice),
                )
        except OSError as error:
            raise Broken(f"{child.command[0]} cannot be started: {error.strerror}.") from error

    def _prepare_child(self, nice: int) -> None:
        self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        os.nice(nice)

    def _after_end(self, child: _Child, code: int) -> None:
        now_s = monotonic_s()
        child.popen = None
        recent = [at_s for at_s in child.restarts if now_s - at_s < RESTARTS_WINDOW_S]
        given_up = len(recent) >= RESTARTS_MAX
        child.restarts.append(now_s)
        child.count += 1
        # The first death is mended at once. One that keeps dying is tried again slowly, never
        # dropped: the shop has no other hands.
        pause_s = RESTARTS_WINDOW_S if given_up else RESTART_PAUSE_S if recent else 0.0
        child.restart_at_s = now_s + pause_s
        name = child.process.name
        self._announce(Ended(name, code, child.count, given_up, self.last_words(name)))

    def _stop(self, children: Sequence[_Child]) -> None:
        running = [child for child in children if child.popen is not None]
        for child in running:
            _signal_group(child, signal.SIGTERM)
        for child in running:
            assert child.popen is not None
            deadline = Deadline(child.process.stop_s)
            while child.popen.poll() is None and not deadline.passed:
                sleep_s(0.02)
            _signal_group(child, signal.SIGKILL)
            child.popen.wait()
            child.popen = None

    def _bound_log(self, name: str) -> None:
        path = self._logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            os.truncate(path, 0)


def _signal_group(child: _Child, number: int) -> None:
    if child.popen is not None:
        try:
            os.killpg(child.popen.pid, number)
        except ProcessLookupError:
            return
