"""The line to the broker, against brokers that hang, lie, talk nonsense or go away."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from device.sync import mqtt
from device.sync.mqtt import Down, Line, LineEvent, LineSettings, Outgoing, Up
from tests.sim.chain import wait_until

CONNACK = bytes([0x20, 3, 0, 0, 0])
WILL = Outgoing("vitrine/1/tea/b/status", b"{}", retain=True)


class Hearer:
    """The agent's inbox, with a limit that can be set to nothing."""

    def __init__(self) -> None:
        self.events: queue.Queue[LineEvent] = queue.Queue()
        self.full = False

    def __call__(self, event: LineEvent) -> bool:
        if not self.full:
            self.events.put(event)
        return not self.full

    def wait(self, kind: type[LineEvent], seconds: float = 10.0) -> LineEvent:
        while True:
            event = self.events.get(timeout=seconds)
            if isinstance(event, kind):
                return event


@contextmanager
def broker(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener that treats every connection with `serve`."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    over = threading.Event()

    def accept() -> None:
        while not over.is_set():
            try:
                peer, _ = listener.accept()
            except (TimeoutError, OSError):
                continue
            peer.settimeout(5)
            threading.Thread(target=treat, args=(peer,), daemon=True).start()

    def treat(peer: socket.socket) -> None:
        try:
            serve(peer)
            over.wait(10)
        except OSError:
            pass
        finally:
            peer.close()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        listener.close()


@contextmanager
def line_to(port: int, hearer: Hearer, keepalive_s: int = 30) -> Iterator[Line]:
    settings = LineSettings("127.0.0.1", port, "b", WILL, ("vitrine/1/tea/b/desired",),
                            keepalive_s=keepalive_s, retry_min_s=0.05, retry_max_s=0.1)
    line = Line(settings, None, hearer)
    line.start()
    try:
        yield line
    finally:
        line.stop()
        assert not line._thread.is_alive()


def greet(peer: socket.socket) -> None:
    peer.recv(4096)
    peer.sendall(CONNACK)


def test_no_broker_at_all_is_only_a_reason_and_it_keeps_trying() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hearer = Hearer()
    with line_to(port, hearer) as line:
        assert "refused" in hearer.wait(Down).reason.lower()  # type: ignore[union-attr]
        hearer.wait(Down)
        assert not line.up and not line.send(WILL) and line.silent_s < 5


def test_the_greeting_asks_for_a_session_and_leaves_a_will_with_a_delay() -> None:
    seen: queue.Queue[bytes] = queue.Queue()

    def serve(peer: socket.socket) -> None:
        seen.put(peer.recv(4096))
        peer.sendall(CONNACK)
        assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0

    hearer = Hearer()
    with broker(serve) as port, line_to(port, hearer) as line:
        hearer.wait(Up)
        connect = seen.get(timeout=5)
        assert connect[4:8] == b"MQTT" and connect[8] == 5
        flags = connect[9]
        assert not flags & 0x02, "clean start would lose queued orders"
        assert flags & 0x04 and flags & 0x20, "a retained will"
        assert bytes([0x11]) + (86_400).to_bytes(4, "big") in connect  # session expiry
        assert bytes([0x21]) + (20).to_bytes(2, "big") in connect  # receive maximum
        assert bytes([0x18]) + (30).to_bytes(4, "big") in connect  # will delay
        assert line.up


def test_small_messages_are_not_held_back_by_nagle(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = mqtt._no_delay

    def spy(client: object, user: object, sock: socket.socket) -> None:
        real(client, user, sock)  # type: ignore[arg-type]
        seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(mqtt, "_no_delay", spy)
    hearer = Hearer()
    with broker(greet) as port, line_to(port, hearer):
        hearer.wait(Up)
    assert seen and all(seen)


def test_a_broker_that_never_answers_the_greeting_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "CONNACK_TIMEOUT_S", 0.3)
    monkeypatch.setattr(mqtt, "TURN_S", 0.1)
    hearer = Hearer()
    with broker(lambda peer: peer.recv(4096) and None) as port, line_to(port, hearer):
        assert "greeting" in hearer.wait(Down).reason  # type: ignore[union-attr]


def test_a_broker_that_stops_acknowledging_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "PUBACK_AGE_MAX_S", 0.3)
    monkeypatch.setattr(mqtt, "TURN_S", 0.1)
    hearer = Hearer()

    def serve(peer: socket.socket) -> None:
        greet(peer)
        while peer.recv(4096):
            continue

    with broker(serve) as port, line_to(port, hearer) as line:
        hearer.wait(Up)
        assert line.send(Outgoing("vitrine/1/tea/b/event", b"{}", token=1))
        assert "acknowledging" in hearer.wait(Down).reason  # type: ignore[union-attr]
        hearer.wait(Up)  # and comes back by itself
        assert line.connections == 2


def test_nonsense_from_the_broker_does_not_end_the_thread() -> None:
    hearer = Hearer()

    def serve(peer: socket.socket) -> None:
        greet(peer)
        # A PUBLISH whose topic length points beyond its end, then properties of no kind.
        peer.sendall(bytes([0x30, 4, 0xFF, 0xFF, 1, 2]) + b"\xf0" * 64)

    with broker(serve) as port, line_to(port, hearer) as line:
        for _ in range(3):
            hearer.wait(Up)
            hearer.wait(Down)
        assert line._thread.is_alive() and line.silent_s < 5


def test_a_message_that_the_agent_has_no_room_for_is_counted_and_blocks_nothing() -> None:
    hearer = Hearer()
    go = threading.Event()

    def serve(peer: socket.socket) -> None:
        greet(peer)
        go.wait(5)
        topic, body = b"vitrine/1/tea/b/desired", b"x" * 10
        rest = len(topic).to_bytes(2, "big") + topic + b"\0" + body
        for _ in range(50):
            peer.sendall(bytes([0x30, len(rest)]) + rest)

    with broker(serve) as port, line_to(port, hearer) as line:
        hearer.wait(Up)
        hearer.full = True
        go.set()
        wait_until(lambda: line.events_dropped >= 50, 5, "counting")
        assert line.up


def test_too_many_messages_are_refused_and_not_hoarded() -> None:
    hearer = Hearer()
    with broker(greet) as port, line_to(port, hearer) as line:
        hearer.wait(Up)
        taken = sum(line.send(Outgoing("t", b"x", token=n)) for n in range(500))
        assert 20 <= taken <= mqtt.OUTGOING_MAX + mqtt.RECEIVE_MAX
