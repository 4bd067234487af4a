"""The broker's fences, tried on a real mosquitto with real certificates."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.client import Client
from rig import Fleet, SimBox, mqtt_client, request_for, small_programme, wait_until

from fleet import certificates
from fleet.broker import access_list, configuration, find_mosquitto
from fleet.mqtt import Address, Line, Outgoing, retry_delay_s
from fleet.places import CONSOLE_ID, FleetPlaces
from ota.clock import utc_now
from ota.errors import Refused
from ota.publish.keyring import find_keys
from ota.publish.repository import ROLES, Repository
from ota.publish.spread import new_plan, sign_plan


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    running = Fleet(folder / "state", small_programme(folder / "tea-shop"))
    running.up()
    yield running
    running.down()


def enrolled(server: Fleet, folder: Path, box: str) -> SimBox:
    sim = SimBox(server, folder / box, box)
    status, answer = sim.enrol(server.ticket(box))
    assert status == 200, answer
    return sim


def try_to_connect(client: Client, port: int) -> str:
    """ "yes", or why not."""
    ended = threading.Event()
    verdict: list[str] = []

    def on_connect(_c: Any, _u: Any, _f: Any, reason: Any, _p: Any) -> None:
        verdict.append("refused" if reason.is_failure else "yes")
        ended.set()

    def on_disconnect(*_: Any) -> None:
        verdict.append("cut")
        ended.set()

    client.on_connect, client.on_disconnect = on_connect, on_disconnect
    try:
        client.connect("127.0.0.1", port)
    except (ssl.SSLError, OSError) as error:
        return type(error).__name__
    client.loop_start()
    assert ended.wait(10)
    client.disconnect()
    client.loop_stop()
    return verdict[0]


def test_a_box_can_neither_read_nor_write_another_boxs_topics(
    server: Fleet, tmp_path: Path
) -> None:
    thief, victim = enrolled(server, tmp_path, "thief"), enrolled(server, tmp_path, "victim")
    victim.connect()
    heard: list[str] = []
    client = thief.connect()
    own_on_message = client.on_message

    def on_message(c: Any, u: Any, message: Any) -> None:
        heard.append(message.topic)
        if own_on_message is not None:
            own_on_message(c, u, message)

    client.on_message = on_message
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    client.subscribe([("vitrine/1/tea/victim/#", 1), ("vitrine/1/+/+/desired", 1), ("#", 1)])
    assert subscribed.wait(10)
    assert server.console is not None
    desired = victim.follow()

    verdicts: dict[int, Any] = {}
    client.on_publish = lambda _c, _u, mid, reason, _p: verdicts.update({mid: reason})
    forged = client.publish("vitrine/1/tea/victim/reported", b'{"desired_seq": 99}', 1, True).mid
    wait_until(lambda: forged in verdicts, what="the broker's verdict")
    assert verdicts[forged].is_failure
    # Its own branch works, so silence above means a fence and not a broken line.
    own = client.publish("vitrine/1/tea/thief/event", b"{}", 1).mid
    wait_until(lambda: own in verdicts)
    assert not verdicts[own].is_failure
    wait_until(lambda: heard)
    assert {topic.split("/")[3] for topic in heard} == {"thief"}
    found = server.console.boxes.get("victim")
    assert found is not None and found.reported_seq in (0, desired.seq)
    thief.leave()
    victim.leave()


def test_strangers_are_refused(server: Fleet, tmp_path: Path) -> None:
    ca, port = server.ca, server.broker_port
    assert try_to_connect(mqtt_client("x", None, None, ca), port) != "yes"
    foreign = certificates.new_issuer("another authority", utc_now())
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    request = certificates.read_request(request_for(key, "thief").encode())
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "cert.pem").write_bytes(
        certificates.issue_client(foreign, CONSOLE_ID, request.public_key, utc_now())
    )
    stranger = mqtt_client("x", tmp_path / "cert.pem", tmp_path / "key.pem", ca)
    assert try_to_connect(stranger, port) != "yes"
    # A listener's certificate of our own authority is no client either.
    listener = FleetPlaces(server.state).https
    own = mqtt_client("x", listener / "cert.pem", listener / "key.pem", ca)
    assert try_to_connect(own, port) != "yes"


def test_a_box_cannot_take_over_the_consoles_session(server: Fleet, tmp_path: Path) -> None:
    assert server.console is not None
    connections = server.console.line.connections
    thief = enrolled(server, tmp_path, "thief-2")
    thief.connect(client_id=CONSOLE_ID)
    thief.follow()
    assert server.console.line.is_up and server.console.line.connections == connections
    thief.leave()


def test_a_retired_box_is_out_without_a_restart(server: Fleet, tmp_path: Path) -> None:
    good, gone = enrolled(server, tmp_path, "good"), enrolled(server, tmp_path, "gone")
    status, _ = server.ask("/api/v1/boxes/gone", method="DELETE")
    assert status == 200

    def out() -> bool:
        fresh = mqtt_client("gone", gone.folder / "cert.pem", gone.folder / "key.pem", server.ca)
        return try_to_connect(fresh, server.broker_port) != "yes"

    wait_until(out, what="the revocation")
    good.connect()
    good.follow()
    good.leave()


def test_a_box_is_rung_when_its_rollout_begins_and_is_held_back(
    server: Fleet, tmp_path: Path
) -> None:
    box = enrolled(server, tmp_path, "bell")
    box.connect()
    box.follow()
    wait_until(lambda: server.ask("/api/v1/boxes/bell")[1]["online"], what="the box's greeting")
    keys = find_keys([server.state / "offline-keys", server.state / "keys"], ROLES)
    desk = Repository.open(server.state / "tuf", keys)
    desk.add("releases", "releases/1.4.0.json", b"{}")
    desk.publish()
    sign_plan(desk, new_plan("1.4.0", "100%", utc_now(), held=True))
    for action in ("start", "pause"):
        status, told = server.ask("/api/v1/rollouts", {"action": action, "release": "1.4.0"})
        assert status == 200, told
        assert box.answer()["name"] == "ota-check"
    box.leave()


def test_the_line_heals_by_itself_after_the_broker_was_killed(
    tmp_path: Path,
) -> None:
    fleet = Fleet(tmp_path / "state", small_programme(tmp_path / "tea-shop"))
    console = fleet.up()
    before = console.line.connections
    pid = int((fleet.state / "broker" / "mosquitto.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not console.line.is_up, what="the line noticing")
    status, health = fleet.ask("/api/v1/health")
    assert status == 200 and health["broker"]["up"] is False
    settings = str(fleet.state / "broker" / "mosquitto.conf")
    again = subprocess.Popen([str(find_mosquitto(tmp_path)), "-c", settings])
    try:
        wait_until(lambda: console.line.is_up, 30, "the line coming back")
        assert console.line.connections == before + 1
    finally:
        fleet.down()
        again.terminate()
        again.wait(10)


def test_a_full_inbox_makes_the_line_come_back_for_the_rest(server: Fleet) -> None:
    """What could not be stored is not acknowledged, so the broker sends it again."""
    places = FleetPlaces(server.state)
    taken: list[bytes] = []
    refuse = threading.Event()
    refuse.set()
    lines: list[Line] = []

    def emit(arrived: Any) -> bool:
        if refuse.is_set() and arrived.payload == b"2":
            refuse.clear()
            return False
        taken.append(arrived.payload)
        lines[0].ack(arrived)
        return True

    # Another session of the console's own identity would push the console out: use a box's.
    sim = enrolled(server, server.state.parent, "collector")
    address = Address(
        "127.0.0.1",
        server.broker_port,
        places.authority / "ca.pem",
        sim.folder / "cert.pem",
        sim.folder / "key.pem",
    )
    lines.append(Line(address, "collector", ["vitrine/1/tea/collector/event"], emit, lambda: None))
    line = lines[0]
    line.start()
    assert line.wait_up(10)
    for number in (b"1", b"2", b"3"):
        assert line.publish(Outgoing("vitrine/1/tea/collector/event", number))
    wait_until(lambda: {b"1", b"2", b"3"} <= set(taken), 20, "all three")
    assert line.connections == 2
    line.stop()


def test_the_configuration_holds_every_setting_whose_default_bites() -> None:
    text = configuration(FleetPlaces(Path("/state")), 8883, "127.0.0.1", "root", "stderr")
    for setting in (
        "require_certificate true",
        "use_identity_as_username true",
        "allow_anonymous false",
        "use_username_as_clientid true",
        "set_tcp_nodelay true",
        "max_queued_messages 20000",
        "max_inflight_messages 200",
        "autosave_interval 10",
        "persistence true",
        "max_packet_size 262144",
        "crlfile /state/authority/crl.pem",
    ):
        assert f"\n{setting}\n" in text
    acl = access_list("vitrine/1/tea")
    assert acl.count("pattern ") == 1 and "pattern readwrite vitrine/1/tea/%u/#" in acl


def test_reconnects_are_spread_and_bounded() -> None:
    assert retry_delay_s(0, 1.0) == 0.5
    assert retry_delay_s(50, 1.0) == 20.0
    assert retry_delay_s(3, 0.0) == 0.0


def test_without_mosquitto_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.broker.DAEMONS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused, match="mosquitto is not installed"):
        find_mosquitto(tmp_path)
