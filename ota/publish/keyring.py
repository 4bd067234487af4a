"""The folder of a chain's keys: who signs what, and which of them may live on a server.

    offline/root.pem targets.pem releases.pem avatars.pem likeness.pem   (encrypted, taken away)
    online/programmes.pem rollouts.pem snapshot.pem timestamp.pem desired.pem ticket.pem   (server)
    public/<role>.pem                                                    (for everybody)

A role with several holders has `<role>.2.pem`, `<role>.3.pem` beside the first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ota.errors import Refused
from ota.files import read_bounded, write_durable
from ota.publish.tokens import SUFFIX, open_token
from ota.trust.dsse import Signer
from ota.trust.keys import PEM_BYTES_MAX, SigningKey

OFFLINE_KEYS = ("root", "targets", "releases", "avatars", "likeness")
ONLINE_KEYS = ("programmes", "rollouts", "snapshot", "timestamp", "desired", "ticket")
HOLDERS_MAX = 9
THRESHOLDS = "thresholds.json"


def make_keyring(
    directory: Path, passphrase: str | None = None, holders: Mapping[str, int] | None = None,
    thresholds: Mapping[str, int] | None = None,
) -> dict[str, list[SigningKey]]:
    """Make one key for each role (or `holders[role]`), offline ones encrypted by `passphrase`.

    `thresholds` says how many of a role's holders must sign; it is kept beside the keys for the
    repository's making. Raises Refused when the folder holds keys already (a key is never written
    over), or more must sign than there are.
    """
    need = {role: count for role, count in (thresholds or {}).items() if count != 1}
    for role, count in need.items():
        if not 1 <= count <= (holders or {}).get(role, 1):
            raise Refused(f"{count} cannot sign for {role!r}: it has "
                          f"{(holders or {}).get(role, 1)} key(s); make more keys.")
    if any((directory / part).exists() for part in ("offline", "online")):
        raise Refused(f"There are keys in {directory} already; choose an empty folder.")
    made: dict[str, list[SigningKey]] = {}
    for role in OFFLINE_KEYS + ONLINE_KEYS:
        count = (holders or {}).get(role, 1)
        if not 1 <= count <= HOLDERS_MAX:
            raise Refused(f"Role {role!r} may have 1 to {HOLDERS_MAX} keys, not {count}.")
        made[role] = [SigningKey.generate() for _ in range(count)]
        for number, key in enumerate(made[role], start=1):
            secret = passphrase if role in OFFLINE_KEYS else None
            key.save(directory / _part(role) / _name(role, number), secret)
            public = directory / "public" / _name(role, number)
            write_durable(public, key.public.to_pem().encode())
    if need:
        write_durable(directory / "public" / THRESHOLDS, json.dumps(need).encode())
    return made


def add_key(directory: Path, role: str, passphrase: str | None = None) -> SigningKey:
    """One more key for a role, beside those that are there. Raises Refused: unknown role, full."""
    if role not in OFFLINE_KEYS + ONLINE_KEYS:
        raise Refused(f"{role!r} is no role; they are {', '.join(OFFLINE_KEYS + ONLINE_KEYS)}.")
    for number in range(1, HOLDERS_MAX + 1):
        path = directory / _part(role) / _name(role, number)
        if not path.exists():
            key = SigningKey.generate()
            key.save(path, passphrase if role in OFFLINE_KEYS else None)
            write_durable(directory / "public" / path.name, key.public.to_pem().encode())
            return key
    raise Refused(f"{directory} holds {HOLDERS_MAX} keys of {role!r} already.")


def thresholds_in(directories: Sequence[Path]) -> dict[str, int]:
    """How many must sign, as the makers of these folders of keys wrote down; 1 is left out."""
    found: dict[str, int] = {}
    for path in (directory / "public" / THRESHOLDS for directory in directories):
        if path.is_file():
            try:
                body = json.loads(read_bounded(path, PEM_BYTES_MAX))
                found.update({str(role): int(count) for role, count in body.items()})
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise Refused(f"{path} cannot be read; bring it back.") from error
    return found


def find_tokens(
    directories: Sequence[Path], roles: Sequence[str], pin: Callable[[], str]
) -> dict[str, list[Signer]]:
    """The keys on tokens that are noted in these folders, by role (see ota.publish.tokens)."""
    found: dict[str, list[Signer]] = {}
    for role in roles:
        for folder in (part for d in directories for part in (d, d / "offline")):
            path = folder / f"{role}{SUFFIX}"
            if path.is_file():
                found.setdefault(role, []).append(open_token(path, pin))
    return found


def load_keyring(
    directory: Path, passphrase: str | None = None, roles: Sequence[str] | None = None
) -> dict[str, list[SigningKey]]:
    """All keys that are there (the offline ones may have been taken away), by role.

    With `roles`, exactly these, and each must be there. Raises Refused.
    """
    wanted = OFFLINE_KEYS + ONLINE_KEYS if roles is None else tuple(roles)
    found = find_keys([directory], wanted, passphrase)
    missing = [role for role in wanted if role not in found] if roles is not None else []
    if missing:
        raise Refused(
            f"The key of role {missing[0]!r} is not in {directory}; bring it from where it is "
            "kept, or make keys with `vitrine ota keys`."
        )
    return found


def find_keys(
    directories: Sequence[Path], roles: Sequence[str], passphrase: str | None = None
) -> dict[str, list[SigningKey]]:
    """The keys of these roles in these folders or their `offline` and `online`, by role.

    Files are `<role>.pem`, `<role>.2.pem` ..., or `<role>.key.pem` as the chain's server keeps
    them. Roles without a key are left out. Raises Refused: damaged, wrong passphrase.
    """
    found: dict[str, list[SigningKey]] = {}
    for role in roles:
        names = [_name(role, number) for number in range(1, HOLDERS_MAX + 1)]
        for folder in (part for d in directories for part in (d, d / "offline", d / "online")):
            for name in (*names, f"{role}.key.pem"):
                if (folder / name).is_file():
                    found.setdefault(role, []).append(_open(folder / name, passphrase))
    return found


def _open(path: Path, passphrase: str | None) -> SigningKey:
    data = read_bounded(path, PEM_BYTES_MAX)
    # One passphrase is given for all, but only offline keys are encrypted.
    encrypted = b"ENCRYPTED" in data
    return SigningKey.from_pem(data, passphrase if encrypted else None, str(path))


def _part(role: str) -> str:
    return "offline" if role in OFFLINE_KEYS else "online"


def _name(role: str, number: int) -> str:
    return f"{role}.pem" if number == 1 else f"{role}.{number}.pem"
