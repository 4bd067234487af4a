"""Recordings with what is said in them: the test set of `models compare --speech`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ota.errors import Refused
from ota.files import read_bounded

REFERENCES = "references.tsv"
_BYTES_MAX = 4 << 20
_LINES_MAX = 20_000
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z][A-Za-z]{1,3})?")


@dataclass(frozen=True)
class Recording:
    """A sound file, the language spoken in it, and the words."""

    audio: Path
    language: str
    words: str


def read_recordings(path: Path) -> list[Recording]:
    """Of `path`/references.tsv, or of such a file: a line is file, language and words, by tabs.

    Files are looked for beside it; a line that begins with # is none. Raises Refused, naming the
    line, for one that cannot be used.
    """
    table = path / REFERENCES if path.is_dir() else path
    if not table.is_file():
        raise Refused(
            f"There is no {table}: a line for each recording, with its file, language (zh-CN, "
            "en-US) and words, divided by tabs."
        )
    try:
        lines = read_bounded(table, _BYTES_MAX).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise Refused(f"{table} is not UTF-8 text; save it as UTF-8.") from error
    found = [
        _recording(table, number, line)
        for number, line in enumerate(lines[:_LINES_MAX], start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not found:
        raise Refused(f"{table} names no recording; write a line for each.")
    return found


def _recording(table: Path, number: int, line: str) -> Recording:
    parts = [part.strip() for part in line.split("\t")]
    if len(parts) != 3 or not parts[2]:
        raise Refused(f"{table}, line {number}: needs a file, a language and the words, by tabs.")
    name, language, words = parts
    if not _LANGUAGE.fullmatch(language):
        raise Refused(f"{table}, line {number}: {language} is no language such as zh-CN.")
    audio = table.parent / name
    if not audio.is_file():
        raise Refused(f"{table}, line {number}: there is no {audio}.")
    return Recording(audio, language, words)
