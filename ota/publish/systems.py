"""Signs a bundle of the operating system, so that boxes find, judge and fetch it by themselves.

A bundle carries RAUC's own signature as well; what is signed here says who may have it, and what
it weighs, before a byte is fetched.
"""

from __future__ import annotations

import configparser
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ota.errors import Refused
from ota.files import read_bounded, sha256_file
from ota.formats.manifest import Artefact, Newest
from ota.formats.rollout import STEER_BYTES_MAX, Plan, parse_plan
from ota.formats.rollout import encoded as plan_encoded
from ota.formats.systems import (
    BUNDLE_BYTES_MAX,
    PLAN,
    SystemRelease,
    encoded,
    parse_system,
    system_target,
)
from ota.publish.repository import Repository

RAUC_AT_LEAST = "1.15"
SQUASHFS = b"hsqs"
LENGTH_BYTES = 8
SIGNATURE_BYTES_MAX = 64 << 10
MANIFEST_BEGINS = b"[update]\n"
NO_BUNDLE = "{} is no whole RAUC bundle ({}); make it with `rauc bundle`."


@dataclass(frozen=True)
class Said:
    """What a bundle says of itself: `board` is RAUC's `compatible`."""

    board: str
    version: str


def read_bundle(path: Path) -> Said:
    """Board and version out of a `verity` bundle's own manifest, which lies in its signature.

    Not a judge of signatures (RAUC is, on the box): it keeps a person from signing the wrong
    file. Layout: squashfs, hash tree, CMS, its length in 8 bytes (RAUC, "Bundle formats").
    Raises Refused: not a bundle, cut short, of format `plain`.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(len(SQUASHFS))
            file.seek(max(0, size - LENGTH_BYTES))
            length = int.from_bytes(file.read(LENGTH_BYTES), "big")
            if magic != SQUASHFS or not 0 < length <= min(SIGNATURE_BYTES_MAX, size):
                raise Refused(NO_BUNDLE.format(path, "it does not end in a signature"))
            file.seek(size - LENGTH_BYTES - length)
            signature = file.read(length)
    except OSError as error:
        raise Refused(NO_BUNDLE.format(path, error.strerror)) from error
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_manifest_in(signature).decode())
        said = Said(parser["update"]["compatible"], parser["update"]["version"])
        is_verity = parser["bundle"]["format"] == "verity"
    except (configparser.Error, KeyError, ValueError) as error:
        raise Refused(NO_BUNDLE.format(path, "boxes take the format `verity` only")) from error
    if not is_verity:
        raise Refused(NO_BUNDLE.format(path, "boxes take the format `verity` only"))
    return said


def describe(
    bundle: Path, said: Said, needs: Sequence[Mapping[str, Any]] = (), notes: str = "",
    rauc_at_least: str = RAUC_AT_LEAST,
) -> SystemRelease:
    """What is to be signed of a bundle. Raises Refused: what a box would refuse."""
    size = bundle.stat().st_size
    if size > BUNDLE_BYTES_MAX:
        raise Refused(f"{bundle} has {size >> 20} MB, and a box takes {BUNDLE_BYTES_MAX >> 20}.")
    system_target(said.version, said.board)
    rauc = {"what": "rauc", "at_least": rauc_at_least}
    release = SystemRelease(
        1, said.version, said.board, Artefact(sha256_file(bundle), size),
        (rauc, *(dict(need) for need in needs)), notes)
    return parse_system(encoded(release))


def publish_system(
    repository: Repository, bundle: Path, release: SystemRelease, newest: bool = True,
    plan: Plan | None = None,
) -> None:
    """Sign it; with `newest` as the one for every box with this board, with a `plan` in waves.

    Raises Refused when this version was signed with other bytes: a version never changes.
    """
    name, listed = system_target(release.version, release.board), repository.listed("releases")
    data = encoded(release)
    if name in listed and listed[name]["sha256"] != hashlib.sha256(data).hexdigest():
        raise Refused(f"System {release.version} for {release.board} was signed with other bytes; "
                      "give this one a higher version.")
    if repository.put_content(bundle) != release.bundle.sha256:
        raise Refused(f"{bundle} changed while it was signed; sign it again.")
    repository.add("releases", name, data)
    if plan is not None:
        repository.add("releases", PLAN, _plan_bytes(repository, plan))
    elif newest:
        pointer = msgspec.json.encode(Newest(1, release.version), order="deterministic")
        repository.add("releases", system_target("newest", release.board), pointer)
        before = _signed_plan(repository)
        if before is not None and before.release == release.version:
            repository.remove("releases", PLAN)
    repository.publish()


def _plan_bytes(repository: Repository, plan: Plan) -> bytes:
    """The plan; one that is signed for this version already holds for the next board, too: its
    waves have begun."""
    before = _signed_plan(repository)
    if before is not None and (before.release, before.pace) == (plan.release, plan.pace):
        plan = before
    data = plan_encoded(plan)
    parse_plan(data)
    return data


def _signed_plan(repository: Repository) -> Plan | None:
    entry = repository.listed("releases").get(PLAN)
    if entry is None:
        return None
    folder, _, name = PLAN.rpartition("/")
    path = repository.directory / "targets" / folder / f"{entry['sha256']}.{name}"
    return parse_plan(read_bounded(path, STEER_BYTES_MAX))


def _manifest_in(signature: bytes) -> bytes:
    """The manifest is the content of the CMS: one DER octet string. Raises ValueError: none."""
    start = signature.index(MANIFEST_BEGINS)
    for head in (2, 3, 4):
        tag, *count = signature[max(0, start - head) : start]
        # Lengths below 128 are one byte; others say first in how many bytes they stand.
        if tag == 0x04 and (count[0] < 0x80 if head == 2 else count[0] == 0x7E + head):
            length = int.from_bytes(bytes(count if head == 2 else count[1:]), "big")
            return signature[start : start + length]
    raise ValueError("no octet string")
