"""TUF metadata as this project uses it: the only importer of python-tuf, for both ends.

Every foreign exception leaves here as Refused or Retry (`judged`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    ExpiredMetadataError,
)
from tuf.api.exceptions import RepositoryError as TufRepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from ota.errors import Refused, Retry
from ota.fetch import HttpStatus

__all__ = [
    "DelegatedRole",
    "Delegations",
    "MetaFile",
    "Metadata",
    "Root",
    "Snapshot",
    "TargetFile",
    "Targets",
    "Timestamp",
    "Updater",
]

METADATA_BYTES_MAX = 5_000_000
# Our own field in the signed timestamp: when it was signed. TUF itself only knows expiry.
ISSUED_FIELD = "issued"
_KINDS = {"root": Root, "timestamp": Timestamp, "snapshot": Snapshot}
_COMPACT = JSONSerializer(compact=True)
_T = TypeVar("_T")


class BytesFetcher(Protocol):
    """What is needed of `ota.fetch.Fetcher`."""

    def bytes(self, url: str, bytes_max: int) -> bytes:
        """The body of `url`; raises Retry, HttpStatus or Refused."""


class Adapter(FetcherInterface):
    """Our fetcher in python-tuf's clothes: bounded, one attempt, our TLS."""

    def __init__(self, fetch: BytesFetcher) -> None:
        self._ours = fetch

    def download_bytes(self, url: str, max_length: int) -> bytes:
        """As python-tuf asks for it: DownloadHTTPError for a status, DownloadError for Retry."""
        try:
            return self._ours.bytes(url, max_length)
        except HttpStatus as error:
            raise DownloadHTTPError(str(error), error.status) from error
        except Retry as error:
            raise DownloadError(str(error)) from error

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self.download_bytes(url, METADATA_BYTES_MAX)


def new_updater(cache: Path, metadata_url: str, fetch: BytesFetcher, root: bytes) -> Updater:
    """python-tuf's client over `cache`, trusting `root`. Raises Refused, Retry."""
    config = UpdaterConfig(targets_max_length=METADATA_BYTES_MAX)
    adapter = Adapter(fetch)
    return judged(
        lambda: Updater(str(cache), metadata_url, fetcher=adapter, config=config, bootstrap=root)
    )


def judged(work: Callable[[], _T]) -> _T:
    """Run python-tuf; every foreign exception leaves as Refused or Retry."""
    try:
        return work()
    except DownloadHTTPError as error:
        raise Retry(f"The server has no trust data for this box now ({error}).") from error
    except DownloadError as error:
        raise Retry(f"The server cannot be reached now ({error}).") from error
    except ExpiredMetadataError as error:
        raise Refused(
            f"What the server offers has run out ({error}); let the fleet sign it again, and "
            "check this box's clock."
        ) from error
    except BadVersionNumberError as error:
        raise Refused(
            "What is offered is older than what this box has seen, or its parts do not belong "
            f"together ({error}); it was not used."
        ) from error
    except TufRepositoryError as error:
        text = str(error) or type(error).__name__
        raise Refused(f"What the server offers is not properly signed: {text[:200]}.") from error
    # Hostile metadata may be any JSON at all: wrong types surface as any of these.
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"The trust data is malformed ({type(error).__name__}).") from error
    except OSError as error:
        raise Retry(f"The trust store cannot be used ({error}); check the disk.") from error


def parse(data: bytes, role: str) -> Metadata[Any]:
    """Metadata of the kind that `role` must be; not yet verified. Raises Refused."""
    parsed: Metadata[Any] = judged(lambda: Metadata.from_bytes(data))
    if not isinstance(parsed.signed, _KINDS.get(role, Targets)):
        raise Refused(f"The {role} list is of another kind.")
    return parsed


def verify_first_root(data: bytes) -> None:
    """A root must at least be signed by itself. Raises Refused."""
    root = parse(data, "root")
    judged(lambda: root.signed.verify_delegate("root", root.signed_bytes, root.signatures))


def signatures(above: Metadata[Any], role: str, document: Metadata[Any]) -> set[str]:
    """Ids of the keys that `above` names for `role` and that have signed `document`."""
    result = judged(lambda: above.signed.get_verification_result(
        role, document.signed_bytes, document.signatures))
    return set(result.signed)


def check_signed(above: Metadata[Any], role: str, document: Metadata[Any]) -> None:
    """Raises Refused when fewer of the keys that `above` names have signed than must."""
    result = judged(lambda: above.signed.get_verification_result(
        role, document.signed_bytes, document.signatures))
    if not result.verified:
        raise Refused(
            f"The {role} list {document.signed.version} is signed by {len(result.signed)} of the "
            f"{result.threshold} keys that must sign it; let the others sign, or bring the "
            "repository back from its backup."
        )


def serialised(metadata: Metadata[Any]) -> bytes:
    """Compact JSON."""
    return metadata.to_bytes(_COMPACT)


def listed(snapshot: Metadata[Any]) -> dict[str, int]:
    """The versions that a snapshot names: role -> version."""
    meta = snapshot.signed.meta
    return {name.removesuffix(".json"): info.version for name, info in meta.items()}


def issued(timestamp: Metadata[Any]) -> datetime | None:
    """When a timestamp was signed, where its signer says so."""
    text = timestamp.signed.unrecognized_fields.get(ISSUED_FIELD)
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
