"""The identity on the disk: made whole in a folder of its own, then one atomic switch.

    etc/vitrine/identities/<name>/    key.pem (0600) cert.pem ca.pem box.json tuf-root.json
    etc/vitrine/identity -> identities/<name>

Half an enrolment leaves nothing that a box would use: the switch is the last step.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from device.paths import Places
from ota.errors import Refused, Retry
from ota.files import link_durable, sync_directory, write_durable

FOLDER = "identities"
SECRET_FILES = frozenset({"key.pem"})


def is_enrolled(places: Places) -> bool:
    """True when there is a complete identity."""
    return (places.identity / "box.json").exists()


def new_folder(places: Places) -> Path:
    """An empty folder for an identity under way, readable by its owner only."""
    path = places.etc / FOLDER / f"new-{secrets.token_hex(6)}"
    try:
        path.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise Retry(
            f"{path.parent} cannot be written ({error.strerror}); run this as the box's user."
        ) from error
    return path


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Put files into an identity under way, each durable; secrets get mode 0600."""
    for name, data in files.items():
        write_durable(folder / name, data, 0o600 if name in SECRET_FILES else 0o644)


def switch_to(places: Places, folder: Path, name: str) -> None:
    """Make `folder` the box's identity, then remove all others."""
    if places.identity.exists() and not places.identity.is_symlink():
        raise Refused(f"{places.identity} is a folder from elsewhere; move it away first.")
    final = folder.with_name(f"{name}-{secrets.token_hex(4)}")
    folder.rename(final)
    sync_directory(final.parent)
    link_durable(Path(FOLDER) / final.name, places.identity)
    sweep(places)


def forget_state(places: Places, tuf_root: bytes | None = None) -> None:
    """Whoever enrols a box may start its numbering anew; another fleet's trust is dropped too.

    `tuf_root` is the new fleet's first root; None forgets everything.
    """
    places.desired.unlink(missing_ok=True)
    for path in places.var.glob("desired-seq.*"):
        path.unlink(missing_ok=True)
    known = places.identity / "tuf-root.json"
    if tuf_root is not None and known.exists() and known.read_bytes() == tuf_root:
        return
    (places.var / "held.json").unlink(missing_ok=True)
    for trust in (places.var / "trust", places.var / "ota" / "trust"):
        shutil.rmtree(trust, ignore_errors=True)


def sweep(places: Places) -> None:
    """Remove identities that the switch does not point to: left by a cut or replaced."""
    kept = places.identity.resolve().name if places.identity.is_symlink() else ""
    folder = places.etc / FOLDER
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name != kept:
            destroy(path)


def destroy(path: Path) -> None:
    """Overwrite the secrets once, then remove the folder."""
    for name in SECRET_FILES:
        secret = path / name
        if secret.is_file() and not secret.is_symlink():
            with secret.open("r+b") as file:
                file.write(secrets.token_bytes(secret.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
    shutil.rmtree(path, ignore_errors=True)


def forget(places: Places) -> None:
    """Remove the identity and everything that was under way."""
    places.identity.unlink(missing_ok=True)
    sweep(places)
