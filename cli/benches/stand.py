"""What a benchmark of sound stands on: a server of its own, processes that end, recorded sinks."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from cli.sound import RATE_HZ, VirtualSound
from ota.clock import Deadline, monotonic_s, sleep_s
from ota.errors import Broken

BLOCK_BYTES, BLOCKS_MAX = 1 << 16, 1 << 15
RECORDER_MS = 20
ENDED_S, STARTED_S = 8, 15.0
# In front of a command: what a benchmark started must not outlive one that was killed.
DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM")
Floats = NDArray[np.float32]


def start_sound(sound: VirtualSound, stack: ExitStack) -> None:
    """The sound server, up; it ends with `stack`. Raises Broken when it does not start."""
    server = subprocess.Popen(
        (*DIES_WITH_US, *sound.command), env={**os.environ, **sound.environment},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(end, server)
    deadline = Deadline(STARTED_S)
    while not sound.socket.exists():
        if deadline.passed or server.poll() is not None:
            raise Broken("PulseAudio did not start; run ./vitrine demo once.")
        sleep_s(0.05)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to leave, then make it."""
    process.terminate()
    try:
        process.wait(ENDED_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Recording:
    """One source of the sound server, each block with the moment of its arrival."""

    def __init__(self, source: str, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            (*DIES_WITH_US, "parec", f"--device={source}", "--format=float32le",
             f"--rate={RATE_HZ}", "--channels=1", f"--latency-msec={RECORDER_MS}"),
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._blocks: list[tuple[float, bytes]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process)
        self._thread.join(10)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while block := os.read(self._process.stdout.fileno(), BLOCK_BYTES):
            if len(self._blocks) < BLOCKS_MAX:
                self._blocks.append((monotonic_s(), block))

    def recorded(self) -> tuple[float, Floats]:
        """End it: the monotonic time of the first sample, and all samples at 48 kHz."""
        self.__exit__()
        samples = np.frombuffer(b"".join(block for _, block in self._blocks), "<f4")
        ends = np.cumsum([len(block) // 4 for _, block in self._blocks]) / RATE_HZ
        if not len(samples):
            raise Broken("The sound server recorded nothing.")
        # The least delayed block tells the truth: a busy machine only ever hands over late.
        return float(np.min(np.array([at for at, _ in self._blocks]) - ends)), samples


def free_port() -> int:
    """A TCP port of this machine that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
