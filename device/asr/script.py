"""The written form of a transcript: simplified characters, no sentence said twice."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_SENTENCE = re.compile(r"[^。！？!?.]+[。！？!?.]*\s*")
_REPEAT_CHARS_MIN = 4


def without_repeats(text: str) -> str:
    """`text` without sentences that only say the end of an earlier one again.

    Whisper does that to short questions ("莫莉龙珠怎么卖？莉龙珠怎么卖"); a person who repeats
    a question loses nothing.
    """
    kept: list[str] = []
    said: list[str] = []
    for sentence in _SENTENCE.findall(text):
        plain = "".join(c for c in sentence.lower() if c.isalnum())
        if len(plain) >= _REPEAT_CHARS_MIN and any(s.endswith(plain) for s in said):
            continue
        kept.append(sentence)
        said.append(plain)
    return "".join(kept).strip() or text


def simplified(text: str) -> str:
    """`text` with traditional characters and phrases in simplified script."""
    return str(_converter().convert(text))


@lru_cache(maxsize=1)
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")
