"""The identity on the disk: made whole in a folder of its own, then one atomic switch.

    etc/vitrine/identities/<name>/    key.pem (0600) cert.pem ca.pem box.json tuf-root.json anew
    etc/vitrine/identity -> identities/<name>

Half an enrolment leaves nothing that a box would use: the switch is the last step, and what
follows from it is the business of `device.sync.anew`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from device.paths import Places
from device.sync.anew import FOLDER, SECRET_FILES, sweep
from ota.errors import Refused, Retry
from ota.files import link_durable, sync_directory, write_durable


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


def forget(places: Places) -> None:
    """Remove the identity and everything that was under way."""
    if places.identity.is_symlink():
        places.identity.unlink()
        sync_directory(places.etc)
    sweep(places)
