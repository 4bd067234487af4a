"""One player process of a test, which is its agent and its ear on the bus."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from device import messages as m
from device.bus import Bus
from device.paths import Places, repository_root
from ota.clock import Deadline, monotonic_ns, monotonic_s


class Box:
    """One player process; the test is its agent and its ear."""

    def __init__(self, root: Path, avatar: Path | None, environment: dict[str, str]) -> None:
        self.places, self._avatar = Places(root), avatar
        self._environment = {
            **os.environ, **environment, "VITRINE_ROOT": str(root),
            "PYTHONPATH": str(repository_root())}
        self.agent, self.ear = Bus(self.places.run, "agent"), Bus(self.places.run, "ear")
        self.happened: list[m.Happened] = []
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> float:
        """Start the player; seconds until the first presented frame is reported."""
        begun_s = monotonic_s()
        command = [sys.executable, "-m", "cli", "device", "player", "--headless", "--size",
                   "540x960", *(("--avatar", str(self._avatar)) if self._avatar else ()), *more]
        with (self.places.root / "player.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment, stdout=log,
                                            stderr=log, cwd=repository_root())
        self.state(lambda s: s.ready and s.frames_shown > 0, 30)
        return monotonic_s() - begun_s

    def state(self, wanted: Callable[[m.PlayerState], bool], seconds: float = 15) -> m.PlayerState:
        found = self.message(lambda x: isinstance(x, m.PlayerState) and wanted(x), seconds)
        assert isinstance(found, m.PlayerState)
        return found

    def message(self, wanted: Callable[[m.Message], bool], seconds: float = 15) -> m.Message:
        deadline, last = Deadline(seconds), None
        while not deadline.passed:
            message = self.agent.receive(0.2)
            if isinstance(message, m.Happened):
                self.happened.append(message)
            if message is not None and wanted(message):
                return message
            last = message or last
            assert self.process is None or self.process.poll() is None, self.log()
        raise AssertionError(f"nothing such came; last: {last}\n{self.log()}")

    def asked(self, text: str) -> dict[str, Any]:
        """A visitor asks; what was counted for it?"""
        self.ear.publish(m.Heard(at_ns=monotonic_ns(), speech_end_ns=monotonic_ns(), text=text,
                                 language="zh-CN", confidence=-0.1, took_ms=100.0))
        found = self.message(lambda x: isinstance(x, m.Happened) and x.kind == "asked")
        assert isinstance(found, m.Happened)
        return found.detail

    def play(self, folder: Path, version: int = 1, **settings: Any) -> None:
        self.agent.publish(m.ContentReady(path=str(folder), programme_id="sim-tea",
                                          version=version, settings=m.Settings(**settings)))

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def kill(self) -> None:
        """kill -9; what the dead one said is not taken for the next one's."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        while self.agent.receive(0.0) is not None:
            continue

    def log(self) -> str:
        return (self.places.root / "player.log").read_text()[-3000:]

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.agent.close()
        self.ear.close()
