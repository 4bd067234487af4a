"""What enrolment hands out (contract B6): the ticket, and what the box is told of its chain."""

from __future__ import annotations

import msgspec


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """An enrolment claim: signed by the fleet, carried as text or QR by the technician."""

    v: int
    chain: str
    box: str
    url: str
    ca_sha256: str
    until: str
    nonce: str


class BrokerAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the box finds its broker."""

    host: str
    port: int


class BoxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`box.json`: what enrolment gave the box. Keys are PEM."""

    chain: str
    box: str
    broker: BrokerAddress
    content_url: str
    enrol_url: str
    desired_keys: list[str]
    likeness_keys: list[str] = []
    schema: int = 1
