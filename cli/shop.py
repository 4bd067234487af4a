"""A chain's server and one of its shops on this machine: the processes of the demo, in order.

Everything goes through the doors that a real chain uses: the broker with mTLS, the enrolment
with a ticket, signed programmes. Only the sound card may be a virtual one.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from cli.sound import MICROPHONE_SINK, VirtualSound, has_sound_card, virtual_sound
from device.host import Host
from device.paths import Places, child_environment, repository_root
from device.processes import EXIT_WINDOW_CLOSED, Process
from device.supervisor import Ended, Supervisor
from ota.box.daemon import requirements_mark
from ota.clock import Deadline, sleep_s
from ota.errors import Broken, Refused, Retry
from ota.files import write_durable

LOOPBACK = "127.0.0.1"
CHAIN = "demo"
BOX_ID = "demo-001"
# People look at a demo: tell the console more often, and try the broker sooner, than a shop does.
AGENT = b'{"telemetry_s": 5, "retry_max_s": 5}\n'
PORTS_TRIED = 50
START_S = 60.0
ENDS_HOPELESS = 3
COMMAND_S = 60.0
SOUND = Process("sound", (), stop_s=2)
BROKER = Process("broker", (), stop_s=3)
FLEET = Process("fleet", (), stop_s=5, memory_mb_max=640, nice=10)
# A shop holds a trial for ten minutes; nobody watches a demo that long.
UPDATER = Process("ota", ("ota", "daemon", "--hold-s", "10"), stop_s=5, memory_mb_max=96, nice=10)


@dataclass(frozen=True)
class Ports:
    """Where this machine's servers listen, all on loopback."""

    broker: int
    https: int
    console: int
    preview: int


def choose_ports() -> Ports:
    """The usual ports, each moved up to a free one where it is taken."""
    return Ports(*(_free_port(wanted) for wanted in (8883, 8443, 8080, 8090)))


def _free_port(wanted: int) -> int:
    for port in range(wanted, wanted + PORTS_TRIED):
        with socket.socket() as probe:
            # As the servers do: a port in TIME_WAIT of the last run is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise Refused(f"No free port was found from {wanted} on; close some servers and try again.")


