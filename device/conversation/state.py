"""Where the conversation stands; made and changed only by `step`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from device.conversation.context import Context
from device.conversation.cues import Kind, Sentence
from device.conversation.script import Script

Mode = Literal["idle", "presenting", "listening", "answering", "fallback", "notice", "live"]


@dataclass(frozen=True)
class Line:
    """A line that is being said, or was interrupted: its sentences and the one to say next."""

    kind: Kind
    item_id: str
    sentences: tuple[Sentence, ...]
    next_number: int = 0
    show: str | None = None
    gesture: str | None = None

    @property
    def is_over(self) -> bool:
        """True when no sentence is left."""
        return self.next_number >= len(self.sentences)


@dataclass(frozen=True)
class Voices:
    """What the voices in the shop have done: times of the monotonic clock, all lists bounded.

    `held`: the breath is held for what may begin, `held_at_s` when it was last held.
    `stopped_at_s`: what was said was stopped for a voice, and nothing has come of it yet.
    `useless_at_s`: stops after which nobody had asked anything; after too many of them voices
    only lower the loudness until `calm_until_s`. `unanswered_at_s`: fallbacks that were said.
    """

    since_s: float | None = None
    certain: bool = False
    words_at_s: float = -1e9
    ducked: bool = False
    held: bool = False
    held_at_s: float = -1e9
    stopped_at_s: float | None = None
    useless_at_s: tuple[float, ...] = ()
    calm_until_s: float = -1e9
    unanswered_at_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Talk:
    """What is remembered of a visitor, for a minute after `last_s`; never their words.

    `language` is the one they asked for, `louder` their steps of loudness.
    """

    context: Context = field(default_factory=Context)
    language: str | None = None
    louder: int = 0
    last_s: float = -1e9


@dataclass(frozen=True)
class Asking:
    """A question that the endpoint has been asked, and until when its reply is waited for."""

    number: int
    language: str
    until_s: float


@dataclass(frozen=True)
class AskedBack:
    """A question that stands on the screen to be said yes or no to, and until when."""

    answer_id: str
    language: str
    until_s: float


@dataclass(frozen=True)
class State:
    """Everything the conversation knows. `mode` is what the player reports.

    `saying` is the sentence that sounds now; `line` what it belongs to; `resume` the line of
    the presentation to go on with after an answer, `also` a second answer to the same question;
    `asked_back` is what the visitor was asked whether it is meant.
    `plays` are (segment, when it was begun) of those with a limit; `seed` and `drawn` decide
    what is drawn next. Times `_s` are of the monotonic clock.
    """

    script: Script
    mode: Mode = "idle"
    language: str | None = None
    utc: datetime | None = None
    utc_at_s: float = 0.0
    saying: Sentence | None = None
    saying_until_s: float = 0.0
    line: Line | None = None
    resume: Line | None = None
    also: Line | None = None
    last_segment: str | None = None
    last_position: int = -1
    jump_to: tuple[str, int] | None = None
    plays: tuple[tuple[str, float], ...] = ()
    seed: int = 0
    drawn: int = 0
    showing: str | None = None
    pending: Script | None = None
    override: Line | None = None
    override_until: datetime | None = None
    muted: bool = False
    resting: bool = False
    driven_since_s: float | None = None
    voices: Voices = Voices()
    talk: Talk = Talk()
    beyond_s: float | None = None
    asking: Asking | None = None
    asked_beyond: int = 0
    asked_back: AskedBack | None = None
    wait_until_s: float = 0.0
    last_said: str = ""
    last_said_at_s: float = -1e9

    def now(self, now_s: float) -> datetime | None:
        """The trusted wall clock at `now_s`; None before the first Tick."""
        return self.utc and self.utc + timedelta(seconds=max(0.0, now_s - self.utc_at_s))

    @property
    def driven(self) -> bool:
        """Does a person speak as the avatar now?"""
        return self.driven_since_s is not None

    @property
    def presenting_language(self) -> str:
        """The language of the presentation: the console's choice if the programme has it."""
        languages = self.script.programme.languages
        if self.language:
            family = self.language.split("-")[0]
            for language in (self.language, *(x for x in languages if x.split("-")[0] == family)):
                if language in languages:
                    return language
        return languages[0]


def told_mode(state: State | None) -> str:
    """What the player says of itself."""
    if state is None:
        return "idle"
    return "resting" if state.resting and state.saying is None else state.mode
