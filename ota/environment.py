"""Which Python runs the code of a slot: the system's own with the slot's packages. Imports only
the standard library, since nothing else may be there yet.

The code in the slot asks for it itself, so a supervisor that came with the machine starts today's
release with packages that it never heard of.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PACKAGES_FOLDER = "site-packages"
PATH = "PYTHONPATH"


def own_python(
    code: Path, module: str, arguments: Sequence[str], environment: Mapping[str, str],
    is_needed: bool = False,
) -> tuple[list[str], dict[str, str]] | None:
    """Command and environment to start `python -m module` anew with the packages of `code`; None
    when it has none, or runs on them already (unless it `is_needed` anyhow).

    They come before the system's packages, where JetPack puts TensorRT, and what the machine's
    private environment holds is not found by chance.
    """
    packages = code / PACKAGES_FOLDER
    if not packages.is_dir():
        path, python = str(code), sys.executable
    else:
        path = os.pathsep.join((str(code), str(packages)))
        major, minor = sys.version_info[:2]
        system = Path(sys.base_prefix) / "bin" / f"python{major}.{minor}"
        python = str(system) if system.is_file() else sys.executable
    if not is_needed and (not packages.is_dir() or environment.get(PATH) == path):
        return None
    own = {PATH: path, "PYTHONNOUSERSITE": "1"}
    return [python, "-m", module, *arguments], {**environment, **own}
