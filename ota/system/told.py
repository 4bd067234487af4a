"""What RAUC tells of bundles and systems; without the package that asks it (`ota.system.rauc`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bundle:
    """What RAUC read in a bundle whose signature is good."""

    compatible: str
    version: str


@dataclass(frozen=True)
class System:
    """One of the two systems, as RAUC knows it: `name` (rauc's own), device, whether it runs, the
    bundle that was written into it, and the sha256 and length of what was written."""

    name: str
    device: str
    runs: bool
    version: str
    sha256: str
    length_bytes: int
