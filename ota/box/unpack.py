"""A release's artefact as it is read on the box, member by member."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ota.errors import Refused
from ota.formats.manifest import safe_path


def members(artefact: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and readers of an artefact, in order. Raises Refused: not plain files, damaged.

    Nothing is extracted by tarfile itself: it follows links and absolute paths.
    """
    try:
        with tarfile.open(artefact, "r:") as archive:
            for info in archive:
                reader = archive.extractfile(info) if info.isreg() else None
                if reader is None or not safe_path(info.name):
                    raise Refused(f"The release holds {info.name[:80]!r}, which is no plain file.")
                yield info.name, reader
    except (tarfile.TarError, EOFError) as error:
        raise Refused(f"The release's artefact is damaged ({error}).") from error
