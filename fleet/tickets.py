"""Enrolment tickets: signed claims that a technician carries as text or as a QR code.

Text form: `VITRINE1:` + base64url of a DSSE envelope whose payload is `device.messages.Ticket`.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import datetime, timedelta

import msgspec

from device.messages import Ticket
from fleet.places import checked_box_id, checked_chain_id
from ota.errors import Refused
from ota.trust import dsse
from ota.trust.keys import PublicKey, SigningKey

PREFIX = "VITRINE1:"
PAYLOAD_TYPE = dsse.TICKET
TEXT_BYTES_MAX = 4096
MINUTES_MAX = 7 * 24 * 60


def make_ticket(
    key: SigningKey, chain: str, box: str, url: str, ca_sha256: str, minutes: int, now: datetime
) -> tuple[Ticket, str]:
    """A fresh ticket for one place and its text form; raises Refused for a bad name or time."""
    if not 1 <= minutes <= MINUTES_MAX:
        raise Refused(f"A ticket lives 1 to {MINUTES_MAX} minutes, not {minutes}.")
    ticket = Ticket(
        v=1,
        chain=checked_chain_id(chain),
        box=checked_box_id(box),
        url=url,
        ca_sha256=ca_sha256,
        until=(now + timedelta(minutes=minutes)).isoformat(timespec="seconds"),
        nonce=secrets.token_urlsafe(16),
    )
    envelope = dsse.sign(msgspec.json.encode(ticket), PAYLOAD_TYPE, [key])
    return ticket, PREFIX + base64.urlsafe_b64encode(envelope).decode().rstrip("=")


def read_ticket(text: str, key: PublicKey, chain: str, now: datetime) -> Ticket:
    """The ticket inside `text` when this fleet signed it and it is still good.

    Raises Refused with what the technician should do: wrong fleet, expired, damaged.
    """
    compact = "".join(text.split())
    if not compact.startswith(PREFIX) or len(compact) > TEXT_BYTES_MAX:
        raise Refused(f"This is no enrolment ticket; it must start with {PREFIX}.")
    body = compact[len(PREFIX) :]
    try:
        envelope = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refused("The ticket is damaged; copy it again, whole.") from None
    payload = dsse.verify(envelope, PAYLOAD_TYPE, [key])
    try:
        ticket = msgspec.json.decode(payload, type=Ticket)
        until = datetime.fromisoformat(ticket.until)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Refused(f"The ticket is of another kind ({error}); make a new one.") from error
    if ticket.v != 1 or until.tzinfo is None:
        raise Refused("The ticket is of a kind this server does not know; make a new one.")
    if ticket.chain != chain:
        raise Refused(f"The ticket belongs to chain {ticket.chain}, not to {chain}.")
    if now >= until:
        raise Refused(f"The ticket ended at {ticket.until}; ask for a new one.")
    checked_box_id(ticket.box)
    return ticket
