"""What shops of every trade are asked, in the many words that people use for it.

`topics.txt` has one topic a line: its name, Chinese and English wordings; "this" and 这个 stand
where a product's name would. It is language at large: nothing in it comes from a test set. A topic
that a programme answers lends its wordings to that answer; all others are what strangers ask.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).with_name("topics.txt")


@lru_cache(maxsize=1)
def topics() -> dict[str, tuple[str, ...]]:
    """The wordings of each topic, both languages."""
    found = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        name, chinese, english = (part.strip() for part in line.split("#"))
        found[name] = (*chinese.split("|"), *english.split("|"))
    return found
