"""The chain's server: signing a box's desired state, and its whole enrolment."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cli.benches.figure import Figure, median_ms
from fleet.authority import Authority
from ota.trust import dsse
from ota.trust.keys import SigningKey

BOXES = 50_000


def measure() -> list[Figure]:
    """Seconds of signing for a fleet, and one ticket."""
    key = SigningKey.generate()
    body = b'{"seq": 1, "programme": {"target": "programmes/tea-shop/1.json", "version": 1}}'
    kind = "application/vnd.vitrine.desired+json"
    sign_ms = median_ms(lambda: dsse.sign(body, kind, [key]))
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority.open_or_create(Path(folder), "bench")
        ticket_ms = median_ms(lambda: authority.ticket("bench-001"))
    return [
        Figure("desired state of one box signed", sign_ms, "ms", 5.0),
        Figure(f"desired states of {BOXES} boxes signed", sign_ms * BOXES / 1000, "s", 250.0),
        Figure("one enrolment ticket", ticket_ms, "ms", 50.0),
    ]
