"""The only importer of pypinyin: its dictionary of words in a third of the memory.

The package reads 47,000 words into lists of lists of strings, each syllable its own: 55 MB in
every process that hears or speaks Chinese. There are 1,700 different syllables; here all words
share them. The readings are the same to the letter.
"""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_WORDS = "pypinyin.phrases_dict"
_FILE = "phrases_dict.json"
_KEY = re.compile(r'"([^"\\]+)"\s*:\s*')


@lru_cache(maxsize=1)
def pypinyin() -> Any:
    """The package, ready to read Chinese; 0.4 s at the first call."""
    spec = find_spec("pypinyin")
    file = Path(spec.origin).with_name(_FILE) if spec is not None and spec.origin else Path()
    if _WORDS not in sys.modules and file.is_file():
        words = ModuleType(_WORDS)
        vars(words)["phrases_dict"] = shared(file.read_text(encoding="utf-8"))
        sys.modules[_WORDS] = words  # what the package would make of this file itself
    import pypinyin as package

    return package


def shared(text: str) -> dict[str, list[tuple[str, ...]]]:
    """The words of the package's JSON with the readings of each character, none twice in memory.

    The package copies a list before it changes it, and never changes a reading.
    """
    words: dict[str, list[tuple[str, ...]]] = {}
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    decoder = json.JSONDecoder()
    found = _KEY.search(text)
    while found is not None:
        readings, end = decoder.raw_decode(text, found.end())
        each = (tuple(reading) for reading in readings)
        words[found.group(1)] = [known.setdefault(reading, reading) for reading in each]
        found = _KEY.search(text, end)
    return words
