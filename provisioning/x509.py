"""The box's key, its certificate request, and the check of what came back (RFC 2986, RFC 5280).

The only importer of cryptography.x509 here.
"""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ota.errors import Refused

PEM_BYTES_MAX = 16_384


def new_key() -> bytes:
    """A fresh P-256 key, PKCS 8 PEM: what every broker and TLS library takes."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def request_for(key_pem: bytes, box: str) -> bytes:
    """A certificate request with the box's id as its name, signed by the box's key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, box)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    request = builder.sign(_private(key_pem), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def check_certificate(
    certificate_pem: bytes, ca_pem: bytes, key_pem: bytes, box: str, now: datetime
) -> datetime:
    """When the certificate ends. Raises Refused unless it is for our key and name, by this CA.

    `now` only guards against a certificate that has run out; a box's clock may be years behind.
    """
    certificate, authority = _certificate(certificate_pem), _certificate(ca_pem)
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise Refused("The certificate that came back is not from the ticket's fleet.") from error
    ours = _private(key_pem).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    theirs = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if ours != theirs:
        raise Refused("The certificate that came back is for another key; ask for a new ticket.")
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [str(name.value) for name in names] != [box]:
        raise Refused(f"The certificate that came back is not for {box}; ask for a new ticket.")
    until = certificate.not_valid_after_utc
    if until <= now:
        raise Refused("The certificate that came back has already run out; check the clock.")
    return until


def certificate_until(certificate_pem: bytes) -> datetime:
    """When a certificate ends, aware, UTC. Raises Refused when it is none."""
    return _certificate(certificate_pem).not_valid_after_utc


def _certificate(pem: bytes) -> x509.Certificate:
    if len(pem) > PEM_BYTES_MAX:
        raise Refused("A certificate that came back is far too long.")
    try:
        found = x509.load_pem_x509_certificate(pem)
        found.public_key()
        return found
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise Refused("What came back is no certificate; ask for a new ticket.") from error


def _private(key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused("The box's key file is damaged; enrol it again.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Refused("The box's key is of an unexpected kind; enrol it again.")
    return key
