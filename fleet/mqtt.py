"""The console's line to the broker: paho-mqtt 2.2 driven by one thread of ours.

paho's own loop thread dies silently on an exception and reconnects without jitter, and a lock
held over `publish` can deadlock with its callbacks. So one thread owns the client: it connects,
selects, writes what others put into a bounded queue, and tells arrivals to `emit`. Messages are
acknowledged to the broker only after `emit`'s owner calls `ack`: nothing is lost when the
console dies between arrival and commit.
"""

from __future__ import annotations

import queue
import random
import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ota.clock import Deadline, monotonic_s, sleep_s

KEEPALIVE_S = 30
SESSION_EXPIRY_S = 86_400
RECEIVE_MAX = 200
PACKET_BYTES_MAX = 262_144
QUEUE_MAX = 20_000
CONNECT_TIMEOUT_S = 10.0
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 20.0
SELECT_S = 1.0
# An acknowledgement older than this means the line is dead, whatever paho believes.
ACK_AGE_MAX_S = 20.0
# The thread turns each second; one that has not for so long hangs.
SILENT_MAX_S = 30.0


@dataclass(frozen=True)
class Address:
    """Where the broker is and with which certificate to go there."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Arrived:
    """One message from the broker; give it back to `Line.ack` once it is stored."""

    topic: str
    payload: bytes
    retained: bool
    mid: int
    qos: int


@dataclass(frozen=True)
class Outgoing:
    """One QoS 1 message to publish."""

    topic: str
    payload: bytes
    retain: bool = False
    response_topic: str = ""
    correlation: bytes = b""
    expiry_s: int = 0
    sent: threading.Event = field(default_factory=threading.Event)


@dataclass
class _Link:
    client: Client
    connected: bool = False
    ended: str = ""
    waiting: dict[int, tuple[Outgoing, float]] = field(default_factory=dict)


def retry_delay_s(attempt: int, draw: float) -> float:
    """Full jitter: a random part (`draw`, 0..1) of a doubling, bounded time."""
    return draw * min(RETRY_MAX_S, RETRY_FIRST_S * 2.0 ** min(attempt, 10))


class Line:
    """A connection that heals itself. `emit` and `on_up` are called on its thread and must not
    block or raise; `emit` returns False when it had no room (the message comes again later)."""

    def __init__(
        self,
        address: Address,
        client_id: str,
        subscriptions: Sequence[str],
        emit: Callable[[Arrived], bool],
        on_up: Callable[[], None],
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._subscriptions = tuple(subscriptions)
        self._emit = emit
        self._on_up = on_up
        self._outgoing: queue.Queue[Outgoing] = queue.Queue(QUEUE_MAX)
        self._acks: queue.Queue[Arrived] = queue.Queue(QUEUE_MAX)
        self._stop = threading.Event()
        self._up = threading.Event()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="console-mqtt", daemon=True)
        self._beat_s = monotonic_s()
        self.unreadable = 0
        self.trouble = "not connected yet"
        self.connections = 0

    @property
    def is_up(self) -> bool:
        """True between the broker's welcome and the end of the connection, while the thread turns:
        one that hangs or is dead is no line, whatever it believed last."""
        return self._up.is_set() and monotonic_s() - self._beat_s < SILENT_MAX_S

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye and end the thread."""
        self._stop.set()
        self._wake()
        self._thread.join(timeout=3.0)
        self._wake_reader.close()
        self._wake_writer.close()

    def wait_up(self, seconds: float) -> bool:
        """Wait until connected; False when it took longer."""
        return self._up.wait(seconds)

    def publish(self, message: Outgoing) -> bool:
        """Queue a message; False when the queue is full or the line is down and it won't keep.

        Retained documents are published again at each connect by the caller's `on_up`, so none
        is queued while the line is down.
        """
        if not self.is_up:
            return False
        try:
            self._outgoing.put_nowait(message)
        except queue.Full:
            return False
        self._wake()
        return True

    def ack(self, arrived: Arrived) -> None:
        """The message is stored: the broker may forget it."""
        if not arrived.qos:
            return
        try:
            self._acks.put_nowait(arrived)
        except queue.Full:
            return  # it comes again after the next connect, and is known by its id then
        self._wake()

    def _run(self) -> None:
        attempt = 0
        while not self._stop.is_set():
            self._beat_s = monotonic_s()
            link = self._connect()
            if link is None:
                self._stop.wait(retry_delay_s(attempt, random.random()))
                attempt += 1
                continue
            started_s = monotonic_s()
            try:
                self._serve(link)
            except Exception as error:  # the thread's main loop: a bad packet must not end it
                link.ended = f"{type(error).__name__}: {error}"
            self._up.clear()
            self.trouble = link.ended or "disconnected"
            self._close(link)
            attempt = 0 if monotonic_s() - started_s > RETRY_MAX_S else attempt + 1
            if not self._stop.is_set():
                self._stop.wait(retry_delay_s(attempt, random.random()))

    def _connect(self) -> _Link | None:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
        )
        link = _Link(client)
        self._attach(link)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages = RECEIVE_MAX
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAX
        properties.MaximumPacketSize = PACKET_BYTES_MAX
        address = self._address
        try:
            context = ssl.create_default_context(cafile=str(address.ca))
            context.load_cert_chain(address.certificate, address.key)
            client.tls_set_context(context)
            client.connect(
                address.host,
                address.port,
                keepalive=KEEPALIVE_S,
                clean_start=False,
                properties=properties,
            )
        except (OSError, ssl.SSLError, ValueError) as error:
            self.trouble = f"broker {address.host}:{address.port}: {error}"
            self._close(link)
            return None
        return link

    def _serve(self, link: _Link) -> None:
        welcome = Deadline(CONNECT_TIMEOUT_S)
        while not link.ended and not self._stop.is_set():
            if not link.connected and welcome.passed:
                link.ended = "the broker did not answer our greeting"
                return
            self._step(link)
            self._check_acks(link)
        if self._stop.is_set() and link.connected:
            self._drain(link)
            link.client.disconnect()

    def _step(self, link: _Link) -> None:
        self._beat_s = monotonic_s()
        client = link.client
        sock = client.socket()
        if sock is None:
            link.ended = link.ended or "the connection is gone"
            return
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        wants = [sock] if client.want_write() else []
        readable, writable, _ = select.select(
            [sock, self._wake_reader], wants, [], 0 if pending else SELECT_S
        )
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        if pending or sock in readable:
            code = client.loop_read()
        if self._wake_reader in readable:
            _empty(self._wake_reader)
        if link.connected:
            self._send_queued(link)
        if writable or client.want_write():
            code = client.loop_write() or code
        code = client.loop_misc() or code
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS and not link.ended:
            link.ended = f"the connection broke ({code.name})"

    def _send_queued(self, link: _Link) -> None:
        while not self._acks.empty():
            arrived = self._acks.get_nowait()
            link.client.ack(arrived.mid, arrived.qos)
        for _ in range(RECEIVE_MAX):
            try:
                message = self._outgoing.get_nowait()
            except queue.Empty:
                return
            info = link.client.publish(
                message.topic,
                message.payload,
                qos=1,
                retain=message.retain,
                properties=_publish_properties(message),
            )
            link.waiting[info.mid] = (message, monotonic_s())
        self._wake()

    def _drain(self, link: _Link) -> None:
        deadline = Deadline(2.0)
        while (link.waiting or not self._outgoing.empty()) and not (link.ended or deadline.passed):
            self._step(link)
            sleep_s(0.005)

    def _check_acks(self, link: _Link) -> None:
        oldest_s = min((at for _, at in link.waiting.values()), default=None)
        if oldest_s is not None and monotonic_s() - oldest_s > ACK_AGE_MAX_S:
            link.ended = f"no acknowledgement for {ACK_AGE_MAX_S:.0f} s"

    def _attach(self, link: _Link) -> None:
        """Callbacks only note and hand on: none of them can raise or block."""

        def on_connect(
            client: Client, _u: Any, _f: ConnectFlags, reason: ReasonCode, _p: Properties | None
        ) -> None:
            if reason.is_failure:
                link.ended = f"the broker refused us: {reason}"
                return
            options = SubscribeOptions(qos=1)
            client.subscribe([(topic, options) for topic in self._subscriptions])
            # Acknowledgements and messages of the connection before mean nothing on this one.
            self._forget_queues()
            link.connected = True
            self.connections += 1
            self.trouble = ""
            self._up.set()
            self._on_up()

        def on_disconnect(
            _c: Client, _u: Any, _f: DisconnectFlags, reason: ReasonCode, _p: Properties | None
        ) -> None:
            link.ended = link.ended or f"disconnected: {reason}"

        def on_message(_c: Client, _u: Any, message: MQTTMessage) -> None:
            try:
                topic = message.topic
            except ValueError:  # no text: it is acknowledged, or it would come again for ever
                self.unreadable += 1
                self.ack(Arrived("", b"", False, message.mid, message.qos))
                return
            arrived = Arrived(
                topic, bytes(message.payload), message.retain, message.mid, message.qos
            )
            if not self._emit(arrived):
                link.ended = "more messages came than can be stored; coming back for them"

        def on_publish(_c: Client, _u: Any, mid: int, _r: ReasonCode, _p: Properties) -> None:
            message, _ = link.waiting.pop(mid, (None, 0.0))
            if message is not None:
                message.sent.set()

        link.client.on_connect = on_connect
        link.client.on_disconnect = on_disconnect
        link.client.on_message = on_message
        link.client.on_publish = on_publish
        link.client.on_socket_open = _no_delay

    def _forget_queues(self) -> None:
        for waiting in (self._outgoing, self._acks):
            while not waiting.empty():
                waiting.get_nowait()

    def _close(self, link: _Link) -> None:
        sock = link.client.socket()
        if sock is not None:
            sock.close()

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"w")
        except OSError:
            return  # full: it will wake anyway; closed: nobody sleeps any more


def _empty(reader: socket.socket) -> None:
    try:
        reader.recv(4096)
    except BlockingIOError:
        return


def _no_delay(_client: Client, _user: Any, sock: Any) -> None:
    """Without this a command's answer waits 40 ms for the peer's delayed ACK."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _publish_properties(message: Outgoing) -> Properties | None:
    if not (message.response_topic or message.correlation or message.expiry_s):
        return None
    properties = _properties(PacketTypes.PUBLISH)
    if message.response_topic:
        properties.ResponseTopic = message.response_topic
    if message.correlation:
        properties.CorrelationData = message.correlation
    if message.expiry_s:
        properties.MessageExpiryInterval = message.expiry_s
    return properties
