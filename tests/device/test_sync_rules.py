"""The eight rules for the one connection of a box, and for the console's: each can fail here."""

from __future__ import annotations

import ast
import inspect
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.messages import Answer, Order
from device.sync import mqtt as box_mqtt
from device.sync.ledger import CUT_SHORT, Ledger
from device.sync.mqtt import Down, Line, LineSettings, Outgoing, Up, retry_wait_s
from fleet import mqtt as console_mqtt
from tests.device.test_sync_mqtt import CONNACK, WILL, Hearer, broker, greet, line_to
from tests.sim.chain import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


def publish_packet(topic: bytes, body: bytes = b"x", mid: int = 1) -> bytes:
    """A QoS 1 PUBLISH of MQTT 5."""
    rest = len(topic).to_bytes(2, "big") + topic + mid.to_bytes(2, "big") + b"\0" + body
    return bytes([0x32, len(rest)]) + rest


@contextmanager
def console_line(port: int, emit: Callable[[Any], bool], monkeypatch: pytest.MonkeyPatch
                 ) -> Iterator[console_mqtt.Line]:
    """The console's line without TLS, to a broker of the test."""
    def plain(*_: Any, **__: Any) -> ssl.SSLContext:
        raise AssertionError("not asked for")

    class Context:
        def load_cert_chain(self, *_: Any) -> None:
            return None

    monkeypatch.setattr(console_mqtt.ssl, "create_default_context", lambda **_: Context())
    monkeypatch.setattr(console_mqtt.Client, "tls_set_context", lambda self, context: None)
    monkeypatch.setattr(console_mqtt, "RETRY_FIRST_S", 0.02)
    address = console_mqtt.Address("127.0.0.1", port, Path("ca"), Path("cert"), Path("key"))
    line = console_mqtt.Line(address, "console", ["vitrine/1/tea/+/event"], emit, lambda: None)
    line.start()
    try:
        yield line
    finally:
        line.stop()


