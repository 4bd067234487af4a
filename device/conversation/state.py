"""Where the conversation stands; made and changed only by `step`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from device.conversation.cues import Sentence
from device.conversation.script import Script

Mode = Literal["idle", "presenting", "listening", "answering", "fallback", "notice"]


@dataclass(frozen=True)
class Line:
    """A line that is being said, or was interrupted: its sentences and the one to say next."""

    kind: Literal["segment", "answer", "fallback", "notice"]
    item_id: str
    sentences: tuple[Sentence, ...]
    next_number: int = 0
    show: str | None = None
    gesture: str | None = None


@dataclass(frozen=True)
class State:
    """Everything the conversation knows. `mode` is what the player reports.

    `saying` is the sentence that sounds now; `line` what it belongs to; `resume` the
    presentation's line to go on with. Times are of the monotonic clock, in seconds.
    """

    script: Script
    mode: Mode = "idle"
    language: str | None = None
    utc: datetime | None = None
    utc_at_s: float = 0.0
    saying: Sentence | None = None
    line: Line | None = None
    resume: Line | None = None
    last_segment: str | None = None
    showing: str | None = None
    pending: Script | None = None
    override: Line | None = None
    override_until: datetime | None = None
    muted: bool = False
    voice_since_s: float | None = None
    wait_until_s: float = 0.0
    captioned: bool = False
