"""Enrolment tickets as the technician meets them: text, QR, and what is written inside.

A ticket is signed for the server that made it. The box reads it for the address and the pin of
the server's authority; whoever hands over the ticket decides whom the box will belong to.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
import ssl
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from device.messages import Ticket
from ota.errors import Refused
from ota.files import read_bounded
from ota.trust import dsse
from ota.trust.keys import PublicKey, SigningKey

PREFIX = "VITRINE1:"
TEXT_CHARS_MAX = 4096
FILE_BYTES_MAX = 65_536
MINUTES_MAX = 7 * 24 * 60
BOX_ID = re.compile(r"[a-z0-9-]{1,48}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_ticket(text: str, now: datetime, key: PublicKey | None = None) -> Ticket:
    """What a ticket says. With `key` its signature is checked here as well.

    Raises Refused: no ticket, damaged, of another kind, run out, an address that is not https.
    """
    envelope = _envelope(text)
    try:
        payload = _payload(envelope) if key is None else dsse.verify(envelope, dsse.TICKET, [key])
        ticket = msgspec.json.decode(payload, type=Ticket)
        until = datetime.fromisoformat(ticket.until)
    except (msgspec.MsgspecError, ValueError, UnicodeDecodeError) as error:
        raise Refused("The ticket is damaged or of another kind; ask for a new one.") from error
    if ticket.v != 1 or until.tzinfo is None:
        raise Refused("The ticket is of a newer kind; update this box first.")
    if not BOX_ID.fullmatch(ticket.box) or not _SHA256.fullmatch(ticket.ca_sha256):
        raise Refused("The ticket names no usable box; ask for a new one.")
    address = urlsplit(ticket.url)
    if address.scheme != "https" or not address.hostname:
        raise Refused("The ticket's address is not https; ask for a new one.")
    if now >= until:
        raise Refused(f"The ticket ended at {ticket.until}; ask for a new one.")
    return ticket


def make_ticket(authority: Path, box: str, minutes: int, now: datetime) -> str:
    """A ticket from the folder of a fleet server, without asking the running server.

    Raises Refused: no such folder, a bad name or time.
    """
    if not BOX_ID.fullmatch(box):
        raise Refused(f"{box!r} cannot name a box; use a-z, 0-9 and -, for example shanghai-001.")
    if not 1 <= minutes <= MINUTES_MAX:
        raise Refused(f"A ticket lives 1 to {MINUTES_MAX} minutes, not {minutes}.")
    try:
        settings: dict[str, Any] = json.loads(
            read_bounded(authority / "fleet.json", FILE_BYTES_MAX)
        )
        ca = read_bounded(authority / "authority" / "ca.pem", FILE_BYTES_MAX)
        url = f"https://{settings['host']}:{settings['https_port']}"
        chain = str(settings["chain"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refused(
            f"{authority} is no folder of a fleet server; give the --state of "
            "`vitrine fleet serve`."
        ) from error
    ticket = Ticket(
        v=1, chain=chain, box=box, url=url, ca_sha256=pem_sha256(ca),
        until=(now + timedelta(minutes=minutes)).isoformat(timespec="seconds"),
        nonce=secrets.token_urlsafe(16),
    )
    key = SigningKey.load(authority / "authority" / "ticket.key.pem")
    envelope = dsse.sign(msgspec.json.encode(ticket), dsse.TICKET, [key])
    return PREFIX + base64.urlsafe_b64encode(envelope).decode().rstrip("=")


def pem_sha256(pem: bytes) -> str:
    """Hex SHA-256 of the DER bytes inside one PEM block: what a ticket pins."""
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode("ascii").strip())).hexdigest()
    except (ValueError, UnicodeDecodeError) as error:
        raise Refused("The server's authority is no certificate in PEM form.") from error


def _envelope(text: str) -> bytes:
    compact = "".join(text.split())
    if not compact.startswith(PREFIX) or len(compact) > TEXT_CHARS_MAX:
        raise Refused(f"This is no enrolment ticket; one begins with {PREFIX}")
    body = compact[len(PREFIX) :]
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("The ticket is damaged; copy it again, whole.") from error


def _payload(envelope: bytes) -> bytes:
    """The unverified payload of an envelope; raises ValueError when it is none."""
    try:
        found = json.loads(envelope)
        if found["payloadType"] != dsse.TICKET:
            raise ValueError("another type")
        return base64.b64decode(found["payload"], validate=True)
    except (KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise ValueError("no envelope") from error
