"""Figures of renderer."""

from __future__ import annotations

from cli.benches.figure import Figure


def measure() -> list[Figure]:
    """Nothing yet."""
    return []
