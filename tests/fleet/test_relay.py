"""The live relay: who may join whom, and that nobody's queue grows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from device.live.grant import Grants
from fleet.relay import PACKETS_MAX, WATCHERS_A_BOX_MAX, Relay, put, sealed_grant
from fleet.serve import peer_of
from ota.clock import utc_now
from ota.errors import Refused
from ota.trust.keys import SigningKey


def test_one_person_speaks_through_a_box_and_a_few_watch() -> None:
    relay = Relay()
    first = relay.open("shop-1", "li", True)
    with pytest.raises(Refused, match="Somebody else"):
        relay.open("shop-1", "wang", True)
    assert relay.open("shop-2", "wang", True).box == "shop-2"
    for _ in range(WATCHERS_A_BOX_MAX):
        relay.open("shop-1", "wang", False)
    with pytest.raises(Refused, match="Too many"):
        relay.open("shop-1", "wang", False)
    relay.close(first)
    assert first.over.is_set() and relay.open("shop-1", "wang", True)


def test_only_the_asked_box_joins_and_only_once() -> None:
    relay = Relay()
    session = relay.open("shop-1", "li", True)
    assert relay.join(session.id, "shop-2") is None and relay.join("0" * 32, "shop-1") is None
    assert relay.join(session.id, "shop-1") is session
    assert relay.join(session.id, "shop-1") is None
    session.end("box")
    session.end("operator")
    assert session.why == "box", "the first reason counts"


def test_a_slow_side_loses_the_oldest_packets() -> None:
    mail: asyncio.Queue[bytes] = asyncio.Queue(PACKETS_MAX)
    for n in range(PACKETS_MAX + 30):
        put(mail, bytes([n]))
    assert mail.qsize() == PACKETS_MAX and mail.get_nowait() == bytes([30])


def test_the_permission_is_what_the_box_accepts(tmp_path: Path) -> None:
    key, session = SigningKey.generate(), Relay().open("shop-1", "li", True)
    envelope = sealed_grant("tea", session, key, utc_now())
    grant = Grants([key.public], "tea", "shop-1").take({"envelope": envelope}, utc_now())
    assert (grant.session, grant.who, grant.speak) == (session.id, "li", True)
    assert len(json.dumps({"envelope": envelope})) < 3000, "an order is at most 4 KiB"


def test_a_peer_is_the_common_name_and_number_of_its_certificate() -> None:
    found = {"subject": ((("commonName", "shop-1"),),), "serialNumber": "0A"}
    assert peer_of(found) == ("shop-1", 10)
    assert peer_of(None) == peer_of({}) == ("", -1)
