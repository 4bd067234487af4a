"""A chain in one folder to measure a takeover: server, broker, agent, player, sound card."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from cli.benches.stand import DIES_WITH_US, end, free_port, start_sound
from cli.sound import VirtualSound, virtual_sound
from device.paths import Places, child_environment, repository_root
from fleet import serve
from fleet.console.console import Console
from ota.clock import Deadline, sleep_s, utc_now
from ota.errors import Retry
from provisioning import identity_store, x509
from provisioning.enrol import EnrolAnswer, checked_files
from provisioning.tickets import read_ticket

BOX = "bench-001"
START_S = 40.0


class SilentStudio:
    """Publishes nothing: the player here is given its programme."""

    def warm(self) -> None:
        """Nothing to load."""

    def check(self, folder: Path, now: object) -> list[Any]:
        """No programme has faults here."""
        return []

    def build(self, folder: Path, progress: object, stores: object) -> dict[str, Any]:
        """There is nothing to build."""
        return {}


class LiveShop:
    """with LiveShop(folder, programme, avatar) as shop: a box on the air and its console."""

    studio: Any = SilentStudio()

    def __init__(
        self, folder: Path, programme: Path | None, avatar: Path, *player: str
    ) -> None:
        """Without a programme the player waits for what the console publishes."""
        self.folder, self._programme, self._avatar = folder, programme, avatar
        self._more = player
        self.places = Places(folder / "box")
        self.sound: VirtualSound = virtual_sound(folder / "sound")
        self.console: Console | None = None
        self.http_port = 0
        self._stop: Callable[[], None] = lambda: None
        self._stack = ExitStack()
        self.player: subprocess.Popen[bytes] | None = None
        self.agent: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LiveShop:
        with self._stack:
            start_sound(self.sound, self._stack)
            self._serve()
            self._enrol()
            self.agent = self._process("agent", "device", "agent")
            given = ("--programme", str(self._programme)) if self._programme else ()
            self.player = self._process(
                "player", "device", "player", "--headless", *given, "--avatar",
                str(self._avatar), "--report", str(self.report), *self._more)
            assert self.console is not None
            box = self.console.boxes
            self.wait("the box", lambda: (b := box.get(BOX)) and b.player.get("saying"))
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def report(self) -> Path:
        """Where the player writes its figures at its end."""
        return self.folder / "report.json"

    @property
    def page(self) -> str:
        """The address of the box's page in the console."""
        return f"http://127.0.0.1:{self.http_port}/screens/{BOX}"

    def environment(self) -> dict[str, str]:
        """What the box's processes and the operator's browser are started with."""
        return {**child_environment(self.places), **self.sound.environment,
                "PYTHONPATH": str(repository_root())}

    def wait(self, what: str, ready: Callable[[], object], seconds: float = START_S) -> None:
        """Look gently until it is so. Raises Retry when it takes too long."""
        deadline = Deadline(seconds)
        while not ready():
            if deadline.passed:
                raise Retry(f"{what} did not come within {seconds:.0f} s; see {self.folder}.")
            sleep_s(0.05)

    def leave_player(self) -> dict[str, Any]:
        """End the player and read its report (contract B5)."""
        assert self.player is not None
        self.player.terminate()
        self.player.wait(15)
        return dict(msgspec.json.decode(self.report.read_bytes()))

    def _serve(self) -> None:
        up = threading.Event()
        # Bound and given back: free for the server, which binds them at once.
        ports = [free_port() for _ in range(3)]
        self.http_port = ports[0]

        def started(console: Console, stop: Callable[[], None]) -> None:
            self.console, self._stop = console, stop
            up.set()

        thread = threading.Thread(target=serve.run, daemon=True, kwargs={
            "state": self.folder / "fleet", "http_port": ports[0], "https_port": ports[1],
            "broker_port": ports[2], "with_broker": True, "first": self.folder / "none",
            "studio": self.studio, "started": started})
        thread.start()
        self.wait("the server", up.is_set)
        self._stack.callback(thread.join, 10)
        self._stack.callback(lambda: self._stop())
        console = self.console
        assert console is not None
        self.wait("the broker", lambda: console.line.is_up)

    def _enrol(self) -> None:
        console = self.console
        assert console is not None
        _, text = console.authority.ticket(BOX)
        key = x509.new_key()
        answer = msgspec.convert(
            console.authority.enrol(text, x509.request_for(key, BOX).decode()), EnrolAnswer)
        files, _ = checked_files(
            answer, read_ticket(text, utc_now()), key, console.authority.ca_pem, utc_now())
        folder = identity_store.new_folder(self.places)
        identity_store.write_files(folder, {"key.pem": key, **files})
        identity_store.switch_to(self.places, folder, BOX)
        console.enrolled(BOX)

    def _process(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                (*DIES_WITH_US, sys.executable, "-m", "cli", *words), env=self.environment(),
                stdout=log, stderr=log, cwd=repository_root())
        self._stack.callback(end, process)
        return process
