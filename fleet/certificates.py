"""X.509 for a small private authority: keys, certificates, requests, revocation list (RFC 5280).

The only importer of `cryptography.x509` in the fleet. PEM bytes in, PEM bytes out; no files,
no clock: the caller passes `now`.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ota.errors import Refused

# A box with a dead clock battery wakes up years back: it must still accept its server.
LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)
AUTHORITY_DAYS = 3650
SERVER_DAYS = 825
CLIENT_DAYS = 397
# OpenSSL refuses every client once a revocation list is past its next update.
REVOCATION_DAYS = 3650
REQUEST_BYTES_MAX = 8192

PublicKeyType = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True)
class Request:
    """A certificate request whose own signature was checked."""

    name: str
    public_key: PublicKeyType
    spki_sha256: str


@dataclass(frozen=True)
class Issuer:
    """The authority's key and certificate, as PEM."""

    key_pem: bytes
    cert_pem: bytes


def new_key() -> bytes:
    """A fresh P-256 private key (PKCS 8, PEM, not encrypted)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def new_issuer(name: str, now: datetime) -> Issuer:
    """A self-signed authority that may sign end entities only (path length 0)."""
    key_pem = new_key()
    key = _private_key(key_pem)
    subject = _name(name)
    usage = _key_usage(signs_certificates=True)
    certificate = (
        _builder(subject, key.public_key(), now + timedelta(days=AUTHORITY_DAYS))
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    return Issuer(key_pem, _pem(certificate))


def issue_server(issuer: Issuer, key_pem: bytes, hosts: Sequence[str], now: datetime) -> bytes:
    """A certificate for a listener reachable under each of `hosts` (names or addresses)."""
    public_key = _private_key(key_pem).public_key()
    builder = _builder(_name(hosts[0]), public_key, now + timedelta(days=SERVER_DAYS))
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
    )
    return _sign(issuer, builder, public_key, ExtendedKeyUsageOID.SERVER_AUTH)


def issue_client(issuer: Issuer, name: str, public_key: PublicKeyType, now: datetime) -> bytes:
    """A certificate with which `name` may connect to the broker; never good for a listener."""
    builder = _builder(_name(name), public_key, now + timedelta(days=CLIENT_DAYS))
    return _sign(issuer, builder, public_key, ExtendedKeyUsageOID.CLIENT_AUTH)


def public_key_of(key_pem: bytes) -> PublicKeyType:
    """The public half of a private key of ours."""
    return _private_key(key_pem).public_key()


def read_request(pem: bytes) -> Request:
    """Parse a request and check that its sender holds the key.

    Only the name and the key are taken; extensions a requester asks for are ignored.
    Raises Refused for anything else than a small, self-signed P-256, P-384 or Ed25519 request.
    """
    if len(pem) > REQUEST_BYTES_MAX:
        raise Refused("The certificate request is too large; send a plain P-256 request.")
    try:
        request = x509.load_pem_x509_csr(pem)
        valid = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise Refused(f"The certificate request cannot be read ({error}).") from error
    if not valid:
        raise Refused("The certificate request is not signed by its own key; make a new one.")
    strong_curve = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in (
        "secp256r1",
        "secp384r1",
    )
    if not strong_curve and not isinstance(key, ed25519.Ed25519PublicKey):
        raise Refused("The certificate request holds an unsuitable key; use P-256 or Ed25519.")
    assert isinstance(key, (ec.EllipticCurvePublicKey, ed25519.Ed25519PublicKey))
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    return Request(name, key, _spki_sha256(key))


def revocation_list(issuer: Issuer, serials: Sequence[int], now: datetime) -> bytes:
    """The list of certificates that are no longer good, as PEM."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.load_pem_x509_certificate(issuer.cert_pem).subject)
        .last_update(LONG_AGO)
        .next_update(now + timedelta(days=REVOCATION_DAYS))
    )
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(entry)
    signed = builder.sign(_private_key(issuer.key_pem), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def serial_of(cert_pem: bytes) -> int:
    """The serial number of a certificate."""
    return x509.load_pem_x509_certificate(cert_pem).serial_number


def not_after(cert_pem: bytes) -> datetime:
    """When a certificate ends, aware, in UTC."""
    return x509.load_pem_x509_certificate(cert_pem).not_valid_after_utc


def der_sha256(cert_pem: bytes) -> str:
    """Hex SHA-256 of the certificate's DER bytes: what a ticket pins."""
    certificate = x509.load_pem_x509_certificate(cert_pem)
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def _private_key(key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Refused("The authority's key file holds another kind of key; restore it.")
    return key


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, public_key: PublicKeyType, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(LONG_AGO)
        .not_valid_after(until)
    )


def _sign(
    issuer: Issuer,
    builder: x509.CertificateBuilder,
    public_key: PublicKeyType,
    purpose: x509.ObjectIdentifier,
) -> bytes:
    authority = x509.load_pem_x509_certificate(issuer.cert_pem)
    key = _private_key(issuer.key_pem)
    certificate = (
        builder.issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate)


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _spki_sha256(key: PublicKeyType) -> str:
    spki = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
