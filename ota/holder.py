"""One updater at a time on a box, and a sentence for the second that names the first."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from ota.errors import Refused, Retry
from ota.files import read_bounded, write_durable
from ota.floor import locked

NOTE_BYTES_MAX = 4096


@contextmanager
def held(lock: Path, note: Path, who: str, now: datetime, wait_s: float) -> Iterator[None]:
    """Hold `lock`, and tell in `note` who does so. Raises Retry that names who has it already."""
    taken = False
    try:
        with locked(lock, wait_s):
            taken = True
            since = now.isoformat(timespec="seconds")
            body = {"who": f"vitrine ota {who}", "pid": os.getpid(), "since": since}
            write_durable(note, json.dumps(body).encode())
            yield
    except Retry as error:
        if taken:
            raise
        raise Retry(_sentence(note)) from error


def _sentence(note: Path) -> str:
    try:
        told = json.loads(read_bounded(note, NOTE_BYTES_MAX))
        who, pid, since = str(told["who"])[:60], int(told["pid"]), str(told["since"])[:40]
    except (OSError, ValueError, KeyError, TypeError, Refused):
        return "Another process is at work on this box's releases; try again in a minute."
    return (
        f"Another process is at work on this box's releases: {who} (pid {pid}), since {since}; "
        "wait for its end, or see `vitrine ota status`."
    )
