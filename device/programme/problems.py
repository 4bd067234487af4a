"""What is wrong with a programme, as sentences in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from device.programme.positions import Path

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One fault of a programme's file, for its editor.

    `field` is a path such as `products[0].price`; line and column count from 1. An error
    stops publishing; a warning does not.
    """

    file: str
    line: int
    field: str
    sentence_zh: str
    sentence_en: str
    severity: Severity = "error"
    column: int = 1


@dataclass(frozen=True)
class Fault:
    """A problem before its place in the file is looked up."""

    path: Path
    zh: str
    en: str
    severity: Severity = "error"
    at_key: bool = False


def near(wrong: str, known: list[str]) -> tuple[str, str]:
    """What to add to a sentence, zh and en, when a known word is like the wrong one; else ""."""
    low = {each.lower(): each for each in known}
    found = get_close_matches(wrong.lower()[:60], list(low), n=1, cutoff=0.6)
    if not found:
        return "", ""
    return f",是不是“{low[found[0]]}”?", f'; did you mean "{low[found[0]]}"?'
