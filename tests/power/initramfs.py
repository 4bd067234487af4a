"""The first file system of a guest: busybox, the kernel modules it needs, and `/init`. Pure but for
the files that it reads.
"""

from __future__ import annotations

import gzip
import lzma
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

BUSYBOX = Path("/bin/busybox")
NEEDS = re.compile(rb"\0depends=([^\0]*)\0")
FOLDERS = ("bin", "proc", "sys", "dev", "host", "slot", "modules")


def initramfs(modules: Path, names: tuple[str, ...], init: str) -> bytes:
    """A gzipped cpio archive; `modules` is `/lib/modules/VERSION` of the kernel that unpacks it.

    Modules that are built into the kernel are left out.
    """
    known = {_name(path): path for path in modules.rglob("*.ko*")}
    bodies = dict(_with_needs(known, names))
    files = {
        "init": init.encode(), "bin/busybox": BUSYBOX.read_bytes(),
        "modules/order": " ".join(bodies).encode(),
        **{f"modules/{name}": body for name, body in bodies.items()},
    }  # fmt: skip
    return gzip.compress(_archive(files), 1)


def _with_needs(known: Mapping[str, Path], names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Names and bytes of these modules, each after those that it depends on."""
    for name in (each.replace("-", "_") for each in names):
        if (path := known.get(name)) is None:
            continue
        body = path.read_bytes()
        body = lzma.decompress(body) if path.suffix == ".xz" else body
        needs = NEEDS.search(body)
        wanted = needs[1].decode().split(",") if needs and needs[1] else []
        yield from _with_needs(known, tuple(wanted))
        yield name, body


def _name(path: Path) -> str:
    return path.name.partition(".")[0].replace("-", "_")


def _archive(files: Mapping[str, bytes]) -> bytes:
    """The kernel's own format: cpio, "newc"."""
    entries = [(name, stat.S_IFDIR | 0o755, b"") for name in FOLDERS]
    entries += [(name, stat.S_IFREG | 0o755, data) for name, data in files.items()]
    return b"".join(_member(*entry) for entry in [*entries, ("TRAILER!!!", 0, b"")])


def _member(name: str, mode: int, data: bytes) -> bytes:
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
