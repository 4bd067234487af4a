"""A small chain for tests: real authority, real mosquitto with mTLS, TUF over HTTPS, a console.

Everything lives under one folder; a box is enrolled by the true authority and the true checks.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import queue
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from device.messages import Desired, Order, ProgrammeWanted
from device.paths import Places
from fleet import mqtt as console_mqtt
from fleet.authority import Authority
from fleet.broker import write_config
from fleet.desired import seal
from fleet.places import FleetPlaces
from fleet.repository import open_or_create
from ota.clock import Deadline, monotonic_s, sleep_s, utc_now
from provisioning import identity_store, x509
from provisioning.enrol import EnrolAnswer, checked_files
from provisioning.tickets import read_ticket

CHAIN = "tea"


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Console:
    """What the console hears, and its hand on the broker."""

    line: console_mqtt.Line
    heard: queue.Queue[console_mqtt.Arrived] = field(default_factory=queue.Queue)
    seen: list[tuple[str, bytes]] = field(default_factory=list)

    def wait(self, leaf: str, test: Any, seconds: float = 15.0) -> Any:
        """The first JSON on a topic ending in `leaf` for which `test` is true (old ones count)."""
        deadline = Deadline(seconds)
        index = 0
        while True:
            while index < len(self.seen):
                topic, payload = self.seen[index]
                index += 1
                if topic.endswith(f"/{leaf}") and payload:
                    body = json.loads(payload)
                    if test(body):
                        return body
            if deadline.passed:
                found = [json.loads(p) for t, p in self.seen if t.endswith(f"/{leaf}") and p]
                raise AssertionError(f"no such {leaf} in {seconds} s; the last: {found[-2:]}")
            self.pump(0.2)

    def pump(self, seconds: float) -> None:
        """Take what has come in."""
        try:
            arrived = self.heard.get(timeout=seconds)
        except queue.Empty:
            return
        self.seen.append((arrived.topic, arrived.payload))
        self.line.ack(arrived)

    def bodies(self, leaf: str) -> list[Any]:
        """All JSON heard so far on a leaf."""
        while not self.heard.empty():
            self.pump(0.0)
        return [json.loads(p) for t, p in self.seen if t.endswith(f"/{leaf}") and p]

    def forget(self) -> None:
        """Only what comes from now on counts."""
        self.bodies("")
        self.seen.clear()


class Chain:
    """Use as a context manager. `broker_up/down/kill` act on a real mosquitto."""

    def __init__(self, state: Path) -> None:
        self.places = FleetPlaces(state)
        self.authority = Authority.open_or_create(state, CHAIN)
        self.broker_port, self.https_port = free_port(), 0
        self.repository = open_or_create(self.places)
        self.broker: subprocess.Popen[bytes] | None = None
        self.requests: list[str] = []
        self._origin = self._serve()
        settings = msgspec.structs.replace(
            self.authority.settings, host="127.0.0.1", broker_port=self.broker_port,
            https_port=self.https_port,
        )
        self.places.write_settings(settings)
        self.console: Console | None = None

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *_: object) -> None:
        if self.console is not None:
            self.console.line.stop()
        self.broker_kill()
        self.cut_the_line()

    def cut_the_line(self) -> None:
        """The content server answers nobody any more."""
        self._origin.shutdown()
        self._origin.server_close()

    def broker_up(self) -> None:
        """Start mosquitto and wait until it listens."""
        self.broker = subprocess.Popen(write_config(self.places.state, self.broker_port))
        deadline = Deadline(10)
        while not _listens(self.broker_port):
            assert not deadline.passed and self.broker.poll() is None, "mosquitto did not start"
            sleep_s(0.02)

    def broker_kill(self) -> None:
        """kill -9: nothing is saved, nobody is told."""
        if self.broker is not None:
            self.broker.kill()
            self.broker.wait()
            self.broker = None

    def console_up(self) -> Console:
        """The console's own line with its own certificate."""
        folder = self.places.console
        address = console_mqtt.Address(
            "127.0.0.1", self.broker_port, self.authority.ca_path, folder / "cert.pem",
            folder / "key.pem",
        )
        heard: queue.Queue[console_mqtt.Arrived] = queue.Queue()

        def emit(arrived: console_mqtt.Arrived) -> bool:
            heard.put(arrived)
            return True

        topics = [
            f"vitrine/1/{CHAIN}/+/{leaf}"
            for leaf in ("reported", "status", "event", "result", "telemetry")
        ]
        line = console_mqtt.Line(address, "console", topics, emit, lambda: None)
        line.start()
        assert line.wait_up(10), line.trouble
        self.console = Console(line, heard)
        return self.console

    def enrol(self, root: Path, box: str) -> Places:
        """Give a box its identity; the transport alone is left out here."""
        places = Places(root)
        _, text = self.authority.ticket(box)
        key = x509.new_key()
        answer = msgspec.convert(
            self.authority.enrol(text, x509.request_for(key, box).decode()), EnrolAnswer
        )
        ticket = read_ticket(text, utc_now())
        files, _ = checked_files(answer, ticket, key, self.authority.ca_pem, utc_now())
        folder = identity_store.new_folder(places)
        identity_store.write_files(folder, {"key.pem": key, **files})
        identity_store.switch_to(places, folder, box)
        return places

    def publish(self, version: int, extra: bytes = b"leaves", broken: bool = False
                ) -> ProgrammeWanted:
        """Sign a small programme as the console does."""
        programme = {
            "schema": 1, "id": "spring-tea", "version": version, "languages": ["zh-CN"],
            "segments": [{"id": "welcome", "say": {"zh-CN": f"欢迎光临第{version}次"}}],
            "fallback": {"say": {"zh-CN": "请问一下店员好吗?"}},
        }
        if broken:
            programme["segments"][0]["show"] = "no-such-product"  # type: ignore[index]
        files = {
            "programme.json": json.dumps(programme, ensure_ascii=False).encode(),
            "assets/extra.bin": extra,
        }
        index = {"schema": 1, "files": {}, "speech": {}}
        for name, data in files.items():
            digest = self.repository.put_content(data)
            index["files"][name] = {"sha256": digest, "bytes": len(data)}  # type: ignore[index]
        target = f"programmes/spring-tea/{version}.json"
        self.repository.add("programmes", target, json.dumps(index).encode())
        self.repository.publish()
        return ProgrammeWanted(target=target, version=version)

    def content_path(self, data: bytes) -> Path:
        """Where the server keeps these bytes."""
        return self.repository.content_path(hashlib.sha256(data).hexdigest())

    def envelope(self, box: str, seq: int, **wanted: Any) -> bytes:
        """A desired state signed by the console's key."""
        desired = Desired(seq=seq, chain=CHAIN, box=box, **wanted)
        return seal(desired, self.authority.desired_key)[1]

    def desire(self, box: str, seq: int, **wanted: Any) -> None:
        """Sign and publish, retained."""
        self.send(f"{box}/desired", self.envelope(box, seq, **wanted), retain=True)

    def order(self, box: str, order: Order, **options: Any) -> None:
        """Send one command."""
        self.send(f"{box}/command", msgspec.json.encode(order), **options)

    def send(self, leaf: str, payload: bytes, **options: Any) -> None:
        """Publish below the chain's root."""
        assert self.console is not None
        message = console_mqtt.Outgoing(f"vitrine/1/{CHAIN}/{leaf}", payload, **options)
        assert self.console.line.publish(message)

    def _serve(self) -> http.server.ThreadingHTTPServer:
        chain = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                chain.requests.append(self.path)

        root = self.places.state
        handler = functools.partial(Handler, directory=str(root))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = self.places.https
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.daemon_threads = True
        self.https_port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server


def wait_until(test: Any, seconds: float = 15.0, what: str = "it") -> None:
    """Poll gently for something that another process does."""
    deadline = Deadline(seconds)
    while not test():
        assert not deadline.passed, f"{what} did not happen within {seconds} s"
        sleep_s(0.05)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False


def seconds_since(start_s: float) -> float:
    """How long ago a monotonic moment was."""
    return monotonic_s() - start_s
