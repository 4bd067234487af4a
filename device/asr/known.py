"""Which texts are whole questions of a programme: those may be answered without waiting."""

from __future__ import annotations

from collections.abc import Callable

from device.asr.endings import Knows
from device.conversation.match import Matcher
from device.programme.schema import Programme

SCORE_MIN = 0.8  # well over the score that is answered: waiting a little costs less than a cut
QUESTIONS_MAX = 2000  # more would make the judgement itself late


def known(programme: Programme, showing: Callable[[], str | None]) -> Knows:
    """The judgement for `device.asr.endings`; `showing` tells the product on screen."""
    asked = sum(len(each) for answer in programme.answers for each in answer.ask.values())
    if asked == 0 or asked > QUESTIONS_MAX:
        return lambda text, language: False
    matcher = Matcher.of(programme)

    def knows(text: str, language: str) -> bool:
        found = matcher.match(text, language, showing())
        return found.answer_id is not None and found.score >= SCORE_MIN

    return knows
