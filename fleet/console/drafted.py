"""What the editor's page shows of lines that were asked of the drafting server."""

from __future__ import annotations

from dataclasses import dataclass, field

from fleet.drafting import Proposal


@dataclass(frozen=True)
class Drafted:
    """For which product, with which notes, what came of it; `trouble` says why nothing did."""

    product: str
    notes: str
    proposals: list[Proposal] = field(default_factory=list)
    trouble: str = ""
