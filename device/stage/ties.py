"""What the director pulls on beside stage and sound; each does nothing unless it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from device.conversation.meanings import Meanings
from device.conversation.script import Script
from device.stage.calibration import Calibration
from device.stage.unanswered import Questions
from device.stage.withheld import WithheldNews


def _nothing(_given: object) -> None:
    """Nobody is tied to it."""


@dataclass(frozen=True)
class Ties:
    """`set_volume` takes a loudness (0..1), `listen_to` the talk key to look for (None: none),
    `set_offset` the console's delay of the picture in ms, `give_way` the avatar that a programme
    asks for instead of `avatar_id`. Without `meanings`, questions are compared by their words;
    `questions` remembers those without an answer.
    """

    set_volume: Callable[[float], None] = _nothing
    listen_to: Callable[[str | None], None] = _nothing
    set_offset: Callable[[float | None], None] = _nothing
    avatar_id: str = ""
    give_way: Callable[[str], None] = _nothing
    calibration: Calibration | None = None
    meanings: Meanings[Script] | None = None
    questions: Questions = field(default_factory=Questions)
    withheld: WithheldNews = field(default_factory=WithheldNews)
