"""Asking for an enrolment ticket: from the running console, or from the server's own folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ota.clock import utc_now
from ota.errors import Refused
from ota.files import read_bounded
from provisioning.client import post_json
from provisioning.tickets import make_ticket, read_ticket

CLAIMS_PATH = "/api/v1/claims"
FILE_BYTES_MAX = 65_536
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Claimed:
    """A ticket's text, and whom and how long it is for."""

    text: str
    box: str
    until: str


def claim(
    box: str,
    minutes: int,
    fleet: str | None = None,
    authority: Path | None = None,
    token: Path | None = None,
    ca: Path | None = None,
) -> Claimed:
    """A ticket for place `box`, from `fleet` (a URL) or `authority` (a folder).

    Raises Retry (not reachable) or Refused (bad name, not allowed, plain http to elsewhere).
    """
    now = utc_now()
    if authority is not None:
        text = make_ticket(authority, box, minutes, now)
        return Claimed(text, box, read_ticket(text, now).until)
    if fleet is None:
        raise Refused("Give --fleet URL or --authority DIR.")
    address = urlsplit(fleet)
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        raise Refused("A ticket is a secret: use https, or run this on the server itself.")
    if address.scheme not in ("http", "https"):
        raise Refused(f"{fleet!r} is no address; give one like http://127.0.0.1:8080.")
    secret = _read(token).strip() if token is not None else ""
    trust = _read(ca).encode() if ca is not None else None
    url = fleet.rstrip("/") + CLAIMS_PATH
    answer = post_json(url, {"box": box, "minutes": minutes}, trust, secret)
    text = answer.get("ticket", "") if isinstance(answer, dict) else ""
    ticket = read_ticket(str(text), now)
    return Claimed(str(text), ticket.box, ticket.until)


def _read(path: Path) -> str:
    try:
        return read_bounded(path, FILE_BYTES_MAX).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read; check the path.") from error
