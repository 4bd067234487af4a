"""Signing keys: ed25519, in PEM files that only their owner may read. With ota.trust.locked_key the
only importer of cryptography in this folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ota.errors import Refused
from ota.files import read_bounded, write_durable
from ota.trust.locked_key import locked_pem

PEM_BYTES_MAX = 8192
KEY_ID_CHARS = 40


@dataclass(frozen=True)
class PublicKey:
    """One ed25519 public key; `raw` is its 32 bytes (RFC 8032)."""

    raw: bytes

    @classmethod
    def from_pem(cls, pem: str | bytes) -> PublicKey:
        """Read a SubjectPublicKeyInfo PEM. Raises Refused for anything but ed25519."""
        data = pem.encode() if isinstance(pem, str) else pem
        if len(data) > PEM_BYTES_MAX:
            raise Refused("The public key file is far too long; give a PEM file of one key.")
        try:
            key = serialization.load_pem_public_key(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Refused("This is not a public key in PEM form; export it again.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise Refused("The public key is not ed25519; make one with `vitrine ota keys`.")
        return cls(key.public_bytes_raw())

    @classmethod
    def load(cls, path: Path) -> PublicKey:
        """Read a public key file. Raises Refused when it is missing or no ed25519 key."""
        return cls.from_pem(_read(path))

    def to_pem(self) -> str:
        """The key as SubjectPublicKeyInfo PEM text."""
        return self.crypto.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    @property
    def crypto(self) -> Ed25519PublicKey:
        """The same key as the cryptography package's object."""
        return Ed25519PublicKey.from_public_bytes(self.raw)

    @property
    def key_id(self) -> str:
        """The first 20 bytes of the raw key's sha256, as hex: its name in all that it signs.

        Short, because it travels in every box's every look at the fleet.
        """
        return hashlib.sha256(self.raw).hexdigest()[:KEY_ID_CHARS]


@dataclass(frozen=True, repr=False)
class SigningKey:
    """One ed25519 private key. Its text form never shows the secret."""

    crypto: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> SigningKey:
        """Make a new key from the system's random source."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path, passphrase: str | None = None) -> SigningKey:
        """Read a PKCS#8 PEM file. Raises Refused: missing, wrong passphrase, not ed25519."""
        return cls.from_pem(_read(path), passphrase, str(path))

    @classmethod
    def from_pem(
        cls, pem: bytes, passphrase: str | None = None, name: str = "The key"
    ) -> SigningKey:
        """Read PKCS#8 PEM bytes; `name` is how error sentences call the key."""
        secret = passphrase.encode() if passphrase else None
        try:
            key = serialization.load_pem_private_key(pem, secret)
        except TypeError as error:
            need = "is not encrypted; give no passphrase" if secret else "needs its passphrase"
            raise Refused(f"{name} {need}.") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Refused(f"{name} is damaged, or the passphrase is wrong.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise Refused(f"{name} is not an ed25519 key; make one with `vitrine ota keys`.")
        return cls(key)

    def save(self, path: Path, passphrase: str | None = None) -> None:
        """Write PKCS#8 PEM, mode 0600, encrypted when there is a passphrase."""
        pem = self._plain(serialization.Encoding.PEM)
        if passphrase is not None:
            if not passphrase.strip():
                raise Refused("An empty passphrase locks nothing; choose four random words.")
            pem = locked_pem(self._plain(serialization.Encoding.DER), passphrase)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durable(path, pem, 0o600)

    def _plain(self, encoding: serialization.Encoding) -> bytes:
        return self.crypto.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    @property
    def public(self) -> PublicKey:
        """The public half."""
        return PublicKey(self.crypto.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id[:8]})"


def load_public_keys(pems: Sequence[str]) -> tuple[PublicKey, ...]:
    """Read a list of PEM texts, as box.json holds them. Raises Refused."""
    return tuple(PublicKey.from_pem(pem) for pem in pems)


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, PEM_BYTES_MAX)
    except FileNotFoundError as error:
        raise Refused(f"There is no key file {path}; make it with `vitrine ota keys`.") from error
    except PermissionError as error:
        raise Refused(f"The key file {path} may not be read by this user.") from error


def certificate_until(pem: bytes) -> datetime:
    """When an X.509 certificate (PEM) runs out, aware. Raises ValueError when it is none."""
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def issued_name(der: bytes, authority_pem: bytes, now: datetime) -> str:
    """The common name in a client certificate (X.509, DER) that this authority issued itself.

    For a line whose other end has proved that it holds the key. Raises Refused: another
    authority's, out of date, not for a client, nameless.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority_pem))
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (
        ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound,
        x509.DuplicateExtension, x509.InvalidVersion,
    ) as error:
        raise Refused("The certificate was not issued by this chain.") from error
    in_date = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    if not in_date or ExtendedKeyUsageOID.CLIENT_AUTH not in purposes or not names:
        raise Refused("The certificate is not one of a box, or is out of date.")
    return str(names[0].value)


def certified_key(pem: bytes) -> object:
    """The public key in a certificate (PEM), as the cryptography package's object. Raises
    Refused when it is no certificate."""
    try:
        return x509.load_pem_x509_certificate(pem).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("This is no certificate in PEM form.") from error


def private_key(pem: bytes) -> object:
    """A private key of any kind (PKCS 8, PEM, not encrypted), such as a box's. Raises Refused."""
    try:
        return serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Refused("The private key is damaged, or it is encrypted.") from error