# 1. TCP_NODELAY at both ends: tests/device/test_sync_mqtt.py watches the box's; this the console's.
def test_rule_1_the_consoles_messages_wait_for_no_delayed_ack(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = console_mqtt._no_delay

    def spy(client: Any, user: Any, sock: Any) -> None:
        real(client, user, sock)
        seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(console_mqtt, "_no_delay", spy)
    with broker(greet) as port, console_line(port, lambda _: True, monkeypatch) as line:
        assert line.wait_up(10)
    assert seen and all(seen)


# 2. A callback only notes and hands on, and nothing in it can end the thread.
def test_rule_2_a_topic_that_is_no_text_is_counted_and_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    acked = threading.Event()

    def serve(peer: socket.socket) -> None:
        greet(peer)
        peer.sendall(publish_packet(b"vitrine/\xff\xfe", mid=7))
        while data := peer.recv(4096):
            if b"\x40\x02\x00\x07" in data:  # PUBACK 7, alone or behind the subscription
                acked.set()

    hearer = Hearer()
    with broker(serve) as port, line_to(port, hearer) as line:
        hearer.wait(Up)
        wait_until(lambda: line.events_dropped == 1, 10, "counting")
        assert acked.wait(10) and line.up and line.connections == 1
    acked.clear()
    with broker(serve) as port, console_line(port, lambda _: True, monkeypatch) as console:
        wait_until(lambda: console.unreadable == 1, 10, "counting")
        assert acked.wait(10) and console.is_up and console.connections == 1


def test_rule_2_no_packet_and_no_error_ends_the_consoles_thread(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    def serve(peer: socket.socket) -> None:
        greet(peer)
        peer.sendall(bytes([0x32, 4, 0xFF, 0xFF, 1, 2]) + b"\xf0" * 64)

    def emit(_arrived: Any) -> bool:
        raise RuntimeError("a bug of ours")

    with broker(serve) as port, console_line(port, lambda _: True, monkeypatch) as line:
        wait_until(lambda: line.connections >= 3, 10, "coming back")

    def good(peer: socket.socket) -> None:
        greet(peer)
        peer.sendall(publish_packet(b"vitrine/1/tea/b/event"))

    with broker(good) as port, console_line(port, emit, monkeypatch) as line:
        wait_until(lambda: line.connections >= 3, 10, "coming back")
        assert "a bug of ours" in line.trouble or line.is_up


# 3. A watchdog on the thread and on the age of a PUBACK, never on is_connected().
def test_rule_3_a_thread_that_hangs_is_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def stuck(_event: Any) -> bool:
        go.wait(10)
        return True

    monkeypatch.setattr(console_mqtt, "SILENT_MAX_S", 0.2)

    def serve(peer: socket.socket) -> None:
        greet(peer)
        peer.sendall(publish_packet(b"vitrine/1/tea/b/event"))

    with broker(serve) as port, console_line(port, stuck, monkeypatch) as line:
        assert line.wait_up(10)
        wait_until(lambda: not line.is_up, 10, "the watchdog")
        assert not line.publish(console_mqtt.Outgoing("t", b"x"))
        go.set()
    go.clear()
    with broker(serve) as port:
        settings = LineSettings("127.0.0.1", port, "b", WILL, ("vitrine/1/tea/b/desired",))
        box = Line(settings, None, stuck)  # Up itself is what hangs
        box.start()
        wait_until(lambda: box.silent_s > 0.3, 10, "the box's watchdog")
        go.set()
        box.stop()


def test_rule_3_the_console_leaves_a_broker_that_stops_acknowledging(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_mqtt, "ACK_AGE_MAX_S", 0.2)
    monkeypatch.setattr(console_mqtt, "SELECT_S", 0.1)

    def serve(peer: socket.socket) -> None:
        greet(peer)
        while peer.recv(4096):
            continue

    with broker(serve) as port, console_line(port, lambda _: True, monkeypatch) as line:
        assert line.wait_up(10)
        assert line.publish(console_mqtt.Outgoing("t", b"x"))
        wait_until(lambda: line.connections >= 2, 10, "coming back")


# 4. No lock of ours is held over publish(): neither file has one at all.
@pytest.mark.parametrize("module", [box_mqtt, console_mqtt])
def test_rule_4_no_lock_stands_across_publish(module: Any) -> None:
    tree = ast.parse(inspect.getsource(module))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"Lock", "RLock", "Condition", "Semaphore"}


def test_rule_4_a_message_may_be_sent_from_within_an_acknowledgement() -> None:
    lines: list[Line] = []
    sent: list[bool] = []

    class Again(Hearer):
        def __call__(self, event: Any) -> bool:
            if isinstance(event, box_mqtt.Acknowledged) and event.token < 5:
                sent.append(lines[0].send(Outgoing("t", b"x", token=event.token + 1)))
            return super().__call__(event)

    def serve(peer: socket.socket) -> None:
        greet(peer)
        while data := peer.recv(4096):
            for mid in range(1, 9):
                if b"\x00\x01t" + mid.to_bytes(2, "big") in data:
                    peer.sendall(bytes([0x40, 2]) + mid.to_bytes(2, "big"))

    hearer = Again()
    with broker(serve) as port, line_to(port, hearer) as line:
        lines.append(line)
        hearer.wait(Up)
        assert line.send(Outgoing("t", b"x", token=1))
        while True:
            event = hearer.wait(box_mqtt.Acknowledged)
            if event.token == 5:  # type: ignore[union-attr]
                break
    assert sent == [True] * 4


# 5. The outbox is SQLite on the disk: tests/device/test_outbox.py.
def test_rule_5_paho_keeps_nothing_that_the_outbox_should() -> None:
    line = Line(LineSettings("h", 1, "b", WILL, ()), None, lambda event: True)
    assert not line.send(Outgoing("t", b"x", token=1)), "nothing is hoarded while there is no line"
    assert line._new_client() is not line._new_client(), "a client of its own for each connection"
    line.stop()


# 6. Our own reconnect, full jitter, 1 to 120 seconds.
@given(st.integers(0, 200), st.floats(0.0, 1.0))
def test_rule_6_the_waits_are_spread_over_all_of_a_bounded_time(attempt: int, draw: float) -> None:
    wait_s = retry_wait_s(attempt, 1.0, 120.0, draw)
    assert 0.0 <= wait_s <= 120.0
    assert wait_s == pytest.approx(draw * min(120.0, 2.0**attempt))
    assert LineSettings("h", 1, "b", WILL, ()).retry_max_s == 120.0
    assert 0.0 <= console_mqtt.retry_delay_s(attempt, draw) <= console_mqtt.RETRY_MAX_S


def test_rule_6_paho_does_not_reconnect_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([0.0, 0.0, 0.0, 0.0])
    monkeypatch.setattr(box_mqtt.random, "random", lambda: next(draws, 1.0))
    hearer = Hearer()
    with broker(lambda peer: peer.close()) as port, line_to(port, hearer) as line:
        for _ in range(3):
            hearer.wait(Down)
        assert not line._new_client()._reconnect_on_failure


# 7. A session of a day, a receive maximum of 20, bounded queues.
def test_rule_7_the_console_asks_for_a_session_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def serve(peer: socket.socket) -> None:
        seen.append(peer.recv(4096))
        peer.sendall(CONNACK)

    with broker(serve) as port, console_line(port, lambda _: True, monkeypatch) as line:
        assert line.wait_up(10)
        assert bytes([0x11]) + (86_400).to_bytes(4, "big") in seen[0]
        assert bytes([0x21]) + (200).to_bytes(2, "big") in seen[0]  # all retained documents at once
        assert not seen[0][9] & 0x02, "clean start"
    assert box_mqtt.RECEIVE_MAX == 20 and box_mqtt.SESSION_EXPIRY_S == 86_400
    assert line._outgoing.maxsize == 20_000 and line._acks.maxsize == 20_000


# 8. The version that was measured, or a later one.
def test_rule_8_paho_is_pinned() -> None:
    pinned = (ROOT / "requirements" / "run.txt").read_text()
    (line,) = [line for line in pinned.splitlines() if line.startswith("paho-mqtt")]
    number = tuple(int(part) for part in line.partition("==")[2].split("."))
    assert number >= (2, 2, 0) and version("paho-mqtt") == line.partition("==")[2]


# Orders are done once, also over a restart of the agent in their middle.
def test_an_order_that_was_begun_is_not_begun_again_after_a_restart(tmp_path: Path) -> None:
    before = Ledger(tmp_path / "orders.json")
    before.begin(Order(id="r1", name="reboot"))
    before.begin(Order(id="s1", name="say"))
    before.end(Answer(id="s1", ok=True, result={"said": True}))
    before.begin(Order(id="v1", name="volume"))
    before.end(Answer(id="v1", ok=True))
    after = Ledger(tmp_path / "orders.json")  # killed; nothing was closed
    cut = after.known("r1")
    assert cut is not None and not cut.ok and cut.result["error"] == CUT_SHORT
    assert after.known("s1") == Answer(id="s1", ok=True, result={"said": True})
    assert after.known("v1") is None, "as loud again as it was costs nothing"


def test_the_ledger_is_bounded_and_survives_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "orders.json"
    ledger = Ledger(path)
    for number in range(70):
        ledger.begin(Order(id=str(number), name="say"))
        ledger.end(Answer(id=str(number), ok=True, result={"x": "y" * 5000}))
    assert path.stat().st_size < 20_000
    again = Ledger(path)
    assert again.known("3") is None and again.known("69") is not None
    path.write_bytes(b"{nonsense")
    assert Ledger(path).known("69") is None
