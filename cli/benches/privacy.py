"""Does any file hold what a visitor said? Names, contents, messages and logs are looked through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

HAN_CHARACTERS, WORDS = 4, 3  # in a row: fewer may be chance
FILE_BYTES_MAX = 256 << 20


def traces(spoken: Iterable[str], own: str) -> set[bytes]:
    """What would give a visitor's words away: runs of four Han characters or three words, as
    UTF-8 and as JSON may escape them; not those that stand in `own`, the programme's text."""
    known = own.lower()
    found: set[bytes] = set()
    for text in spoken:
        for run in _runs(text.lower()):
            if run not in known:
                found.add(run.encode())
                found.add(run.encode("unicode_escape"))
    return found


def leaks(root: Path, wanted: set[bytes]) -> list[str]:
    """The files below `root` whose name or content holds one of them, as `path: what`."""
    found = []
    for path in sorted(root.rglob("*")):
        names = str(path.relative_to(root)).lower().encode()
        data = path.read_bytes()[:FILE_BYTES_MAX].lower() if path.is_file() else b""
        found += [f"{path}: {each!r}" for each in wanted if each in names or each in data]
    return found


def _runs(text: str) -> Iterator[str]:
    for part in re.findall(r"[\u4e00-\u9fff]+", text):
        yield from (part[i : i + HAN_CHARACTERS] for i in range(len(part) - HAN_CHARACTERS + 1))
    words = re.findall(r"[a-z0-9']+", text)
    yield from (" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1))
