"""The bus: what one process says, its readers get; what is not in the table is refused."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device import messages as m
from device.bus import Bus
from device.bus.topics import BY_MESSAGE
from ota.errors import Broken, Refused


def test_the_player_hears_the_ear_and_nobody_else_does(tmp_path: Path) -> None:
    with (
        Bus(tmp_path, "ear") as ear,
        Bus(tmp_path, "player") as player,
        Bus(tmp_path, "agent") as agent,
    ):
        ear.publish(m.Voice(at_ns=5, speaking=True))
        assert player.receive(1.0) == m.Voice(at_ns=5, speaking=True)
        assert agent.receive(0.0) is None


def test_a_missing_reader_costs_nothing(tmp_path: Path) -> None:
    with Bus(tmp_path, "ear") as ear:
        ear.publish(m.Voice(at_ns=5, speaking=True))


def test_a_reader_that_restarts_hears_the_next_message(tmp_path: Path) -> None:
    with Bus(tmp_path, "ear") as ear:
        Bus(tmp_path, "player").close()
        with Bus(tmp_path, "player") as reborn:
            ear.publish(m.Voice(at_ns=6, speaking=False))
            assert reborn.receive(1.0) == m.Voice(at_ns=6, speaking=False)


def test_a_full_reader_never_blocks_the_sender(tmp_path: Path) -> None:
    with Bus(tmp_path, "ear") as ear, Bus(tmp_path, "player"):
        flood = threading.Thread(
            target=lambda: [ear.publish(m.Voice(at_ns=i, speaking=True)) for i in range(5000)],
            daemon=True,
        )
        flood.start()
        flood.join(timeout=10)
        assert not flood.is_alive()
        assert ear.dropped > 0


def test_the_ear_may_not_speak_for_the_player(tmp_path: Path) -> None:
    with Bus(tmp_path, "ear") as ear, pytest.raises(Refused, match="may not publish"):
        ear.publish(m.PlayerState(at_ns=1, ready=True))


def test_an_oversized_message_is_refused_at_its_source(tmp_path: Path) -> None:
    with Bus(tmp_path, "ear") as ear, pytest.raises(Refused, match="over its limit"):
        long = "茶" * 9000
        ear.publish(m.Heard(
            at_ns=1, speech_end_ns=1, text=long, language="zh-CN", confidence=0, took_ms=1
        ))


def test_rubbish_on_the_socket_is_counted_not_fatal(tmp_path: Path) -> None:
    with Bus(tmp_path, "player") as player:
        stranger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        for rubbish in (b"", b"{", b'{"type":"no such"}', os.urandom(300), b"\xff\xfe"):
            stranger.sendto(rubbish, str(tmp_path / "player.bus"))
            assert player.receive(0.2) is None
        stranger.close()
        assert player.refused == 5


def test_a_root_too_deep_for_a_socket_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Broken, match="VITRINE_ROOT"):
        Bus(tmp_path / ("x" * 120), "player")


@given(data=st.data())
def test_every_message_survives_the_wire(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(BY_MESSAGE, key=lambda k: k.__name__)))
    message = data.draw(st.builds(kind, **_fields(kind)))
    assert msgspec.json.decode(msgspec.json.encode(message), type=m.BusMessage) == message


def _fields(kind: type) -> dict[str, st.SearchStrategy[object]]:
    """Plain finite values; NaN has no JSON."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    finite = st.floats(allow_nan=False, allow_infinity=False)
    whole = st.integers(-(2**53), 2**53)
    simple = {
        "int": whole, "str": text, "bool": st.booleans(), "float": finite,
        "float | None": st.none() | finite, "str | None": st.none() | text,
        "int | None": st.none() | whole, "Json": st.dictionaries(text, text, max_size=3),
        "dict[str, str]": st.dictionaries(text, text, max_size=3),
    }
    return {
        field: simple[annotation]
        for field, annotation in kind.__annotations__.items()
        if annotation in simple
    }
