"""Keys that never leave a token (PKCS#11: YubiKey, smart card, HSM): the one seam to them.

Through securesystemslib's HSM signer, which needs the package `python-pkcs11` and, in the variable
PYKCS11LIB, the maker's library. Such keys are ECDSA (P-256 or P-384), and sign lists only.
A keyring holds `<role>.token.json`: where the key is, and its public half.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ota.errors import Refused
from ota.files import read_bounded, write_durable
from ota.trust.dsse import HSMSigner, Key, Signer, TokenError, ecdsa_key

SUFFIX = ".token.json"
NOTE_BYTES_MAX = 8192
PIV_SIGNATURE_KEY = 2
HELP = ("plug the token in, install `python-pkcs11`, and name its library in PYKCS11LIB "
        "(such as /usr/lib/x86_64-linux-gnu/libykcs11.so)")
Pin = Callable[[], str]


def adopt(path: Path, number: int, label: str | None, pin: Pin) -> Key:
    """Note at `path` the key `number` of the token called `label` (None: the only one).

    Returns its public half. Raises Refused: no token, no such key, no library.
    """
    try:
        uri, key = HSMSigner.import_(number, label, lambda _: pin())
    except TokenError as error:
        raise Refused(f"The token's key cannot be read ({error}); {HELP}.") from error
    note = {"uri": uri, "key": {"keyid": key.keyid, **key.to_dict()}}
    write_durable(path, json.dumps(note, indent=1).encode())
    return key


def public_half(path: Path) -> Key:
    """The public key in a note. Raises Refused."""
    return _read(path)[1]


def open_token(path: Path, pin: Pin) -> Signer:
    """A signer for the key in a note; the PIN is asked for when it signs. Raises Refused."""
    uri, key = _read(path)
    try:
        return _Guarded(HSMSigner.from_priv_key_uri(uri, key, lambda _: pin()))
    except TokenError as error:
        raise Refused(f"The token of {path.name} cannot be used ({error}); {HELP}.") from error


class _Guarded(Signer):
    """The same signer, whose faults are sentences."""

    def __init__(self, inner: Signer) -> None:
        self._inner = inner

    @property
    def public_key(self) -> Key:
        return self._inner.public_key

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Key, secrets_handler: Any = None
                          ) -> Signer:
        return cls(HSMSigner.from_priv_key_uri(priv_key_uri, public_key, secrets_handler))

    def sign(self, payload: bytes) -> Any:
        try:
            return self._inner.sign(payload)
        except _faults() as error:
            what = str(error) or type(error).__name__
            raise Refused(f"The token did not sign ({what}); check its PIN, and {HELP}.") from error


def _faults() -> tuple[type[Exception], ...]:
    """How a maker's library fails: wrong PIN, token pulled out, locked."""
    try:
        found: type[Exception] = importlib.import_module("pkcs11.exceptions").PKCS11Error
    except ImportError:
        return TokenError
    return (*TokenError, found)


def _read(path: Path) -> tuple[str, Key]:
    try:
        note: Any = json.loads(read_bounded(path, NOTE_BYTES_MAX))
        return str(note["uri"]), ecdsa_key(note["key"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"{path} is no note of a token's key; adopt the token again.") from error
