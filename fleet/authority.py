"""The enrolment authority: a small CA that turns a ticket and a request into a box's identity.

What it decided lies in plain files: `used/<nonce>.json` (a ticket is spent once),
`issued/<box>.json` (the certificate that is good now), `revoked.json`, `crl.pem`.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from device.enrolment import BrokerAddress
from device.messages import BoxSettings, Ticket
from fleet import certificates as x
from fleet.places import CONSOLE_ID, FleetPlaces, FleetSettings, checked_box_id, checked_chain_id
from fleet.tickets import make_ticket, read_ticket
from ota.clock import utc_now
from ota.errors import Refused
from ota.files import read_bounded, write_durable
from ota.trust.keys import PublicKey, SigningKey

DEFAULT_CHAIN = "tea"
RECORD_BYTES_MAX = 1 << 20
LISTENER_HOSTS = ("localhost", "127.0.0.1", "::1")


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """The good certificate of one box."""

    box: str
    serial: str
    key_sha256: str
    nonce: str
    at: str
    until: str
    certificate_pem: str


class Authority:
    """Issues, remembers and revokes; one instance per server process, safe between threads."""

    def __init__(
        self, places: FleetPlaces, issuer: x.Issuer, ticket_key: SigningKey, desired: SigningKey
    ) -> None:
        self._places = places
        self._issuer = issuer
        self._ticket_key = ticket_key
        self.desired_key = desired
        self._lock = threading.Lock()

    @classmethod
    def open_or_create(cls, state: Path, chain: str = DEFAULT_CHAIN) -> Authority:
        """Open the authority under `state`; the first time make its keys and certificates."""
        places = FleetPlaces(state)
        if not places.settings.exists():
            places.write_settings(FleetSettings(chain=checked_chain_id(chain)))
        folder = places.authority
        if not (folder / "ca.pem").exists():
            issuer = x.new_issuer(f"vitrine {chain} authority", utc_now())
            write_durable(folder / "ca.key.pem", issuer.key_pem, 0o600)
            write_durable(folder / "ca.pem", issuer.cert_pem)
        issuer = x.Issuer(
            read_bounded(folder / "ca.key.pem", RECORD_BYTES_MAX),
            read_bounded(folder / "ca.pem", RECORD_BYTES_MAX),
        )
        ticket_key = _key(folder / "ticket.key.pem")
        desired = _key(places.keys / "desired.key.pem")
        authority = cls(places, issuer, ticket_key, desired)
        if not authority.crl_path.exists():
            authority._write_revocations({})
        authority._renew_own_certificates()
        return authority

    @property
    def ca_pem(self) -> bytes:
        """The authority's certificate: what boxes and tools trust."""
        return self._issuer.cert_pem

    @property
    def ca_path(self) -> Path:
        """File of `ca_pem`."""
        return self._places.authority / "ca.pem"

    @property
    def crl_path(self) -> Path:
        """File of the revocation list, read by the broker."""
        return self._places.authority / "crl.pem"

    @property
    def settings(self) -> FleetSettings:
        """Name and addresses, as they stand now."""
        return self._places.read_settings()

    def ticket(self, box: str, minutes: int = 60) -> tuple[Ticket, str]:
        """A ticket for place `box` and its text form."""
        settings = self.settings
        pin = x.der_sha256(self.ca_pem)
        return make_ticket(
            self._ticket_key, settings.chain, box, settings.https_url, pin, minutes, utc_now()
        )

    def enrol(self, ticket_text: str, csr_pem: str) -> dict[str, Any]:
        """Spend a ticket: `{"certificate_pem", "ca_pem", "box", "tuf_root"}` (see BoxSettings).

        The same ticket with the same key answers again with the same certificate, because a
        shop's line may break between the answer and the box. With another key it is refused.
        Raises Refused.
        """
        settings = self.settings
        now = utc_now()
        ticket = read_ticket(ticket_text, self._ticket_key.public, settings.chain, now)
        request = x.read_request(csr_pem.encode())
        if request.name not in ("", ticket.box):
            raise Refused(
                f"The request names {request.name!r}, but the ticket is for {ticket.box!r}."
            )
        with self._lock:
            issued = self._spend(ticket, request, now)
        return {
            "certificate_pem": issued.certificate_pem,
            "ca_pem": self.ca_pem.decode(),
            "box": msgspec.to_builtins(self.box_settings(settings, ticket.box)),
            "tuf_root": base64.b64encode(self._first_root()).decode(),
        }

    def box_settings(self, settings: FleetSettings, box: str) -> BoxSettings:
        """`box.json` of one box."""
        likeness = sorted(self._places.likeness_keys.glob("*.pem"))
        return BoxSettings(
            chain=settings.chain,
            box=box,
            broker=BrokerAddress(host=settings.host, port=settings.broker_port),
            content_url=f"{settings.https_url}/tuf",
            enrol_url=f"{settings.https_url}/enrol",
            desired_keys=[self.desired_key.public.to_pem()],
            likeness_keys=[read_bounded(path, RECORD_BYTES_MAX).decode() for path in likeness],
        )

    def issued(self, box: str) -> Issued | None:
        """The good certificate of `box`, or None."""
        return self._read(self._issued_path(checked_box_id(box)))

    def revoke(self, box: str) -> bool:
        """Put the box's certificate on the revocation list; False when it had none.

        The broker takes the new list at its next SIGHUP.
        """
        with self._lock:
            issued = self.issued(box)
            if issued is None:
                return False
            self._revoke(issued)
            self._issued_path(box).unlink(missing_ok=True)
        return True

    def _spend(self, ticket: Ticket, request: x.Request, now: datetime) -> Issued:
        digest = hashlib.sha256(ticket.nonce.encode()).hexdigest()
        spent_path = self._places.authority / "used" / f"{digest}.json"
        spent = self._read(spent_path)
        if spent is not None:
            if spent.key_sha256 == request.spki_sha256:
                return spent
            raise Refused(
                f"This ticket was already used for {spent.box} at {spent.at}; ask for a new one."
            )
        certificate = x.issue_client(self._issuer, ticket.box, request.public_key, now)
        issued = Issued(
            box=ticket.box,
            serial=str(x.serial_of(certificate)),
            key_sha256=request.spki_sha256,
            nonce=digest,
            at=now.isoformat(timespec="seconds"),
            until=x.not_after(certificate).isoformat(timespec="seconds"),
            certificate_pem=certificate.decode(),
        )
        # Spent first: a cut here costs a ticket, never a second certificate from one ticket.
        write_durable(spent_path, msgspec.json.encode(issued))
        before = self.issued(ticket.box)
        if before is not None:
            self._revoke(before)
        write_durable(self._issued_path(ticket.box), msgspec.json.encode(issued))
        return issued

    def _revoke(self, issued: Issued) -> None:
        revoked = self._revocations()
        revoked[issued.serial] = issued.box
        self._write_revocations(revoked)

    def _revocations(self) -> dict[str, str]:
        path = self._places.authority / "revoked.json"
        if not path.exists():
            return {}
        return msgspec.json.decode(read_bounded(path, RECORD_BYTES_MAX), type=dict[str, str])

    def _write_revocations(self, revoked: dict[str, str]) -> None:
        serials = [int(serial) for serial in revoked]
        write_durable(self._places.authority / "revoked.json", msgspec.json.encode(revoked))
        write_durable(self.crl_path, x.revocation_list(self._issuer, serials, utc_now()))

    def _issued_path(self, box: str) -> Path:
        return self._places.authority / "issued" / f"{box}.json"

    def _read(self, path: Path) -> Issued | None:
        if not path.exists():
            return None
        return msgspec.json.decode(read_bounded(path, RECORD_BYTES_MAX), type=Issued)

    def _first_root(self) -> bytes:
        path = self._places.tuf / "metadata" / "1.root.json"
        if not path.exists():
            raise Refused("This server has no signed repository yet; let its first start finish.")
        return read_bounded(path, RECORD_BYTES_MAX)

    def _renew_own_certificates(self) -> None:
        """Certificates of broker, HTTPS and console: made when missing, near their end or moved."""
        now = utc_now()
        names = [*LISTENER_HOSTS, self.settings.host]
        hosts = list(dict.fromkeys(names))
        for folder in (self._places.broker, self._places.https):
            if _is_due(folder, hosts, now):
                key = x.new_key()
                _write_pair(folder, key, x.issue_server(self._issuer, key, hosts, now), hosts)
        if _is_due(self._places.console, [CONSOLE_ID], now):
            key = x.new_key()
            certificate = x.issue_client(self._issuer, CONSOLE_ID, x.public_key_of(key), now)
            _write_pair(self._places.console, key, certificate, [CONSOLE_ID])

    def ticket_public_key(self) -> PublicKey:
        """The key that checks this fleet's tickets."""
        return self._ticket_key.public


def _key(path: Path) -> SigningKey:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        SigningKey.generate().save(path)
    return SigningKey.load(path)


def _is_due(folder: Path, names: list[str], now: datetime) -> bool:
    certificate, held = folder / "cert.pem", folder / "names.json"
    if not certificate.exists() or not held.exists() or not (folder / "key.pem").exists():
        return True
    if msgspec.json.decode(read_bounded(held, RECORD_BYTES_MAX), type=list[str]) != names:
        return True
    return (x.not_after(read_bounded(certificate, RECORD_BYTES_MAX)) - now).days < 30


def _write_pair(folder: Path, key: bytes, certificate: bytes, names: list[str]) -> None:
    write_durable(folder / "key.pem", key, 0o600)
    write_durable(folder / "cert.pem", certificate)
    write_durable(folder / "names.json", msgspec.json.encode(names))
