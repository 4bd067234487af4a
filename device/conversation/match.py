"""From what was heard to the answer that is meant, or to none: never a guess."""

from __future__ import annotations

from dataclasses import dataclass

from device.programme.schema import Programme


@dataclass(frozen=True)
class Match:
    """`answer_id` is None when no answer fits; `score` 0..1 is the best answer's."""

    answer_id: str | None
    score: float
    why: str = ""
    runner_up: str | None = None


@dataclass(frozen=True)
class Matcher:
    """All questions of a programme, prepared."""

    programme: Programme

    @classmethod
    def of(cls, programme: Programme) -> Matcher:
        """Prepare the questions of a programme."""
        return cls(programme)

    def match(self, text: str, language: str = "", showing: str | None = None) -> Match:
        """The answer to `text`; `showing` is the product on screen ("how much is this one?")."""
        wanted = "".join(text.lower().split())
        for answer in self.programme.answers:
            for phrases in answer.ask.values():
                if any("".join(p.lower().split()) == wanted for p in phrases):
                    return Match(answer.id, 1.0)
        return Match(None, 0.0, "no question is near")


def resembles(heard: str, said: str) -> bool:
    """Is what was heard (part of) what was said? For telling the kiosk's own voice."""
    heard, said = ("".join(c for c in t.lower() if c.isalnum()) for t in (heard, said))
    return len(heard) >= 2 and heard in said
