"""A box that proves what it says: real authority, real key, the real log."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from device.messages import Event
from device.sync.speechlog import Signer, SpeechLog, as_row
from fleet import certificates
from provisioning import x509

CHAIN, BOX = "tea", "shanghai-001"
NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)


def spoken(number: int, **detail: Any) -> Event:
    """The row of one line, as the player tells it."""
    at = (NOW + timedelta(seconds=10 * number)).isoformat(timespec="milliseconds")
    said = {"segment": "longjing", "language": "zh-CN", "complete": True, "price": "¥128",
            "programme": "tea-shop", "version": 3, "said": f"龙井一罐128元,第{number}次。"}
    return Event(id=f"said-{number}", at=at, kind="played", detail={**said, **detail})


class SaidBox:
    """Its authority, its certificate and its log; `sent` is what went into the outbox."""

    def __init__(self, folder: Path, box: str = BOX) -> None:
        self.folder, self.box = folder, box
        self.issuer = certificates.new_issuer(CHAIN, NOW)
        self.signer = self.signer_of(box)
        self.sent: list[Event] = []
        self.log = self.open()

    def signer_of(self, box: str, issuer: certificates.Issuer | None = None) -> Signer:
        """A key and its certificate of this chain."""
        key = x509.new_key()
        pem = certificates.issue_client(
            issuer or self.issuer, box, certificates.public_key_of(key), NOW)
        return Signer(CHAIN, box, pem.decode(), key)

    def open(self) -> SpeechLog:
        """Begin again, as after a restart."""
        self.log = SpeechLog(self.folder, self.signer, lambda: NOW, {"boot": "b"})
        return self.log

    def says(self, first: int, count: int, sign: bool = False) -> list[Event]:
        """So many lines; what is said is written at once."""
        made = self.log.chain([spoken(n) for n in range(first, first + count)], sign=sign)
        self.sent += made
        return made

    def rows(self) -> list[dict[str, Any]]:
        """Rows and heads in the order of their numbers, as the console exports them."""
        events = {event.id: event for event in self.sent if "log" in event.detail}
        ordered = sorted(events.values(), key=lambda e: (e.detail["n"], e.kind == "proof-head"))
        return [{"box": self.box, **as_row(event)} for event in ordered]
