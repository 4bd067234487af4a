"""Enrolment: the key is made on the box, the certificate comes back, then one atomic switch."""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from device.messages import BoxSettings, Ticket
from device.paths import Places
from device.sync import anew
from ota.errors import Refused
from ota.fetch import Fetcher
from ota.files import read_bounded
from ota.floor import FloorClock
from ota.trust.client import TrustClient
from ota.trust.keys import PublicKey, load_public_keys
from provisioning import identity_store as store
from provisioning import x509
from provisioning.client import pinned_authority, post_json
from provisioning.tickets import pem_sha256, read_ticket

FILE_BYTES_MAX = 65_536


class EnrolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What /enrol answers."""

    certificate_pem: str
    ca_pem: str
    box: BoxSettings
    tuf_root: str


@dataclass(frozen=True)
class Enrolled:
    """Who the box is now."""

    chain: str
    box: str
    until: datetime
    folder: Path


def enrol(
    places: Places,
    ticket_text: str,
    now: datetime,
    force: bool = False,
    ticket_key: PublicKey | None = None,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> Enrolled:
    """Enrol this box with a ticket. Raises Refused or Retry; nothing has changed then.

    A box that is enrolled already needs `force`; its old identity is used until the last step.
    """
    if store.is_enrolled(places) and not force:
        raise Refused(
            "This box is enrolled already; use --force to give it a new identity, "
            "or `vitrine provision wipe` first."
        )
    ticket = read_ticket(ticket_text, now, ticket_key)
    tell(f"ticket for {ticket.chain}/{ticket.box}, server {ticket.url}")
    ca_pem = pinned_authority(ticket.url, ticket.ca_sha256)
    tell("the server is the one that made the ticket")
    folder = store.new_folder(places)
    try:
        key_pem = x509.new_key()
        store.write_files(folder, {"key.pem": key_pem})
        csr = x509.request_for(key_pem, ticket.box).decode()
        answer = _answer(
            post_json(
                f"{ticket.url.rstrip('/')}/enrol",
                {"ticket": "".join(ticket_text.split()), "csr_pem": csr},
                ca_pem,
            )
        )
        files, until = checked_files(answer, ticket, key_pem, ca_pem, now)
        tell("certificate received and checked")
        store.write_files(folder, {**files, **anew.mark_for(places, files["tuf-root.json"])})
        store.switch_to(places, folder, ticket.box)
    except BaseException:
        anew.destroy(folder)
        anew.sweep(places)
        raise
    anew.settle(places)
    return Enrolled(ticket.chain, ticket.box, until, places.identity)


def checked_files(
    answer: EnrolAnswer, ticket: Ticket, key_pem: bytes, ca_pem: bytes, now: datetime
) -> tuple[dict[str, bytes], datetime]:
    """The identity's files, when every part belongs together. Raises Refused."""
    if pem_sha256(answer.ca_pem.encode()) != pem_sha256(ca_pem):
        raise Refused("The server answered with another authority; nothing was kept.")
    certificate = answer.certificate_pem.encode()
    until = x509.check_certificate(certificate, ca_pem, key_pem, ticket.box, now)
    if (answer.box.chain, answer.box.box) != (ticket.chain, ticket.box) or answer.box.schema != 1:
        raise Refused("The server answered with the settings of another box; nothing was kept.")
    if not answer.box.desired_keys:
        raise Refused("The server named no key for the desired state; nothing was kept.")
    load_public_keys(answer.box.desired_keys)
    load_public_keys(answer.box.likeness_keys)
    try:
        root = base64.b64decode(answer.tuf_root, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("The server's first root of trust is damaged; nothing was kept.") from error
    _check_root(root, answer.box.content_url)
    return {
        "cert.pem": certificate,
        "ca.pem": ca_pem,
        "box.json": msgspec.json.format(msgspec.json.encode(answer.box), indent=2) + b"\n",
        "tuf-root.json": root,
    }, until


def read_identity(places: Places) -> tuple[BoxSettings, bytes]:
    """`box.json` and the certificate. Raises Refused when the box is not enrolled."""
    try:
        data = read_bounded(places.identity / "box.json", FILE_BYTES_MAX)
        certificate = read_bounded(places.identity / "cert.pem", FILE_BYTES_MAX)
        return msgspec.json.decode(data, type=BoxSettings), certificate
    except OSError as error:
        raise Refused("This box is not enrolled; run `vitrine provision enrol` first.") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The box's identity is damaged ({error}); enrol it again.") from error


def _check_root(root: bytes, content_url: str) -> None:
    """Refused now is better than a box that never trusts anything."""
    with tempfile.TemporaryDirectory(prefix="vitrine-root-") as name:
        folder = Path(name)
        client = TrustClient(folder, content_url, Fetcher(None), FloorClock(folder / "clock"))
        client.bootstrap(root)


def _answer(body: Any) -> EnrolAnswer:
    try:
        return msgspec.convert(body, type=EnrolAnswer)
    except msgspec.ValidationError as error:
        raise Refused(f"The server's answer is not an enrolment ({error}).") from error