class Shop:
    """Open the shop with `open`, keep it going with `poll`; leaving closes and stops all."""

    def __init__(
        self, root: Path, say: Callable[[str], None], headless: bool, fresh: bool = False
    ) -> None:
        """Take the folder's lock; `fresh` forgets what earlier runs left there.

        Raises Refused when a demo runs there, or when `fresh` would delete what no demo made.
        """
        self.root, self._say, self._headless = root, say, headless
        self.ports = choose_ports()
        self.places = Places(root / "box")
        self._lock: IO[str] = self._take_lock()
        if fresh:
            self._forget()
        # The server's and the box's processes: two machines, were this not a demo.
        self.server = Supervisor(root / "log", self._tell_end)
        self.box = Supervisor(self.places.var / "log", self._tell_end)
        self._sound: VirtualSound | None = None
        self._host: Host | None = None
        self.window_closed = False
        self._ends: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Shop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._host is not None:
            self._host.close()
        self.box.stop_all()
        self.server.stop_all()
        self._lock.close()

    @property
    def host(self) -> Host:
        """The kiosk's processes; raises Broken before `open`."""
        if self._host is None:
            raise Broken("The shop is not open yet.")
        return self._host

    @property
    def state(self) -> Path:
        """The chain server's state directory."""
        return self.root / "fleet"

    def open(self, report: Path, speak: bool) -> None:
        """Start everything in order and wait for the first avatar frame and the ear."""
        self._start_sound(always=speak)
        self._start_server()
        self._enrol()
        self._start_box(report)
        self._wait("the first frame of the avatar", lambda: self._presents())
        self._wait("the recogniser", lambda: bool(self.host.ear and self.host.ear.ready))
        self._wait("the first sentence", lambda: bool(self.host.player and self.host.player.saying))

    def poll(self, wait_s: float = 0.1) -> None:
        """One turn of the server and of the box."""
        self.server.poll()
        self.host.poll(wait_s)

    def pids(self) -> dict[str, int]:
        """Process ids of everything that runs here, by name."""
        return {**self.server.pids(), **self.box.pids()}

    def say_into_microphone(self, recording: Path) -> subprocess.Popen[bytes]:
        """Play a 48 kHz WAV into the virtual microphone; returns the running player."""
        if self._sound is None:
            raise Broken("There is no virtual microphone to speak into.")
        return subprocess.Popen(
            ["paplay", f"--device={MICROPHONE_SINK}", str(recording)],
            env={**os.environ, **self._sound.environment},
            stdin=subprocess.DEVNULL,
        )

    def environment(self) -> dict[str, str]:
        """What every child gets."""
        return {**child_environment(self.places), "PYTHONPATH": str(repository_root())}

    def _take_lock(self) -> IO[str]:
        self.root.mkdir(parents=True, exist_ok=True)
        lock = (self.root / "lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise Refused(
                f"A demo is already running in {self.root}; stop it, or choose another --root."
            ) from None
        return lock

    def _forget(self) -> None:
        marks = {self.state: self.state / "fleet.json", self.places.root: self.places.etc}
        for folder, mark in marks.items():
            if folder.exists() and not mark.exists():
                self._lock.close()
                raise Refused(f"{folder} is not a demo's folder; it is left alone.")
        for folder in marks:
            shutil.rmtree(folder, ignore_errors=True)

    def _start_sound(self, always: bool) -> None:
        if has_sound_card() and not always and not self._headless:
            return
        self._sound = virtual_sound(self.root / "sound")
        self._sound.socket.unlink(missing_ok=True)
        environment = {**self.environment(), **self._sound.environment}
        self.server.start(SOUND, self._sound.command, self.root, environment)
        self._wait("the sound server", self._sound.socket.exists)

    def _start_server(self) -> None:
        from fleet.broker import write_config
        from fleet.serve import prepare

        self._say("the chain's server: broker, content origin, console")
        ports = self.ports
        prepare(self.state, CHAIN, LOOPBACK, ports.broker, ports.https, ports.console)
        broker = write_config(self.state, self.ports.broker)
        self.server.start(BROKER, broker, self.root, self.environment())
        self._wait("the broker", lambda: _answers(self.ports.broker))
        serve = (
            sys.executable, "-m", "cli", "fleet", "serve", "--state", str(self.state),
            "--no-broker", "--broker-port", str(self.ports.broker),
            "--https-port", str(self.ports.https), "--http-port", str(self.ports.console),
            "--preview-url", f"http://{LOOPBACK}:{self.ports.preview}/",
        )
        self.server.start(FLEET, serve, repository_root(), self.environment())
        self._wait(
            "the console",
            lambda: _answers(self.ports.console) and _answers(self.ports.https),
        )

    def _enrol(self) -> None:
        """By the technician's own commands; skipped where the last run's identity still fits."""
        if self._identity_fits():
            return
        self._say(f"enrolling the kiosk {BOX_ID}")
        url = f"http://{LOOPBACK}:{self.ports.console}"
        claim = self._command("provision", "claim", "--fleet", url, "--box", BOX_ID, "--json")
        self._command("provision", "enrol", claim["ticket"], "--force", "--json")

    def _identity_fits(self) -> bool:
        try:
            box = json.loads((self.places.identity / "box.json").read_bytes())
            authority = (self.state / "authority" / "ca.pem").read_bytes()
            return (
                box["broker"]["port"] == self.ports.broker
                and str(self.ports.https) in box["content_url"]
                and (self.places.identity / "ca.pem").read_bytes() == authority
            )
        except (OSError, ValueError, KeyError):
            return False

    def _start_box(self, report: Path) -> None:
        self._say("the kiosk: player, ear, agent")
        screen = ("--headless",) if self._headless else ()
        extra: dict[str, tuple[str, ...]] = {
            "player": ("--report", str(report), *screen),
            "safe": screen,
            "preview": ("--port", str(self.ports.preview)),
        }
        own: Mapping[str, Mapping[str, str]] = {}
        if self._sound is not None:
            # A real loudspeaker stays the player's own where there is one.
            silent = self._headless or not has_sound_card()
            own = {"ear": self._sound.environment}
            # The virtual microphone cannot hear the loudspeaker.
            extra["ear"] = ("--echo", "off")
            own = {**own, "player": self._sound.environment} if silent else own
        # The updater compares it with what a release needs (`ota.box.daemon.environment_hash`).
        packages = repository_root() / "requirements" / "run.txt"
        write_durable(self.places.opt / "requirements.sha256", requirements_mark(packages))
        write_durable(self.places.etc / "agent.json", AGENT)
        self._host = Host(self.places, self.box, self.environment(), extra, own)
        self._host.start()
        updater = (sys.executable, "-m", "cli", *UPDATER.arguments)
        self.box.start(UPDATER, updater, repository_root(), self.environment())

    def _presents(self) -> bool:
        player = self.host.player
        return bool(player and player.ready and player.frames_shown > 0)

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = Deadline(START_S)
        while not ready():
            if deadline.passed:
                raise Retry(
                    f"{what} did not come up within {START_S:.0f} s; "
                    f"the logs in {self.root / 'log'} and {self.places.var / 'log'} say why."
                )
            self.server.poll()
            self._refuse_hopeless()
            if self._host is not None:
                self._host.poll(0.05)
            else:
                sleep_s(0.05)

    def _command(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=repository_root(), env=self.environment(), capture_output=True, text=True,
            timeout=COMMAND_S,
        )
        if done.returncode != 0:
            raise Refused(f"`vitrine {' '.join(arguments[:2])}` failed: {done.stderr.strip()}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def _tell_end(self, ended: Ended) -> None:
        if ended.name == "player" and ended.code == EXIT_WINDOW_CLOSED:
            # A visitor of the demo closed its window: they have seen enough.
            self.window_closed = True
            return
        how = f"signal {-ended.code}" if ended.code < 0 else f"exit code {ended.code}"
        words = ended.last_words.splitlines()[-1:] or [how]
        reason, times = self._ends.get(ended.name, ("", 0))
        times = times + 1 if reason == words[0] else 1
        self._ends[ended.name] = (words[0], times)
        if times == 1:
            self._say(f"{ended.name} ended ({how}), starting it again: {words[0][:300]}")

    def _refuse_hopeless(self) -> None:
        """While opening, one that keeps ending for the same reason will not come up."""
        for name, (reason, times) in self._ends.items():
            if times >= ENDS_HOPELESS:
                raise Refused(f"The {name} cannot run: {reason.removeprefix('vitrine: ')}")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


