"""The content store: files named by the sha256 of their bytes. Bounded, verified, self-healing.

A file is here whole or not at all; one that rotted is noticed by `verify`, removed, and fetched
again by its owner. Used for release artefacts, programmes and avatars.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from ota.errors import Refused, Retry
from ota.files import GrowingFile, sha256_file, write_durable

SHA256 = re.compile(r"[0-9a-f]{64}")
BLOCK_BYTES = 1 << 20
CHUNKS_SUFFIX = ".chunks"
# Files that grow over many sittings (ota.fetch, ota.box.assemble).
GROWING_SUFFIXES = (".part", ".grown")


class Store:
    """Files under `directory/<2 hex>/<sha256>`, together at most `bytes_max`."""

    def __init__(self, directory: Path, bytes_max: int) -> None:
        self._directory = directory
        self._bytes_max = bytes_max

    @property
    def directory(self) -> Path:
        """Where they lie."""
        return self._directory

    def path(self, sha256: str) -> Path:
        """Where the content of this hash lies or will lie. Raises Refused: not a hash."""
        if not SHA256.fullmatch(sha256):
            raise Refused(f"{sha256[:80]!r} is not a sha256 in lower-case hex.")
        folder = self._directory / sha256[:2]
        if folder.is_symlink():
            raise Refused(f"{folder} is a link, which no part of the store is; remove it.")
        return folder / sha256

    def chunks_path(self, sha256: str) -> Path:
        """Where the list of the chunks of this content lies, if it has one."""
        return self.path(sha256).with_suffix(CHUNKS_SUFFIX)

    def has(self, sha256: str) -> bool:
        """True when it is here (it was verified when it came)."""
        path = self.path(sha256)
        return path.is_file() and not path.is_symlink()

    def put(self, source: bytes | Path, sha256: str | None = None) -> str:
        """Store bytes or a file's bytes; returns the hash. Idempotent, durable.

        Raises Refused when it is not what `sha256` says, Retry when the store is full.
        """
        found = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else ""
        found = found or sha256_file(Path(str(source)))
        if sha256 is not None and found != sha256:
            raise Refused(f"The content is {found[:12]}, not the signed {sha256[:12]}.")
        path = self.path(found)
        if self.has(found):
            return found
        self.make_room(len(source) if isinstance(source, bytes) else source.stat().st_size)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            write_durable(path, source)
        else:
            _copy(source, path, found)
        return found

    def make_room(self, bytes_wanted: int) -> None:
        """Raises Retry when so many bytes would go over the store's limit."""
        used = self.used_bytes()
        if used + bytes_wanted > self._bytes_max:
            raise Retry(
                f"The content store is full ({used >> 20} of {self._bytes_max >> 20} MB); it is "
                "tried again when old content was removed."
            )

    def free_bytes(self) -> int:
        """How much more the store's limit allows."""
        return self._bytes_max - self.used_bytes()

    def disk_free_bytes(self) -> int:
        """How much more the disk has room for."""
        existing = next(path for path in (self._directory, *self._directory.parents)
                        if path.exists())
        return shutil.disk_usage(existing).free

    def length_bytes(self, sha256: str) -> int:
        """The size of what is here; 0 when it is not."""
        try:
            return self.path(sha256).stat().st_size
        except OSError:
            return 0

    def loaded_bytes(self, sha256: str) -> int:
        """How much of a file that is not whole yet has come: a cut or a broken line left it."""
        path = self.path(sha256)
        parts = [path.with_name(f".{sha256}{suffix}") for suffix in GROWING_SUFFIXES]
        return max((part.stat().st_size for part in parts if part.is_file()), default=0)

    def files(self) -> list[Path]:
        """Every file: contents, lists of chunks, half-loaded ones."""
        return [path for path in self._directory.glob("??/*") if path.is_file()]

    def verify(self, sha256: str, from_disk: bool = False) -> bool:
        """Read it all again; a rotten file is removed. False: not here (any more).

        `from_disk`: not what the page cache holds of it (see ota.files).
        """
        path = self.path(sha256)
        try:
            if not path.is_symlink() and sha256_file(path, from_disk) == sha256:
                return True
        except FileNotFoundError:
            return False
        except OSError:
            # An unreadable block is rot like any other.
            pass
        path.unlink(missing_ok=True)
        return False

    def remove(self, sha256: str) -> None:
        """Forget it, its list of chunks and what was loaded of it."""
        path = self.path(sha256)
        for each in (path, self.chunks_path(sha256), *path.parent.glob(f".{sha256}.*")):
            each.unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """The hashes of all that is here."""
        for path in sorted(self._directory.glob("??/*")):
            if SHA256.fullmatch(path.name):
                yield path.name

    def used_bytes(self) -> int:
        """Bytes of all files, half-loaded ones included."""
        return sum(path.stat().st_size for path in self.files())

    def keep_only(self, wanted: Collection[str]) -> int:
        """Remove everything else, half-loaded files included; returns the bytes won."""
        won = 0
        for path in list(self._directory.glob("??/*")) + list(self._directory.glob("??/.*")):
            name = path.name.lstrip(".").split(".")[0]
            if name not in wanted and path.is_file():
                won += path.stat().st_size
                path.unlink(missing_ok=True)
        return won


def _copy(source: Path, destination: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    part = destination.with_name(f".{destination.name}.part")
    with GrowingFile(part) as growing, source.open("rb") as reader:
        growing.restart()
        while block := reader.read(BLOCK_BYTES):
            digest.update(block)
            growing.write(block)
        if digest.hexdigest() != sha256:
            raise Refused(f"{source} changed while it was stored; try again.")
        growing.commit(destination)
