"""The whole signed repository from a USB stick, for a shop without a line.

The same trust and the same checks as over the network: a stick is only another way of bytes.
"""

from __future__ import annotations

import builtins
import hashlib
from collections.abc import Iterator
from pathlib import Path

from ota.errors import Refused, Retry
from ota.fetch import TRUST_CHANGED, HttpStatus, Progress, check_room
from ota.files import GrowingFile, read_bounded

SCHEME = "stick:"
NOT_FOUND = 404
BLOCK_BYTES = 1 << 20
UNREADABLE = "The stick cannot be read ({}); plug it in again."


class StickFetcher:
    """Like `ota.fetch.Fetcher`, over a folder that holds `metadata/` and `targets/`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()

    def bytes(self, url: str, bytes_max: int) -> bytes:
        """The content of a small file. Raises HttpStatus (404: not there), Refused, Retry."""
        try:
            return read_bounded(self._path(url), bytes_max)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise HttpStatus(url, NOT_FOUND) from error
        except OSError as error:
            raise Retry(UNREADABLE.format(error.strerror)) from error

    def file(
        self,
        url: str,
        destination: Path,
        length_bytes: int,
        sha256: str,
        progress: Progress | None = None,
    ) -> None:
        """Copy to `destination`, verified and durable. Raises Refused, HttpStatus, Retry."""
        tell = progress or (lambda done, whole: None)
        digest = hashlib.sha256()
        part = destination.with_name(f".{sha256}.part")
        destination.parent.mkdir(parents=True, exist_ok=True)
        with GrowingFile(part) as growing:
            growing.restart()
            check_room(growing, destination, length_bytes)
            try:
                with self._path(url).open("rb") as source:
                    while block := source.read(BLOCK_BYTES):
                        digest.update(block)
                        growing.write(block)
                        tell(growing.size_bytes, length_bytes)
                        if growing.size_bytes > length_bytes:
                            break
            except (FileNotFoundError, NotADirectoryError) as error:
                raise HttpStatus(url, NOT_FOUND) from error
            except OSError as error:
                raise Retry(UNREADABLE.format(error.strerror)) from error
            if digest.hexdigest() != sha256:
                growing.restart()
                raise Refused(TRUST_CHANGED.format(url))
            growing.commit(destination)

    def span(self, url: str, start: int, length_bytes: int) -> Iterator[builtins.bytes]:
        """Exactly the bytes from `start` on, in blocks. Raises HttpStatus, Refused, Retry."""
        try:
            with self._path(url).open("rb") as source:
                source.seek(start)
                left = length_bytes
                while left and (block := source.read(min(left, BLOCK_BYTES))):
                    left -= len(block)
                    yield block
        except (FileNotFoundError, NotADirectoryError) as error:
            raise HttpStatus(url, NOT_FOUND) from error
        except OSError as error:
            raise Retry(UNREADABLE.format(error.strerror)) from error
        if left:
            raise Retry("A file on the stick is shorter than it was; copy the stick again.")

    def _path(self, url: str) -> Path:
        path = (self._directory / url.removeprefix(SCHEME).lstrip("/")).resolve()
        # A link on the stick must not lead to the box's own files.
        if not url.startswith(SCHEME) or not path.is_relative_to(self._directory):
            raise Refused(f"{url[:200]!r} leads out of the stick; it was not read.")
        return path
