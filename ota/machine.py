"""What this machine is: the facts that a release's compatibility matrix asks for.

All from files that every Linux has, or a Jetson; what is missing is left out, never guessed.
"""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path

from ota.errors import Refused
from ota.files import read_bounded
from ota.formats.compat import Facts

# Counts up when a release could need something of the updater that an older one cannot do.
UPDATER_VERSION = "2"
FILE_BYTES_MAX = 1 << 20
PROGRAMME_BYTES_MAX = 8 << 20
PROGRAMMES_MAX = 64
# Jetson Linux's first number, and the JetPack that it belongs to (NVIDIA's release notes).
JETPACK_OF_L4T = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7", "39": "7"}
L4T = re.compile(r"R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)")
TENSORRT = re.compile(r"libnvinfer\.so\.(\d+\.\d+\.\d+)")


def facts_of(
    root: Path = Path("/"), programmes: Path | None = None, plays: int | None = None
) -> Facts:
    """The facts of the machine whose files are under `root`.

    `plays` is the schema of the programme that plays. Where nobody says it, it is the highest in
    `programmes`, the box's folder of programmes.
    """
    found = {
        "machine": (platform.machine(),),
        "glibc": (platform.libc_ver()[1],),
        "updater": (UPDATER_VERSION,),
        **_system(root),
        "board": _board(root),
        **_jetson(root),
        "programme_schema": _schema_of(plays, programmes),
    }
    return {name: tuple(filter(None, values)) for name, values in found.items() if any(values)}


def memory_free_bytes(root: Path = Path("/")) -> int:
    """What programs may still take without swapping; 0 where the kernel does not say."""
    found = re.search(r"MemAvailable:\s*(\d+) kB", _text(root / "proc" / "meminfo"))
    return int(found[1]) << 10 if found else 0


def _system(root: Path) -> dict[str, tuple[str, ...]]:
    """`os` is `ubuntu` and `ubuntu-22.04`; see os-release(5)."""
    fields = dict(re.findall(r'^(ID|VERSION_ID)="?([\w.-]+)"?$', _text(root / "etc/os-release"),
                             re.MULTILINE))
    name, version = fields.get("ID", ""), fields.get("VERSION_ID", "")
    return {"os": (name, f"{name}-{version}" if version else ""), "os_version": (version,)}


def _board(root: Path) -> tuple[str, ...]:
    """Names of the device tree, most exact first, or the mainboard's of a PC."""
    tree = _text(root / "proc/device-tree/compatible")
    if tree:
        return tuple(name for name in tree.split("\0") if name)
    return (_text(root / "sys/class/dmi/id/board_name").strip(),)


def _jetson(root: Path) -> dict[str, tuple[str, ...]]:
    release = L4T.search(_text(root / "etc/nv_tegra_release"))
    if release is None:
        return {}
    folder = root / "usr/lib/aarch64-linux-gnu"
    tensorrt = [match[1] for path in folder.glob("libnvinfer.so.*")
                if (match := TENSORRT.fullmatch(path.name))]
    return {
        "l4t": (f"{release[1]}.{release[2]}",),
        "jetpack": (JETPACK_OF_L4T.get(release[1], ""),),
        "tensorrt": (max(tensorrt, default=""),),
    }


def _schema_of(plays: int | None, programmes: Path | None) -> tuple[str, ...]:
    """What plays, else the highest schema among what is laid out on this box."""
    if plays is None and programmes is not None:
        folders = sorted(programmes.glob("*"))[:PROGRAMMES_MAX]
        plays = max((_schema(folder / "programme.json") for folder in folders), default=0)
    return (str(plays or ""),)


def _schema(path: Path) -> int:
    try:
        found = json.loads(read_bounded(path, PROGRAMME_BYTES_MAX))
        schema = found.get("schema", 0) if isinstance(found, dict) else 0
    except (OSError, ValueError, RecursionError, Refused):
        return 0
    return schema if isinstance(schema, int) and schema > 0 else 0


def _text(path: Path) -> str:
    try:
        return read_bounded(path, FILE_BYTES_MAX).decode(errors="replace")
    except (OSError, Refused):
        return ""
