"""What the conversation asks of the player: cues, in the order in which they are to be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["segment", "answer", "fallback", "notice"]


@dataclass(frozen=True)
class Sentence:
    """One sentence that is ready to be said.

    `key` is its line key in the index, `text` its caption. `file` is its sound; None only in
    notices of the console, which the player lets the synthesiser speak. `over_in` are languages
    in which the line does not hold now: they are not shown either.
    """

    key: str
    text: str
    language: str
    file: Path | None
    duration_ms: int = 0
    over_in: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Say:
    """Say one sentence, after `pause_s` of silence; then send `SentenceDone(sentence.key)`.

    The card does not come with it: a `ShowCard` before it says what is on screen meanwhile.
    """

    sentence: Sentence
    gesture: str | None = None
    pause_s: float = 0.0
    kind: Kind = "segment"


@dataclass(frozen=True)
class StopSpeech:
    """Be silent within one audio buffer and close the mouth; no `SentenceDone` follows."""


@dataclass(frozen=True)
class ShowCard:
    """Show that product's card; None takes the card away."""

    product_id: str | None


@dataclass(frozen=True)
class Duck:
    """Speak softly while somebody may be speaking, or as loud as before."""

    on: bool


@dataclass(frozen=True)
class HoldBreath:
    """Silent for the moment in which it is seen whether a voice begins, or on again."""

    on: bool


@dataclass(frozen=True)
class Loudness:
    """A visitor's wish: so many steps louder than the shop's loudness, or softer (negative)."""

    steps: int


@dataclass(frozen=True)
class Gesture:
    """A movement without words, if the avatar has it."""

    name: str


@dataclass(frozen=True)
class Caption:
    """What was heard from the visitor, for the screen; None clears it. Never stored.

    `final` false: the visitor still speaks. `asked_back`: the programme's own question, of which
    the visitor is asked whether it is meant.
    """

    text: str | None
    language: str = ""
    final: bool = True
    asked_back: bool = False


@dataclass(frozen=True)
class Listening:
    """Show (or hide) that the kiosk is listening to somebody."""

    on: bool


@dataclass(frozen=True)
class Thinking:
    """Show that what was said is being understood, until the next Caption or Listening."""


@dataclass(frozen=True)
class AskBeyond:
    """Put a question that no answer fits to the endpoint; `Replied(number)` follows, or nothing."""

    number: int
    text: str
    language: str


@dataclass(frozen=True)
class OnAir:
    """Let the person who wants to speak as the avatar be heard, or take the screen back."""

    on: bool


@dataclass(frozen=True)
class Count:
    """Something to count, by its kind; the detail never holds words.

    played: {"segment"|"answer", "language", "complete", "version", "price" or None}
    asked: {"answer_id" or None, "language", "score", "why"}, and "asked_back" when the visitor
        is asked whether that answer is meant
    live: {"seconds"}, when a person has spoken as the avatar
    told: {"what", "language"}, when a visitor said something about the conversation ("louder")
    beyond: {"ok", "why", "took_ms"}, what came of a question to the endpoint
    barge-in: {"during"}, when a voice has stopped what was said (the kind of line)
    not-for-us: {"stops", "calm"}, when nobody had asked anything after all; calm: for a while
        voices do not stop it any more
    """

    kind: str
    detail: dict[str, str | int | float | bool | None] = field(default_factory=dict)


Cue = (
    Say | StopSpeech | Duck | HoldBreath | Loudness | Gesture | ShowCard | Caption | Listening
    | Thinking | AskBeyond | OnAir | Count
)
