"""The publisher's side of taking a consent back: the list in ota.trust.withdrawn."""

from __future__ import annotations

from collections.abc import Iterable

from ota.publish.repository import Repository
from ota.trust.withdrawn import TARGET, written


def published(repository: Repository) -> list[str]:
    """The ids that the repository lists now."""
    listed = repository.listed("avatars").get(TARGET)
    return [] if listed is None else [str(each) for each in listed["custom"].get("ids", [])]


def add(repository: Repository, ids: Iterable[str]) -> list[str]:
    """Add these to the list at the next publish, or in a ceremony's listing; returns all ids.

    Raises Refused: too many.
    """
    everything = sorted({*published(repository), *ids})
    repository.add("avatars", TARGET, written(everything), {"ids": everything})
    return everything
