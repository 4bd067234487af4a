"""What happened to this box's software: a log whose every line vouches for the one before.

One JSON object a line: {"n", "at", "what", "detail", "before"}; `before` is the sha256 of the
previous line, so that a line cannot be changed or taken out unnoticed. Written whole and durably:
a power cut cannot tear it. It is bounded: the older half moves to `history.old.jsonl`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ota.errors import Refused
from ota.files import read_bounded, write_durable

LINES_MAX = 1000
FILE_BYTES_MAX = 4 << 20
DETAIL_CHARS_MAX = 500
FIRST = "0" * 64


@dataclass(frozen=True)
class Entry:
    """One line of the log."""

    number: int
    at: str
    what: str
    detail: dict[str, Any]


class History:
    """The log in `directory/history.jsonl`. One writer at a time (the updater's lock)."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "history.jsonl"
        self._old = directory / "history.old.jsonl"

    def add(self, what: str, at: datetime, detail: Mapping[str, str] | None = None) -> None:
        """Append one event, durably. Raises Retry (disk full)."""
        lines = self._lines(self._path)
        short = {key: value[:DETAIL_CHARS_MAX] for key, value in (detail or {}).items()}
        last = lines[-1] if lines else b""
        number = _count_to(lines, len(lines)) + 1
        body = {
            "n": number,
            "at": at.isoformat(timespec="seconds"),
            "what": what,
            "detail": short,
            "before": _hash(last),
        }
        lines.append(json.dumps(body, sort_keys=True, ensure_ascii=False).encode())
        if len(lines) > LINES_MAX:
            half = LINES_MAX // 2
            write_durable(self._old, b"\n".join(lines[:half]) + b"\n")
            lines = lines[half:]
        write_durable(self._path, b"\n".join(lines) + b"\n")

    def entries(self) -> list[Entry]:
        """All lines that can be read, oldest first."""
        found = []
        for line in dict.fromkeys(self._lines(self._old) + self._lines(self._path)):
            parsed = _parsed(line)
            if parsed is not None:
                found.append(
                    Entry(parsed["n"], parsed["at"], parsed["what"], dict(parsed["detail"]))
                )
        return found

    def broken_at(self) -> int | None:
        """The number of the first line that does not fit the one before it, or None."""
        old, new = self._lines(self._old), self._lines(self._path)
        # A cut while the older half moved away leaves its lines in both files.
        both = bool(old and new) and _number(new[0]) <= _number(old[-1])
        return first_break(new if both else [*old, *new])

    def _lines(self, path: Path) -> list[bytes]:
        try:
            data = read_bounded(path, FILE_BYTES_MAX)
        except (FileNotFoundError, Refused):
            return []
        return [line for line in data.split(b"\n") if line]


def first_break(lines: Sequence[bytes]) -> int | None:
    """The number of the first line that breaks the chain, or None. Pure.

    A line that cannot be read (torn, overwritten) has the number that it should have had.
    """
    for index, line in enumerate(lines):
        parsed = _parsed(line)
        if parsed is None:
            return _count_to(lines, index) + 1
        starts = index == 0 and (parsed["n"] != 1 or parsed["before"] == FIRST)
        if not starts and not _follows(lines[index - 1] if index else b"", line):
            return int(parsed["n"])
    return None


def _count_to(lines: Sequence[bytes], end: int) -> int:
    """The number of line `end - 1`: its own, or counted on from the last that can be read."""
    for back in range(end):
        number = _number(lines[end - 1 - back])
        if number:
            return number + back
    return end


def _follows(before: bytes, line: bytes) -> bool:
    parsed = _parsed(line)
    if parsed is None:
        return False
    return bool(parsed["before"] == _hash(before) and parsed["n"] == _number(before) + 1)


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest() if line else FIRST


def _number(line: bytes) -> int:
    parsed = _parsed(line) if line else None
    return int(parsed["n"]) if parsed else 0


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        parsed = json.loads(line)
        int(parsed["n"]), str(parsed["before"]), dict(parsed["detail"])
        str(parsed["at"]), str(parsed["what"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return dict(parsed)
