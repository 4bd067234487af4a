"""Small wheels, as pip would leave them, for releases that bring their own packages."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PYTHON = f"cp{sys.version_info[0]}{sys.version_info[1]}"
NATIVE = f"{PYTHON}-{PYTHON}-manylinux_2_17_x86_64.manylinux2014_x86_64"
PURE = "py3-none-any"


def wheel(
    folder: Path, name: str, version: str, files: dict[str, bytes], tag: str = PURE,
    metadata: str = "License-Expression: MIT\n",
) -> Path:
    """Write one wheel; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    told = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}"
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, body in {**files, f"{info}/METADATA": told.encode()}.items():
            archive.writestr(inside, body)
    return path


def wheelhouse(folder: Path, version: str = "1.0") -> Path:
    """A native package, one that needs it, and things a slot has no use for."""
    wheel(folder, "tea_core", version, {"tea_core/_fast.so": b"\x7fELF" * 4000}, NATIVE)
    wheel(
        folder, "tea", version,
        {"tea/__init__.py": f"VERSION = {version!r}\n".encode(), "tea/__pycache__/x.pyc": b"x",
         f"tea-{version}.data/scripts/tea": b"#!python",
         f"tea-{version}.data/purelib/leaf.py": b"LEAF = 1"},
        metadata="License: BSD-3-Clause\nRequires-Dist: tea-core>=1\n"
        'Requires-Dist: tkinter-tea; extra == "gui"\n',
    )
    return folder
