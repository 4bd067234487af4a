"""RAUC's system.conf, from the few things in which two boxes differ. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ota.errors import Refused

# Those before it lack the lower version limit of bundles and trust too much of a large plain
# bundle (CVE-2026-34155).
RAUC_AT_LEAST = (1, 15)
FORMATS = ("verity", "plain")


@dataclass(frozen=True)
class Layout:
    """Where a box keeps its two systems. `backend` is the program that speaks for the firmware,
    `keyring` the certificate that bundles are signed under, from the chain's root."""

    compatible: str
    devices: tuple[Path, Path]
    keyring: Path
    backend: Path
    data: Path
    formats: tuple[str, ...] = ("verity",)
    kind: str = "raw"


def system_conf(layout: Layout) -> str:
    """The file. Raises Refused for a line that would say something else than it should."""
    for text in (layout.compatible, layout.kind, *map(str, (
            *layout.devices, layout.keyring, layout.backend, layout.data))):
        if not text or any(sign in text for sign in "\n\r#;[]="):
            raise Refused(f"{text[:80]!r} cannot stand in RAUC's system.conf; choose another name.")
    if not layout.formats or set(layout.formats) - set(FORMATS):
        raise Refused(f"RAUC's bundles are {' or '.join(FORMATS)}.")
    lines = [
        "[system]",
        f"compatible={layout.compatible}",
        "bootloader=custom",
        f"bundle-formats={' '.join(layout.formats)}",
        f"data-directory={layout.data}" if layout.formats == ("verity",)
        else f"statusfile={layout.data / 'central.status'}",
        # The updater says when: not while a visitor is served.
        "activate-installed=false",
        "",
        "[keyring]",
        f"path={layout.keyring}",
        "",
        "[handlers]",
        f"bootloader-custom-backend={layout.backend}",
    ]
    for number, (name, device) in enumerate(zip("AB", layout.devices, strict=True)):
        lines += ["", f"[slot.rootfs.{number}]", f"device={device}", f"type={layout.kind}",
                  f"bootname={name}"]
    return "\n".join(lines) + "\n"


def version_of(told: str) -> tuple[int, ...]:
    """`rauc 1.15.2` as numbers, `rauc v1.15.2` of a build from its repository too; () when it is
    none."""
    word = told.strip().rpartition(" ")[2].removeprefix("v").partition("-")[0]
    parts = word.split(".")
    return tuple(int(part) for part in parts) if all(p.isdigit() for p in parts) else ()
