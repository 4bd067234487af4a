"""Versions of releases, and which comes after which. Pure."""

from __future__ import annotations

VERSION_PARTS_MAX = 4
VERSION_DIGITS_MAX = 9


def version_key(version: str) -> tuple[int, ...] | None:
    """Numbers to compare, `1.10` after `1.9`; None when it is not dotted numbers. Pure."""
    parts = version.split(".")
    if len(parts) > VERSION_PARTS_MAX:
        return None
    # str.isdecimal alone would take digits of other scripts.
    if not all(p.isascii() and p.isdecimal() and len(p) <= VERSION_DIGITS_MAX for p in parts):
        return None
    numbers = [int(part) for part in parts]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
