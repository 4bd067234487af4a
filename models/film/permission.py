"""The consent of the person in a video: checked before any work, completed when the avatar is.

Two ways in. A plain JSON statement is what the maker vouches for: it is completed with the hash of
the idle video and signed with --key. A signed envelope comes from the owner of the face: it cannot
know an idle video that does not exist yet, so it names the film (`source_sha256`) instead; the
maker checks it, and countersigns a statement that repeats every field, adds the idle video's hash
and carries the owner's envelope inside (`granted`).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from ota.errors import Refused
from ota.files import read_bounded
from ota.trust import dsse
from ota.trust.consent import Consent
from ota.trust.keys import PublicKey, SigningKey

FIELDS = ("avatar", "owner", "chains", "regions", "uses", "from", "until", "revocation_id")
KNOWN = {*FIELDS, "synthetic", "source_sha256", "base_sha256"}
UNKNOWN_BASE = "0" * 64


@dataclass(frozen=True)
class Permission:
    """A checked consent: its statement, the owner's envelope if signed, who will sign."""

    statement: dict[str, Any]
    granted: bytes | None
    signer: SigningKey

    def completed(self, base_sha256: str, source_sha256: str) -> bytes:
        """The signed consent (DSSE) for the finished avatar."""
        whole = {**self.statement, "base_sha256": base_sha256, "source_sha256": source_sha256}
        if self.granted is not None:
            whole["granted"] = base64.b64encode(self.granted).decode()
        payload = json.dumps(whole, sort_keys=True, ensure_ascii=False).encode()
        return dsse.sign(payload, dsse.CONSENT, [self.signer])


def read_permission(path: Path, avatar: str, source_sha256: str, key: Path | None,
                    trust: Path | None, now: datetime) -> Permission:
    """Check the consent at `path` for making `avatar` out of the film with that hash.

    key: the ed25519 key (PEM) that signs the finished avatar's consent; trust: the public key
    that a signed envelope must carry (default: key's own). Raises Refused: missing, unreadable,
    incomplete, forged, expired, not yet valid, for another avatar or another film.
    """
    if not path.is_file():
        raise Refused(f"There is no consent {path}; without one no avatar is made.")
    if key is None or not key.is_file():
        raise Refused("Signing the avatar's consent needs --key with an ed25519 key that is there; "
                      "make one with `openssl genpkey -algorithm ed25519 -out likeness.pem`.")
    signer = SigningKey.load(key)
    raw = read_bounded(path, dsse.ENVELOPE_BYTES_MAX)
    outer = _read(raw, path)
    granted: bytes | None = None
    statement = outer
    if "payload" in outer and "signatures" in outer:
        trusted = PublicKey.load(trust) if trust is not None else signer.public
        granted = raw
        statement = _read(dsse.verify(raw, dsse.CONSENT, [trusted]), path)
        if "source_sha256" not in statement:
            raise Refused(f"The signed consent {path} does not name the film it is for; have its "
                          f"owner sign one with \"source_sha256\": \"{source_sha256}\".")
    _check(statement, path, avatar, source_sha256, now)
    return Permission(statement, granted, signer)


def _read(raw: bytes, path: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The consent {path} is not JSON ({error}); correct it.") from error
    if not isinstance(found, dict):
        raise Refused(f"The consent {path} must be a JSON object with {', '.join(FIELDS)}.")
    return found


def _check(statement: dict[str, Any], path: Path, avatar: str, source_sha256: str,
           now: datetime) -> None:
    missing = [name for name in FIELDS if name not in statement]
    if missing:
        raise Refused(f"The consent {path} lacks {', '.join(missing)}; complete it.")
    unknown = sorted(set(statement) - KNOWN)
    if unknown:
        raise Refused(f"The consent {path} has fields nobody reads ({', '.join(unknown)}): a limit "
                      "that is not kept would be none; remove or correct them.")
    try:
        consent = msgspec.convert({**statement, "base_sha256": UNKNOWN_BASE}, Consent)
    except msgspec.ValidationError as error:
        raise Refused(f"The consent {path} cannot be read: {error}.") from error
    if consent.valid_from.tzinfo is None or consent.valid_until.tzinfo is None:
        raise Refused(f"The times in {path} need their zone, as in 2026-01-31T00:00:00+08:00.")
    if consent.avatar != avatar:
        raise Refused(f"The consent {path} is for the avatar {consent.avatar!r}, not {avatar!r}; "
                      "give the avatar that name or have another consent signed.")
    if not consent.owner.strip() or not (consent.chains and consent.regions and consent.uses):
        raise Refused(f"The consent {path} must say whose face it is and where it may be shown.")
    if now < consent.valid_from:
        raise Refused(f"The consent {path} begins only at {consent.valid_from:%Y-%m-%d}; check the "
                      "clock or wait.")
    if now >= consent.valid_until:
        raise Refused(f"The consent {path} ended on {consent.valid_until:%Y-%m-%d}; ask for a new "
                      "one.")
    named = statement.get("source_sha256", source_sha256)
    if named != source_sha256:
        raise Refused(f"The consent {path} is for another film (SHA-256 {str(named)[:12]}...); "
                      f"this one has {source_sha256}.")
    if "base_sha256" in statement:
        raise Refused(f"The consent {path} belongs to a finished avatar (base_sha256); leave that "
                      "field away: it is added when the avatar is made.")
