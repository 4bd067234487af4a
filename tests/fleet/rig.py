"""A whole fleet server for tests: real mosquitto, real TLS, real listeners; boxes are simulated."""

from __future__ import annotations

import base64
import json
import queue
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import paho.mqtt.client as paho
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from device.messages import Desired
from device.programme.build import build
from device.programme.check import check
from fleet import serve
from fleet.console.console import Console
from fleet.studio import Fault, field_path
from ota.clock import Deadline, sleep_s, utc_now
from ota.trust import dsse
from ota.trust.keys import PublicKey

RATE_HZ = 24_000


@dataclass(frozen=True)
class Tone:
    """A "spoken" sentence: its length follows the text."""

    samples: np.ndarray
    sample_rate_hz: int = RATE_HZ
    words: tuple[tuple[str, float, float], ...] = ()
    phonemes: tuple[tuple[str, float, float], ...] = ()


class ToneVoice:
    """Hums instead of speaking: everything around the synthesiser is real."""

    engine = "tone-1"
    voices = MappingProxyType({"zh-CN": ("hum",), "en-US": ("hum",)})

    def __init__(self) -> None:
        self.said: list[str] = []

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> Tone:
        self.said.append(text)
        seconds = 0.2 + 0.02 * len(text)
        t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
        return Tone((0.2 * np.sin(2 * np.pi * 220 * t)).astype(np.float32))


class ToneStudio:
    """The real checks and the real build with a humming voice."""

    def __init__(self) -> None:
        self.voice = ToneVoice()

    def warm(self) -> None:
        return None

    def check(self, folder: Path, now: datetime) -> list[Fault]:
        return [
            Fault(field_path(p.field), p.line, p.sentence_zh, p.sentence_en, p.severity)
            for p in check(folder, now, warnings=True)
        ]

    def build(
        self, folder: Path, progress: Callable[[int, int], None], stores: Any
    ) -> dict[str, Any]:
        built: dict[str, Any] = msgspec.to_builtins(build(folder, self.voice, progress, stores))
        return built


def small_programme(folder: Path) -> Path:
    """A programme that is quick to build: one product, two lines, one answer."""
    folder.mkdir(parents=True)
    document = {
        "schema": 1,
        "id": "tea-shop",
        "version": 3,
        "languages": ["zh-CN", "en-US"],
        "avatar": {"id": "lin", "version": ">=1"},
        "variables": {"store_name": "清和茶铺"},
        "products": [
            {
                "id": "longjing",
                "name": {"zh-CN": "明前龙井", "en-US": "Longjing tea"},
                "price": "¥128",
                "qr": "https://example.com/p/longjing",
            }
        ],
        "segments": [
            {
                "id": "welcome",
                "say": {"zh-CN": "欢迎光临{store_name}。", "en-US": "Welcome to our shop."},
            },
            {
                "id": "longjing",
                "say": {
                    "zh-CN": "龙井一罐{longjing.price}。",
                    "en-US": "A tin is {longjing.price}.",
                },
                "show": "longjing",
            },
        ],
        "answers": [
            {
                "id": "price",
                "ask": {"zh-CN": ["龙井多少钱"], "en-US": ["how much is it"]},
                "say": {"zh-CN": "{longjing.price}一罐。", "en-US": "It is {longjing.price}."},
                "show": "longjing",
            }
        ],
        "fallback": {"say": {"zh-CN": "请问一下店员好吗?", "en-US": "Please ask a colleague."}},
        "schedule": [
            {"days": "mon-sun", "from": "09:00", "until": "21:30", "play": ["welcome", "longjing"]}
        ],
    }
    (folder / "programme.json").write_text(json.dumps(document, ensure_ascii=False, indent=2))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(test: Callable[[], Any], seconds: float = 15.0, what: str = "it") -> Any:
    """Look gently for something that another thread or process does."""
    deadline = Deadline(seconds)
    while True:
        found = test()
        if found:
            return found
        assert not deadline.passed, f"{what} did not happen within {seconds} s"
        sleep_s(0.02)


