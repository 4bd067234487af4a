"""Chinese script: what the recogniser writes in traditional characters, in simplified ones."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


def simplified(text: str) -> str:
    """`text` with traditional characters and phrases in simplified script."""
    return str(_converter().convert(text))


@lru_cache(maxsize=1)
def _converter() -> Any:
    import opencc

    return opencc.OpenCC("t2s")
