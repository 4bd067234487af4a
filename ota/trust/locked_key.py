"""PKCS#8 keys under a passphrase that is slow to guess: PBES2 with scrypt (RFC 7914, RFC 8018).

What the cryptography package writes by itself is PBKDF2 with 2048 rounds, a few microseconds a
guess on a graphics card; it reads this form, and so does OpenSSL.
"""

from __future__ import annotations

import base64
import hashlib
import os
import textwrap

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

# OWASP's recommendation; 16 MiB of memory for each guess, which OpenSSL still reads.
N, R, P = 1 << 14, 8, 5
MEMORY_BYTES_MAX = 64 << 20
BLOCK_BYTES = SALT_BYTES = 16
SEQUENCE, INTEGER, OCTETS = 0x30, 0x02, 0x04
PBES2 = bytes.fromhex("06092a864886f70d01050d")
SCRYPT = bytes.fromhex("06092b06010401da47040b")
AES_256_CBC = bytes.fromhex("060960864801650304012a")


def locked_pem(pkcs8: bytes, passphrase: str) -> bytes:
    """An unencrypted PKCS#8 key (DER) as an encrypted PEM file."""
    salt, start = os.urandom(SALT_BYTES), os.urandom(BLOCK_BYTES)
    key = hashlib.scrypt(
        passphrase.encode(), salt=salt, n=N, r=R, p=P, maxmem=MEMORY_BYTES_MAX, dklen=32)
    missing = BLOCK_BYTES - len(pkcs8) % BLOCK_BYTES
    cipher = Cipher(algorithms.AES(key), modes.CBC(start)).encryptor()
    hidden = cipher.update(pkcs8 + bytes([missing]) * missing) + cipher.finalize()
    slow = _der(SEQUENCE, SCRYPT, _der(
        SEQUENCE, _der(OCTETS, salt), _number(N), _number(R), _number(P)))
    how = _der(SEQUENCE, slow, _der(SEQUENCE, AES_256_CBC, _der(OCTETS, start)))
    body = _der(SEQUENCE, _der(SEQUENCE, PBES2, how), _der(OCTETS, hidden))
    lines = textwrap.wrap(base64.b64encode(body).decode(), 64)
    return "\n".join(("-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines,
                      "-----END ENCRYPTED PRIVATE KEY-----", "")).encode()


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 128:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def _number(value: int) -> bytes:
    return _der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