class Fleet:
    """One server under `state`; `up` and `down` may alternate on the same state."""

    def __init__(self, state: Path, first: Path, studio: Any = None) -> None:
        self.state, self.first = state, first
        self.studio = studio or ToneStudio()
        self.broker_port, self.https_port, self.http_port = free_port(), free_port(), free_port()
        self.console: Console | None = None
        self._stop: Callable[[], None] = lambda: None
        self._thread: threading.Thread | None = None
        self._fault: list[BaseException] = []

    def up(self, with_broker: bool = True) -> Console:
        ready = threading.Event()

        def started(console: Console, stop: Callable[[], None]) -> None:
            self.console, self._stop = console, stop
            ready.set()

        def work() -> None:
            try:
                serve.run(
                    self.state,
                    http_port=self.http_port,
                    https_port=self.https_port,
                    broker_port=self.broker_port,
                    with_broker=with_broker,
                    first=self.first,
                    studio=self.studio,
                    started=started,
                )
            except BaseException as error:
                self._fault.append(error)
                ready.set()

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        assert ready.wait(30), "the server did not start"
        if self._fault:
            raise self._fault[0]
        console = self.console
        assert console is not None
        wait_until(lambda: console.line.is_up and console.publisher.preparing.ready, 60, "ready")
        return console

    def down(self) -> None:
        self._stop()
        if self._thread is not None:
            self._thread.join(30)
            assert not self._thread.is_alive(), "the server did not stop"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def https(self) -> str:
        return f"https://127.0.0.1:{self.https_port}"

    @property
    def ca(self) -> Path:
        return self.state / "authority" / "ca.pem"

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def ask(
        self, path: str, body: Any = None, method: str = "", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """(status, JSON) over loopback http, or over https when `path` begins with https."""
        url = path if path.startswith("http") else self.http + path
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method or ("POST" if data else "GET"))
        request.add_header("content-type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        tls = self.tls() if url.startswith("https") else None
        try:
            with urllib.request.urlopen(request, timeout=30, context=tls) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def ticket(self, box: str) -> str:
        status, claim = self.ask("/api/v1/claims", {"box": box})
        assert status == 201, claim
        return str(claim["ticket"])


def request_for(key: ec.EllipticCurvePrivateKey, name: str) -> str:
    """A certificate request in PEM."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) if name else x509.Name([])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


class SimBox:
    """A box as the console sees one: enrols over TLS, follows, reports, answers commands."""

    def __init__(self, fleet: Fleet, folder: Path, box: str) -> None:
        self.fleet, self.folder, self.box = fleet, folder, box
        self.root = f"vitrine/1/tea/{box}"
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.desired: queue.Queue[Desired] = queue.Queue()
        self.commands: queue.Queue[dict[str, Any]] = queue.Queue()
        self.identity: dict[str, Any] = {}
        self.session = f"s-{box}"
        self.client: paho.Client | None = None

    def enrol(self, ticket: str) -> tuple[int, Any]:
        status, answer = self.fleet.ask(
            f"{self.fleet.https}/enrol",
            {"ticket": ticket, "csr_pem": request_for(self.key, self.box)},
        )
        if status == 200:
            self.identity = answer
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / "cert.pem").write_text(answer["certificate_pem"])
            (self.folder / "ca.pem").write_text(answer["ca_pem"])
            (self.folder / "key.pem").write_bytes(
                self.key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            assert base64.b64decode(answer["tuf_root"]).startswith(b"{")
        return status, answer

    def connect(self, client_id: str = "", will: bool = True) -> paho.Client:
        client = mqtt_client(
            client_id or self.box, self.folder / "cert.pem", self.folder / "key.pem", self.fleet.ca
        )
        if will:
            client.will_set(f"{self.root}/status", self._status(False), 1, True)
        up = threading.Event()

        def on_connect(*args: Any) -> None:
            client.subscribe([(f"{self.root}/desired", 1), (f"{self.root}/command", 1)])
            client.publish(f"{self.root}/status", self._status(True), 1, True)
            up.set()

        def on_message(_c: Any, _u: Any, message: paho.MQTTMessage) -> None:
            if message.topic.endswith("/desired"):
                keys = [PublicKey.from_pem(pem) for pem in self.identity["box"]["desired_keys"]]
                payload = dsse.verify(message.payload, dsse.DESIRED, keys)
                self.desired.put(msgspec.json.decode(payload, type=Desired))
            else:
                self.commands.put(json.loads(message.payload))

        client.on_connect, client.on_message = on_connect, on_message
        client.connect("127.0.0.1", self.fleet.broker_port, keepalive=20)
        client.loop_start()
        assert up.wait(10), "the box could not connect"
        self.client = client
        return client

    def follow(self, seconds: float = 10.0) -> Desired:
        """Take the next desired document and report it as done."""
        desired = self.desired.get(timeout=seconds)
        self.report(desired)
        return desired

    def report(self, desired: Desired, **player: Any) -> None:
        body = {
            "desired_seq": desired.seq,
            "programme": msgspec.to_builtins(desired.programme),
            "player": {"ready": True, "ai_label": True, "saying": "欢迎光临", **player},
            "ear": {"ready": True, "recogniser": "whisper-base"},
        }
        self.publish("reported", body, retain=True)

    def publish(self, leaf: str, body: Any, retain: bool = False) -> None:
        assert self.client is not None
        info = self.client.publish(f"{self.root}/{leaf}", json.dumps(body), 1, retain)
        info.wait_for_publish(10)

    def answer(self, ok: bool = True, **result: Any) -> dict[str, Any]:
        """Answer the next command."""
        order = self.commands.get(timeout=10)
        self.publish("result", {"id": order["id"], "ok": ok, "result": result})
        return order

    def die(self) -> None:
        """Lose the line without a goodbye: the broker speaks the will."""
        assert self.client is not None
        sock = self.client.socket()
        self.client.loop_stop()
        if sock is not None:
            sock.close()

    def leave(self) -> None:
        if self.client is not None:
            self.client.disconnect()
            self.client.loop_stop()

    def _status(self, online: bool) -> bytes:
        since = utc_now().isoformat()
        return msgspec.json.encode({"online": online, "session": self.session, "since": since})


def mqtt_client(client_id: str, cert: Path | None, key: Path | None, ca: Path) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5
    )
    context = ssl.create_default_context(cafile=str(ca))
    if cert is not None and key is not None:
        context.load_cert_chain(cert, key)
    client.tls_set_context(context)
    return client


def expiring(seconds: int) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = seconds
    return properties
