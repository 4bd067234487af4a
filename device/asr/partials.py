"""What is understood while somebody still speaks: two looks that agree. Pure, but for the seam.

A recogniser of whole utterances changes its mind about the last words until it has heard them;
what two looks in a row have in common at their beginning stays (local agreement, Liu et al. 2020).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from device.asr.recogniser import Samples, Transcript

FIRST_MS = 800  # less is guessed at
AGAIN_MS = 1500  # most questions are over by then, and the answer need not wait for a look
LENGTH_MAX_MS = 12_000  # what is longer costs too much to look at again and again
_WORK_SHARE = 0.6  # at most so much of a core goes into looks
_UNIT = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+")
_MARKS = "，。、？！,.?!;:；：…"


@runtime_checkable
class Sketching(Protocol):
    """A recogniser that can be asked before the end, and given up on."""

    def sketch(
        self, samples_16k: Samples, languages: Sequence[str], given_up: Callable[[], bool]
    ) -> Transcript | None:
        """A quick look, without prompt and second tries; None when it was given up."""

    def transcribe_unless(
        self, samples_16k: Samples, languages: Sequence[str],
        prompt: Mapping[str, str] | None, given_up: Callable[[], bool],
        enough: Callable[[str, str], bool],
    ) -> Transcript | None:
        """`transcribe`, given up between its stages; None then. A text that is `enough` (with
        its language) needs no second search."""


class Partials:
    """The looks at one turn: when the next is due, and what has stayed the same."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """A new turn."""
        self._looked_ms = 0
        self._rest_ms = 0.0
        self._last = ""
        self.stable = ""
        self.language = ""

    def due(self, length_ms: int) -> bool:
        """Is another look worth it, with `length_ms` of the turn heard?"""
        if length_ms > LENGTH_MAX_MS:
            return False
        first = self._looked_ms == 0
        return length_ms >= (
            FIRST_MS if first else self._looked_ms + max(AGAIN_MS, self._rest_ms)
        )

    def looked(self, length_ms: int) -> None:
        """A look at so much of the turn was begun."""
        self._looked_ms = length_ms

    def saw(self, text: str, language: str, took_ms: float) -> str | None:
        """The stable text when this look made it longer, else None."""
        self._rest_ms = took_ms / _WORK_SHARE
        stable = agreed(self._last, text)
        self._last = text
        self.language = language or self.language
        if len(stable) <= len(self.stable):
            return None
        self.stable = stable
        return stable


def agreed(one: str, other: str) -> str:
    """What both begin with, in whole words of Latin script and characters of Chinese."""
    end = 0
    for first, second in zip(_UNIT.finditer(one), _UNIT.finditer(other), strict=False):
        if first[0].strip(_MARKS).lower() != second[0].strip(_MARKS).lower():
            break
        end = second.end()
    return other[:end].rstrip(_MARKS + " ")
