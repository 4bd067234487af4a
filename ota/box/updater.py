"""The updater's own place, beside the slots, and replaced last.

    <opt>/updater/slots/a  /b      its code and the packages that it needs, out of a release
    <opt>/updater/current          the same kind of switch as between the slots
    <opt>/updater/tries            how often the new one was started without getting anywhere

It is written only out of a release that was confirmed, verified, and switched like a slot; what
the machine came with stays, and runs again when the new one does not get through a turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from ota.box.slots import DirectorySlots
from ota.box.state import SLOTS, Phase, State
from ota.errors import Refused, VitrineError
from ota.files import read_bounded, write_durable
from ota.formats.manifest import Manifest
from ota.formats.versions import version_key

PLACE, TRIES = "updater", "tries"
TRIES_MAX = 3
# What `python -m cli.updater` imports of the code; its packages, with what they need on any Python
# of a box, come from the list of wheels. RAUC is asked by dbus-fast, where a release brings it.
ENTRY = "cli/updater.py"
CODE = ("cli/__init__.py", ENTRY, "device/__init__.py", "device/paths.py", "ota/")
PACKAGES = ("cffi", "cryptography", "dbus-fast", "msgspec", "pycparser", "securesystemslib", "tuf",
            "typing-extensions", "urllib3", "zstandard")


def renew(opt: Path, slots: DirectorySlots, state: State) -> bool:
    """Put the updater of the confirmed release into its place; True when it must start anew.

    Nothing to do, or no room for it: False, and the old one works on.
    """
    manifest = slots.manifest(state.good) if state.good and state.phase is Phase.IDLE else None
    wanted = None if manifest is None else updater_part(manifest)
    home = DirectorySlots(opt / PLACE)
    now = home.active()
    before = version_key((now and home.version(now)) or "0") or (0,)
    if wanted is None or state.good is None or (version_key(wanted.version) or (0,)) <= before:
        return False
    free = next(name for name in SLOTS if name != now)
    try:
        home.sweep()
        home.check_room(free, wanted.unpacked_bytes)
        home.mark_bad(free)
        home.write(free, wanted, _members(slots.folder(state.good), wanted))
        home.mark_whole(free, msgspec.json.encode(wanted, order="deterministic"))
        write_durable(opt / PLACE / TRIES, b"0")
        home.make_active(free)
    except VitrineError:
        return False
    return True


def updater_part(manifest: Manifest) -> Manifest | None:
    """The release's manifest with what the updater runs on; None when it brings no updater."""
    files = {name: entry for name, entry in manifest.files.items()
             if manifest.updater and name.startswith(manifest.updater)}
    return msgspec.structs.replace(manifest, files=files, sbom="") if ENTRY in files else None


def place_to_start(opt: Path) -> Path | None:
    """The folder of the newer updater, when there is one that is whole and gets anywhere; this
    start is counted, durably."""
    home = DirectorySlots(opt / PLACE)
    active = home.active()
    if active not in SLOTS:
        return None
    tries = _tries(opt)
    if tries >= TRIES_MAX or not home.verified(active):
        return None
    try:
        write_durable(opt / PLACE / TRIES, str(tries + 1).encode())
    except VitrineError:
        return None  # a start that cannot be counted is not tried
    return home.folder(active)


def settled(opt: Path) -> None:
    """This updater got through a turn. Raises Retry."""
    if _tries(opt):
        write_durable(opt / PLACE / TRIES, b"0")


def _tries(opt: Path) -> int:
    try:
        return int(read_bounded(opt / PLACE / TRIES, 16))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, Refused):
        return TRIES_MAX


def _members(folder: Path, manifest: Manifest) -> Iterator[tuple[str, IO[bytes]]]:
    for name in sorted(manifest.files):
        with (folder / name).open("rb") as body:
            yield name, body
