"""The real fleet server as a process, without a broker: uvicorn, TLS, authority, TUF."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.sim.chain import free_port, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Server:
    """Where it is."""

    state: Path
    http: str
    https: str
    process: subprocess.Popen[bytes]


@contextmanager
def fleet_server(state: Path) -> Iterator[Server]:
    """Start it on free ports and wait until both listeners answer."""
    import socket

    http, https, broker = free_port(), free_port(), free_port()
    empty = state.parent / "no-programme"
    empty.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "cli", "fleet", "serve", "--state", str(state), "--no-broker",
        "--host", "127.0.0.1", "--http-port", str(http), "--https-port", str(https),
        "--broker-port", str(broker), "--programme", str(empty),
    ]
    log = (state.parent / "server.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)

    def answers(port: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.5):
                return True
        except OSError:
            assert process.poll() is None, (state.parent / "server.log").read_text()
            return False

    try:
        wait_until(lambda: answers(http) and answers(https), 40, "the fleet server")
        yield Server(state, f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}", process)
    finally:
        process.terminate()
        process.wait(timeout=20)
        log.close()


def vitrine(*arguments: str, root: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """One command as a technician types it."""
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments], cwd=ROOT, input=stdin, text=True,
        capture_output=True, timeout=60, check=False,
        env={**os.environ, "VITRINE_ROOT": str(root)},
    )
