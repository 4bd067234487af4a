"""What a bundle of the operating system says of itself. Signed like a release of the application,
by the same role, under names of the same folder: a repository of before needs no new rule.

    releases/system-<version>.<board>.json   SystemRelease: the bundle by hash, and where it may go
    releases/system-newest.<board>.json      the version that every box with this board should run
    releases/system-plan.json                how fast a version may spread (ota.formats.rollout)
    rollouts/system.json                     the console's hand on that

A board is what RAUC calls `compatible`: the box's system.conf has it, and the bundle.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ota.errors import Refused
from ota.formats.compat import NEEDS_MAX
from ota.formats.manifest import SHA256, Artefact
from ota.formats.versions import version_key

SYSTEM_BYTES_MAX = 64 << 10
BUNDLE_BYTES_MAX = 8 << 30
PLAN, ROLLOUT = "releases/system-plan.json", "rollouts/system.json"
BOARD = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
# The signed names: of a system (version, board), and of what sends every box with a board to one.
NAMED = re.compile(rf"releases/system-(\d+(?:\.\d+)*)\.({BOARD.pattern})\.json")
POINTER = re.compile(rf"releases/system-newest\.({BOARD.pattern})\.json")


class SystemRelease(msgspec.Struct, frozen=True):
    """A system for one kind of board. `bundle` is what RAUC takes, `targets/content/<sha256>`;
    `needs` the matrix (`ota.formats.compat.Need`), RAUC's lowest version with it."""

    schema: int
    version: str
    board: str
    bundle: Artefact
    needs: tuple[dict[str, Any], ...] = ()
    notes: str = ""


def system_target(version: str, board: str) -> str:
    """The name that a system is signed under. Raises Refused: no board, no version."""
    if not BOARD.fullmatch(board):
        raise Refused(
            f"{board[:40]!r} is no name of a board; in RAUC's `compatible` write up to 32 of "
            "a-z, 0-9, - and _."
        )
    if version != "newest" and version_key(version) is None:
        raise Refused(f"{version[:40]!r} is not a version; write dotted numbers like 36.5.1.")
    return f"releases/system-{version}.{board}.json"


def steering_names(board: str) -> tuple[str, str, str]:
    """Newest, plan and roll-out of this board's system, for `ota.box.steer.look`."""
    return system_target("newest", board), PLAN, ROLLOUT


def parse_system(data: bytes) -> SystemRelease:
    """Read and check. Raises Refused: malformed, or of a schema that this code does not know."""
    try:
        release = msgspec.json.decode(data, type=SystemRelease)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"What is signed of this system is malformed ({error}).") from error
    fault = _fault(release)
    if fault:
        raise Refused(f"What is signed of this system is not acceptable: {fault}.")
    return release


def encoded(release: SystemRelease) -> bytes:
    """As it is signed: one line of JSON with sorted keys."""
    return msgspec.json.encode(release, order="deterministic")


def _fault(release: SystemRelease) -> str:
    if release.schema != 1:
        return f"schema {release.schema} is unknown"
    if version_key(release.version) is None or not BOARD.fullmatch(release.board):
        return "its version or its board is no such name"
    if not SHA256.fullmatch(release.bundle.sha256):
        return "the bundle's hash is not a sha256"
    if not 0 < release.bundle.bytes <= BUNDLE_BYTES_MAX:
        return "the bundle is empty or larger than 8 GiB"
    if len(release.needs) > NEEDS_MAX:
        return f"it has {len(release.needs)} needs, and {NEEDS_MAX} are allowed"
    return ""
