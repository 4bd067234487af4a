"""The one MQTT connection of the box, and the only importer of paho.

MQTT 5 over mutual TLS. One thread owns the socket and the paho client; every other thread
only puts into bounded queues. A new paho client is made for each connection, so that nothing
but the outbox decides what is sent again.
"""

from __future__ import annotations

import queue
import random
import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ota.clock import Deadline, monotonic_s

SESSION_EXPIRY_S = 86_400
RECEIVE_MAX = 20
PACKET_BYTES_MAX = 131_072
OUTGOING_MAX = 64
WILL_DELAY_S = 30
CONNECT_TIMEOUT_S = 5.0
CONNACK_TIMEOUT_S = 10.0
PUBACK_AGE_MAX_S = 20.0
TURN_S = 1.0
STEADY_AFTER_S = 30.0
NO_MATCHING_SUBSCRIBERS = 0x10


@dataclass(frozen=True)
class Up:
    """The broker has accepted us and the subscriptions are on their way."""

    session_present: bool


@dataclass(frozen=True)
class Down:
    """The connection is gone, or could not be made. `reason` is for logs."""

    reason: str


@dataclass(frozen=True)
class Arrived:
    """One message from the broker. `left_s` is what the sender's expiry still allows."""

    topic: str
    payload: bytes
    response_topic: str | None = None
    correlation: bytes | None = None
    left_s: int | None = None


@dataclass(frozen=True)
class Acknowledged:
    """The broker has taken the QoS 1 message that was sent with this token."""

    token: int


@dataclass(frozen=True)
class Unwanted:
    """The broker threw the message with this token away: nobody subscribes there now.

    So it is after a broker lost its sessions and before the console is back (MQTT 5, 3.4.2.1).
    """

    token: int


LineEvent = Up | Down | Arrived | Acknowledged | Unwanted


