"""An agent in a process of its own, and a bus end that plays the player: for the sync tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from device.bus import Bus
from device.messages import ContentReady, Happened, Message, PlayerState
from device.paths import Places
from ota.clock import Deadline, monotonic_ns, sleep_s

ROOT = Path(__file__).resolve().parent.parent.parent
RUN = "import sys; from device.agent import run; from device.paths import Places; " \
      "sys.exit(run(Places.from_environment()))"


class BoxProcess:
    """start/kill/stop the agent; `player` is the bus as the player sees it."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.player = Bus(places.run, "player")
        self.process: subprocess.Popen[bytes] | None = None
        self.log = places.root / "agent.log"
        places.etc.mkdir(parents=True, exist_ok=True)
        (places.etc / "agent.json").write_text(json.dumps(
            {"telemetry_s": 1.0, "retry_min_s": 0.2, "retry_max_s": 1.0}
        ))

    def start(self) -> None:
        environment = {**os.environ, "VITRINE_ROOT": str(self.places.root),
                       "PYTHONPATH": str(ROOT)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", RUN], env=environment, stdout=log, stderr=log, cwd=ROOT
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=15)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.player.close()

    def heard(self, kind: type[Message], seconds: float = 15.0) -> Message:
        """The next message of a kind on the player's side."""
        deadline = Deadline(seconds)
        while not deadline.passed:
            message = self.player.receive(deadline.left_s)
            if isinstance(message, kind):
                return message
        raise AssertionError(f"no {kind.__name__} in {seconds} s\n{self.log.read_text()[-2000:]}")

    def heard_ready(self, seconds: float = 20.0) -> ContentReady:
        message = self.heard(ContentReady, seconds)
        assert isinstance(message, ContentReady)
        return message

    def told_to_play(self, version: int, seconds: float = 15.0) -> ContentReady:
        deadline = Deadline(seconds)
        while True:
            message = self.heard(ContentReady, deadline.left_s)
            assert isinstance(message, ContentReady)
            if message.version == version:
                return message

    def plays(self, programme: str, version: int) -> None:
        self.player.publish(PlayerState(
            at_ns=monotonic_ns(), ready=True, programme_id=programme, programme_version=version,
            avatar="lin/3", ai_label=True, ai_label_px=60,
        ))

    def happened(self, event_id: str, kind: str = "played", **detail: object) -> None:
        """Say it until the agent's socket takes it: a burst can fill a datagram queue."""
        message = Happened(id=event_id, at="2026-11-21T12:00:00Z", kind=kind, detail=detail)
        deadline = Deadline(10)
        while True:
            before = self.player.dropped
            self.player.publish(message)
            if self.player.dropped == before or deadline.passed:
                return
            sleep_s(0.002)
