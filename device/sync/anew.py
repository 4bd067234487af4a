"""A box that was enrolled anew forgets what its old identity followed, whatever was cut.

Enrolment lays the mark `anew` into the new identity and switches; what follows from the switch is
done here, by the enrolment itself or, after a cut, by the agent's next start.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from device.paths import Places
from ota.errors import Retry
from ota.files import read_bounded, sync_directory
from ota.floor import locked

FOLDER = "identities"
SECRET_FILES = frozenset({"key.pem"})
MARK = "anew"
MARK_BYTES_MAX = 64
# The same fleet numbers its words anew; another one is not to inherit any trust.
SAME_FLEET, OTHER_FLEET = b"same fleet\n", b"other fleet\n"


def mark_for(places: Places, tuf_root: bytes) -> dict[str, bytes]:
    """The file of a new identity that says what is to be forgotten; `tuf_root` is its root."""
    known = places.identity / "tuf-root.json"
    same = known.exists() and known.read_bytes() == tuf_root
    return {MARK: SAME_FLEET if same else OTHER_FLEET}


def settle(places: Places) -> None:
    """Forget what the mark says, and remove old identities; without a mark nothing.

    Raises Retry when the disk cannot be written.
    """
    mark = places.identity / MARK
    if not mark.exists():
        return
    try:
        with locked(places.var / "anew.lock"):
            if mark.exists():
                _forget(places, read_bounded(mark, MARK_BYTES_MAX) != SAME_FLEET)
                sweep(places)
                sync_directory(places.var)
                mark.unlink()
                sync_directory(places.identity.resolve())
    except OSError as error:
        raise Retry(
            f"What the old identity left in {places.var} cannot be removed ({error.strerror}); "
            "check the disk."
        ) from error


def _forget(places: Places, other_fleet: bool) -> None:
    places.desired.unlink(missing_ok=True)
    for path in places.var.glob("desired-seq.*"):
        path.unlink(missing_ok=True)
    if other_fleet:
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
