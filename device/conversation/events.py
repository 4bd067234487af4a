"""What happens to the conversation: the events that `step` takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from device.conversation.cues import Kind, Sentence
from device.conversation.script import Script


@dataclass(frozen=True)
class Tick:
    """Time passes: send one about four times a second. `utc` is the trusted wall clock, aware."""

    utc: datetime


@dataclass(frozen=True)
class VoiceStarted:
    """Somebody begins to speak; `certain` false: it may be a cough as well, `first`: or nothing."""

    certain: bool = True
    first: bool = False


@dataclass(frozen=True)
class VoiceEnded:
    """The voice detector hears the voice end; a `Heard` may follow."""


@dataclass(frozen=True)
class Hearing:
    """What is understood of an utterance so far."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Heard:
    """A finished utterance. `confidence` is the mean token log-probability, 0 is best."""

    text: str
    language: str = ""
    confidence: float = 0.0


@dataclass(frozen=True)
class BeyondChosen:
    """May questions without an answer be put to an endpoint, and how long is waited for it?"""

    limit_s: float | None


@dataclass(frozen=True)
class Replied:
    """What the endpoint said to question `number`: None, and why, when it said nothing."""

    number: int
    text: str | None
    why: str = ""
    took_ms: float = 0.0


@dataclass(frozen=True)
class SentenceDone:
    """The sentence of that line key was played to its end."""

    key: str


@dataclass(frozen=True)
class ProgrammeChanged:
    """A new programme, or new values of the store's variables; taken over at the next sentence."""

    script: Script


@dataclass(frozen=True)
class Sensed:
    """The same programme, its questions now compared by meaning as well: from now on."""

    script: Script


@dataclass(frozen=True)
class LanguageChosen:
    """The console's choice of the language of the presentation; None is the programme's first."""

    language: str | None


@dataclass(frozen=True)
class SayNow:
    """An order of the console: a segment or an answer by its id, or ready sentences."""

    segment_id: str | None = None
    answer_id: str | None = None
    sentences: tuple[Sentence, ...] = ()
    show: str | None = None


@dataclass(frozen=True)
class Override:
    """An emergency notice, repeated until `until` instead of the programme; () takes it back."""

    sentences: tuple[Sentence, ...] = ()
    show: str | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Muted:
    """Says nothing while `on` (the picture and the cards stay)."""

    on: bool


@dataclass(frozen=True)
class GoOnWith:
    """The player died while it said sentence `number` of this line: begin there, before a Tick.

    `text` are the words of a notice that stands in no programme; `utc` as in Tick.
    """

    kind: Kind
    item_id: str
    number: int
    language: str
    utc: datetime
    text: str = ""


@dataclass(frozen=True)
class Resting:
    """The shop is closed while `on`: rest from the sentence's end, deaf, without a card."""

    on: bool


@dataclass(frozen=True)
class Driven:
    """A person begins or ends to speak as the avatar: meanwhile no script and no answers."""

    on: bool


Event = (
    Tick
    | VoiceStarted
    | VoiceEnded
    | Hearing
    | Heard
    | BeyondChosen
    | Replied
    | SentenceDone
    | ProgrammeChanged
    | Sensed
    | LanguageChosen
    | SayNow
    | Override
    | Muted
    | GoOnWith
    | Resting
    | Driven
)
