"""The value before is one click away: the last change of a thing, from the audit."""

from __future__ import annotations

from fleet.console.console import Console
from fleet.store.journal import AuditLine

LINES = 50


def last_change(console: Console, what: str, about: str) -> AuditLine | None:
    """The newest `what` about this thing; its detail has `before` and `after`."""
    lines = console.journal.audit(about=about, limit=LINES)
    return next((line for line in lines if line.what == what), None)
