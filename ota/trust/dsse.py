"""Signed envelopes (DSSE v1) around small documents: desired state, tickets, consents.

Protocol: https://github.com/secure-systems-lab/dsse. The only importer of securesystemslib.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SslibError
from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import CryptoSigner, HSMSigner, Key, Signer, SSlibKey

from ota.errors import Refused
from ota.trust.keys import PublicKey, SigningKey

__all__ = [
    "CONSENT", "DESIRED", "LIVE", "PROOF", "TICKET", "HSMSigner", "Key", "Signer", "Signing",
    "TokenError", "ecdsa_key", "foreign_key", "is_signature", "key_of", "public_key", "sign",
    "sign_with", "signer", "verify", "verify_with",
]

# Who signs lists: a key from a file, or a token that never gives its key away (ota.publish.tokens).
Signing = SigningKey | Signer
TokenError = (ValueError, UnsupportedLibraryError)

ENVELOPE_BYTES_MAX = 1 << 20
SIGNATURES_MAX = 16
DESIRED = "application/vnd.vitrine.desired+json"
LIVE = "application/vnd.vitrine.live+json"
TICKET = "application/vnd.vitrine.ticket+json"
CONSENT = "application/vnd.vitrine.consent+json"
PROOF = "application/vnd.vitrine.proof+json"


def sign(payload: bytes, payload_type: str, keys: Sequence[SigningKey]) -> bytes:
    """Wrap the payload in an envelope signed by every given key; returns JSON bytes."""
    if not keys:
        raise Refused("A document must be signed by at least one key; none was given.")
    envelope = Envelope(payload, payload_type, {})
    for key in keys:
        envelope.sign(signer(key))
    return json.dumps(envelope.to_dict(), separators=(",", ":"), sort_keys=True).encode()


def verify(
    envelope: bytes, payload_type: str, keys: Sequence[PublicKey], threshold: int = 1
) -> bytes:
    """Return the payload when `threshold` different keys of ours have signed it.

    Raises Refused for: too long, not an envelope, another type, too few good signatures.
    """
    return verify_with(envelope, payload_type, [public_key(key) for key in keys], threshold)


def sign_with(payload: bytes, payload_type: str, private_key: Any) -> bytes:
    """Wrap the payload in an envelope signed by any private key (`ota.trust.keys.private_key`)."""
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(CryptoSigner(private_key))
    return json.dumps(envelope.to_dict(), separators=(",", ":"), sort_keys=True).encode()


def verify_with(
    envelope: bytes, payload_type: str, keys: Sequence[Key], threshold: int = 1
) -> bytes:
    """As `verify`, with keys of any kind (`foreign_key`)."""
    if threshold < 1 or len({key.keyid for key in keys}) < threshold:
        raise Refused("There are fewer trusted keys than signatures asked for; enrol again.")
    if len(envelope) > ENVELOPE_BYTES_MAX:
        raise Refused("The signed document is larger than 1 MiB and was not read.")
    parsed = _parse(envelope)
    if parsed.payload_type != payload_type:
        raise Refused(
            f"The signed document is of type {parsed.payload_type[:80]!r}, "
            f"but {payload_type!r} is wanted here."
        )
    try:
        parsed.verify(list(keys), threshold)
    except (SslibError, ValueError) as error:
        raise Refused(
            "The document is not signed by a key this box trusts; it was not used."
        ) from error
    return parsed.payload


def signer(key: Signing) -> Signer:
    """The same key as securesystemslib's signer (also for TUF metadata)."""
    if isinstance(key, SigningKey):
        return CryptoSigner(key.crypto, public_key(key.public))
    return key


def key_of(key: Signing) -> Key:
    """The public half, as securesystemslib's key object."""
    return public_key(key.public) if isinstance(key, SigningKey) else key.public_key


def public_key(key: PublicKey) -> SSlibKey:
    """The same key as securesystemslib's key object (also for TUF metadata)."""
    return SSlibKey(key.key_id, "ed25519", "ed25519", {"public": key.raw.hex()})


def foreign_key(crypto: Any) -> SSlibKey:
    """A public key of the cryptography package (P-256, ed25519) as securesystemslib's object."""
    try:
        return SSlibKey.from_crypto(crypto)
    except (ValueError, SslibError) as error:
        raise Refused("This kind of key signs nothing here.") from error


def is_signature(key: Key, mark: Any, data: bytes) -> bool:
    """Is `mark` this key's signature of `data`?"""
    try:
        key.verify_signature(mark, data)
    except (SslibError, ValueError):
        return False
    return True


def ecdsa_key(note: dict[str, Any]) -> Key:
    """A token's public key out of its note. Raises ValueError, KeyError, TypeError."""
    fields = dict(note)
    key_id = fields.pop("keyid")
    if fields.get("keytype") != "ecdsa" or not isinstance(key_id, str):
        raise ValueError("not an ECDSA key")
    return SSlibKey.from_dict(key_id, fields)


def _parse(envelope: bytes) -> Envelope:
    try:
        data: Any = json.loads(envelope)
        if len(data["signatures"]) > SIGNATURES_MAX or not isinstance(data["payloadType"], str):
            raise ValueError("shape")
        return Envelope.from_dict(data)
    # A hostile envelope may be any JSON at all: wrong types surface as any of these.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SslibError) as error:
        raise Refused("The signed document is not a readable envelope.") from error
