"""A repository whose next list is written to a file for several people to sign."""

from __future__ import annotations

from ota.publish import ceremony
from ota.publish.repository import Repository


class Collecting(Repository):
    """As its parent, but what is added waits for `change` instead of being published."""

    def publish(self) -> int:
        """Nothing yet; returns 0."""
        return 0

    def change(self, role: str) -> ceremony.Change:
        """What was added for this role. Files are in place already; no list names them yet."""
        return ceremony.listing(self, role)