@dataclass(frozen=True)
class Outgoing:
    """One message to send. `token` comes back in Acknowledged when the QoS is 1."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    token: int | None = None
    correlation: bytes | None = None
    expiry_s: int | None = None


@dataclass(frozen=True)
class LineSettings:
    """Where and as whom to connect. `will` is what the broker says when we fall silent."""

    host: str
    port: int
    client_id: str
    will: Outgoing
    subscriptions: tuple[str, ...]
    keepalive_s: int = 30
    retry_min_s: float = 1.0
    retry_max_s: float = 120.0


def retry_wait_s(attempt: int, min_s: float, max_s: float, draw: float) -> float:
    """Full jitter: a share `draw` (0..1) of min_s * 2^attempt, never over max_s.

    After https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter.
    """
    return float(draw * min(max_s, min_s * 2 ** min(attempt, 16)))


@dataclass
class _Link:
    """What one connection knows of itself; it dies with the connection."""

    client: Client
    connected: bool = False
    ended: str | None = None
    tokens: dict[int, tuple[int | None, float]] = field(default_factory=dict)


class Line:
    """Line(settings, tls, emit): keeps a connection to the broker until `stop()`.

    `emit(event) -> bool` is called on the line's thread and must not block; False means the
    event was dropped, and is counted in `events_dropped`.
    """

    def __init__(
        self, settings: LineSettings, tls: ssl.SSLContext | None,
        emit: Callable[[LineEvent], bool],
    ) -> None:
        self._settings, self._tls, self._emit = settings, tls, emit
        self._outgoing: queue.Queue[Outgoing] = queue.Queue(OUTGOING_MAX)
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._stopping = threading.Event()
        self._up = threading.Event()
        self._beat_s = monotonic_s()
        self.events_dropped = 0
        self.connections = 0
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once, with or without a network."""
        self._thread.start()

    def stop(self, wait_s: float = 3.0) -> None:
        """Say goodbye where there is a connection, and end the thread."""
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(wait_s)
        self._wake_reader.close()
        self._wake_writer.close()

    @property
    def up(self) -> bool:
        """True between Up and Down."""
        return self._up.is_set()

    @property
    def silent_s(self) -> float:
        """How long ago the line's thread last turned; large means it hangs or is dead."""
        return monotonic_s() - self._beat_s

    def send(self, message: Outgoing) -> bool:
        """Queue one message; False when there is no connection or the queue is full."""
        if not self._up.is_set():
            return False
        try:
            self._outgoing.put_nowait(message)
        except queue.Full:
            return False
        self._wake()
        return True

    def _run(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            began_s = monotonic_s()
            try:
                reason = self._connect_and_serve()
            except Exception as error:  # the thread's main loop: a bad packet must not end it
                reason = f"{type(error).__name__}: {error}"
            self._up.clear()
            self._empty_outgoing()
            self._tell(Down(reason))
            attempt = 0 if monotonic_s() - began_s > STEADY_AFTER_S else attempt + 1
            wait_s = retry_wait_s(
                attempt - 1 if attempt else 0, self._settings.retry_min_s,
                self._settings.retry_max_s, random.random(),
            )
            self._rest(wait_s)

    def _rest(self, wait_s: float) -> None:
        rest = Deadline(wait_s)
        while not rest.passed and not self._stopping.is_set():
            self._beat_s = monotonic_s()
            self._stopping.wait(min(rest.left_s, TURN_S))

    def _connect_and_serve(self) -> str:
        link = _Link(self._new_client())
        self._attach(link)
        self._beat_s = monotonic_s()
        link.client.connect(
            self._settings.host, self._settings.port, keepalive=self._settings.keepalive_s,
            clean_start=False,
            properties=_properties(
                PacketTypes.CONNECT, SessionExpiryInterval=SESSION_EXPIRY_S,
                ReceiveMaximum=RECEIVE_MAX, MaximumPacketSize=PACKET_BYTES_MAX,
            ),
        )
        patience = Deadline(CONNACK_TIMEOUT_S)
        try:
            while link.ended is None and not self._stopping.is_set():
                self._beat_s = monotonic_s()
                self._turn(link)
                if not link.connected and patience.passed:
                    return "the broker did not answer the greeting"
                if _oldest_age_s(link, monotonic_s()) > PUBACK_AGE_MAX_S:
                    return "the broker stopped acknowledging"
            return link.ended or "stopped"
        finally:
            self._farewell(link)

    def _turn(self, link: _Link) -> None:
        """Wait for the socket or the queue, then let paho read, write and keep alive."""
        sock = link.client.socket()
        if sock is None:
            link.ended = link.ended or "the connection was closed"
            return
        decrypted = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        writing = [sock] if link.client.want_write() else []
        readable, writable, _ = select.select(
            [sock, self._wake_reader], writing, [], 0.0 if decrypted else TURN_S
        )
        if self._wake_reader in readable:
            self._drain_wakes()
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        if decrypted or sock in readable:
            result = link.client.loop_read()
        if result == MQTTErrorCode.MQTT_ERR_SUCCESS and link.connected:
            self._send_queued(link)
        if result == MQTTErrorCode.MQTT_ERR_SUCCESS and (sock in writable):
            result = link.client.loop_write()
        if result == MQTTErrorCode.MQTT_ERR_SUCCESS:
            result = link.client.loop_misc()
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
            link.ended = link.ended or f"connection lost ({result.name})"

    def _send_queued(self, link: _Link) -> None:
        while len(link.tokens) < RECEIVE_MAX:
            try:
                message = self._outgoing.get_nowait()
            except queue.Empty:
                return
            sent = link.client.publish(
                message.topic, message.payload, qos=message.qos, retain=message.retain,
                properties=_properties(
                    PacketTypes.PUBLISH, CorrelationData=message.correlation,
                    MessageExpiryInterval=message.expiry_s,
                ),
            )
            if message.qos and sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                link.tokens[sent.mid] = (message.token, monotonic_s())

    def _farewell(self, link: _Link) -> None:
        """A clean stop sends DISCONNECT; paho closes its socket either way."""
        sock = link.client.socket()
        if self._stopping.is_set() and link.connected:
            self._send_queued(link)
            link.client.disconnect()
            link.client.loop_write()
        if sock is not None:
            sock.close()

    def _new_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=self._settings.client_id,
            protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(RECEIVE_MAX)
        client.max_queued_messages_set(RECEIVE_MAX * 2)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        will = self._settings.will
        delay = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=WILL_DELAY_S)
        client.will_set(will.topic, will.payload, will.qos, will.retain, delay)
        return client

    def _attach(self, link: _Link) -> None:
        """Callbacks only note and enqueue: none of them can raise or block."""

        def on_connect(client: Client, _user: Any, flags: ConnectFlags, reason: ReasonCode,
                       _properties: Properties | None) -> None:
            if reason.is_failure:
                link.ended = f"the broker refused us: {reason}"
                return
            options = SubscribeOptions(qos=1)
            client.subscribe([(topic, options) for topic in self._settings.subscriptions])
            link.connected = True
            self.connections += 1
            self._up.set()
            self._tell(Up(flags.session_present))

        def on_disconnect(_client: Client, _user: Any, _flags: DisconnectFlags,
                          reason: ReasonCode, _properties: Properties | None) -> None:
            link.ended = link.ended or f"disconnected: {reason}"

        def on_message(_client: Client, _user: Any, message: MQTTMessage) -> None:
            try:
                self._tell(_arrived(message))
            except ValueError:  # a topic that is no text: it would come again for ever
                self.events_dropped += 1

        def on_publish(_client: Client, _user: Any, mid: int, reason: ReasonCode,
                       _properties: Properties) -> None:
            token, _ = link.tokens.pop(mid, (None, 0.0))
            if token is not None and not reason.is_failure:
                gone = reason.value == NO_MATCHING_SUBSCRIBERS
                self._tell(Unwanted(token) if gone else Acknowledged(token))

        link.client.on_connect = on_connect
        link.client.on_disconnect = on_disconnect
        link.client.on_message = on_message
        link.client.on_publish = on_publish
        link.client.on_socket_open = _no_delay

    def _tell(self, event: LineEvent) -> None:
        if not self._emit(event):
            self.events_dropped += 1

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b"w")
        except OSError:
            return  # full: it will wake anyway; closed: nobody sleeps any more

    def _drain_wakes(self) -> None:
        try:
            self._wake_reader.recv(4096)
        except BlockingIOError:
            return

    def _empty_outgoing(self) -> None:
        try:
            while True:
                self._outgoing.get_nowait()
        except queue.Empty:
            return


def _no_delay(_client: Client, _user: Any, sock: Any) -> None:
    """Without this a command's answer waits 40 ms for the peer's delayed ACK."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _properties(kind: int, **values: object) -> Properties:
    """MQTT 5 properties of one packet; None values are left out."""
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        if value is not None:
            setattr(properties, name, value)
    return properties


def _arrived(message: MQTTMessage) -> Arrived:
    properties = message.properties
    return Arrived(
        topic=message.topic,
        payload=bytes(message.payload),
        response_topic=getattr(properties, "ResponseTopic", None),
        correlation=getattr(properties, "CorrelationData", None),
        left_s=getattr(properties, "MessageExpiryInterval", None),
    )


def _oldest_age_s(link: _Link, now_s: float) -> float:
    return max((now_s - sent_s for _, sent_s in link.tokens.values()), default=0.0)
