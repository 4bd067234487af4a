"""Asks the chain, now and then, whose face may no longer be shown."""

from __future__ import annotations

import hashlib
from typing import Protocol

from ota.errors import Refused
from ota.trust.client import Target
from ota.trust.withdrawn import LIST_BYTES_MAX, TARGET, Withdrawn, read


class Trust(Protocol):
    """What is needed of ota.trust.client.TrustClient."""

    def known(self, path: str) -> Target | None:
        """What the last refresh knows under this name; raises Retry, Refused."""
        ...


class Fetch(Protocol):
    """What is needed of ota.fetch.Fetcher."""

    def bytes(self, url: str, bytes_max: int) -> bytes:
        """A small file; raises Retry, Refused."""
        ...


def look(trust: Trust, fetch: Fetch, targets_url: str, known: Withdrawn) -> frozenset[str]:
    """What the chain has taken back since the last look; it is remembered for good.

    The trust must have been refreshed. Raises Retry, Refused.
    """
    target = trust.known(TARGET)
    if target is None or target.sha256 == known.newest_list():
        return frozenset()
    data = fetch.bytes(target.url(targets_url), min(target.length_bytes, LIST_BYTES_MAX))
    if hashlib.sha256(data).hexdigest() != target.sha256:
        raise Refused("The list of withdrawn consents is not the one that was signed.")
    return known.learn(read(data), target.sha256)
