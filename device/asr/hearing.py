"""What the ear knows at a moment; changed only by its main loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from device.asr.listening import State
from device.asr.recogniser import Transcript
from device.asr.turns import Ended
from device.conversation.spelling import Spelling

BEHIND = "The recogniser cannot keep up; something else uses the processor."
_KEPT_MAX = 8


@dataclass
class Hearing:
    """Languages, prompt and programme as last learnt; what it told of the voice ("", "maybe" or
    "certain") and of how it listens; results and ends that wait for each other by number.

    `turn` counts the turns, `sketched_turn` is the one that was last looked at while it went on.
    """

    languages: tuple[str, ...]
    prompt: Mapping[str, str] = field(default_factory=dict)
    programme: tuple[str, int] = ("", 0)
    spelling: Spelling = field(default_factory=Spelling)
    showing: str | None = None
    voice: str = ""
    state: State = "awake"
    chunk_ns: int = 0
    turn: int = 0
    sketched_turn: int = -1
    results: dict[int, Transcript] = field(default_factory=dict)
    ended: dict[int, Ended] = field(default_factory=dict)
    cut_ns: int = 0
    behind: bool = False
    fault: str | None = None

    @property
    def wrong(self) -> str | None:
        """A sentence when something is."""
        return self.fault or (BEHIND if self.behind else None)


def keep_newest(numbered: dict[int, Any]) -> None:
    """Results and ends that never met (the turn was dropped) go, oldest first."""
    while len(numbered) > _KEPT_MAX:
        numbered.pop(next(iter(numbered)))
