"""How surely a programme has an answer to a text: such a question need not be waited for.

By the words at first, by the meaning as soon as that is learnt.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from device.asr.endings import Knows
from device.conversation.match import Matcher
from device.conversation.meanings import Meanings
from device.programme.schema import Programme

QUESTIONS_MAX = 2000  # more would make the judgement itself late

Learning = Meanings[Matcher]


def known(
    programme: Programme, showing: Callable[[], str | None], meanings: Learning
) -> Knows:  # fmt: skip
    """The judgement for `device.asr.endings`; `showing` tells the product on screen."""
    asked = sum(len(each) for answer in programme.answers for each in answer.ask.values())
    if asked == 0 or asked > QUESTIONS_MAX:
        return lambda text, language: 0.0
    meanings.want(partial(Matcher.of, programme))
    return judged_by(Matcher.of(programme), showing, meanings.take)


def judged_by(
    matcher: Matcher, showing: Callable[[], str | None] = lambda: None,
    newer: Callable[[], Matcher | None] = lambda: None,
) -> Knows:  # fmt: skip
    """The judgement of a matcher until there is a `newer` one. One thread asks it."""
    last: tuple[tuple[str, str, str | None], float] | None = None

    def knows(text: str, language: str) -> float:
        nonlocal matcher, last
        if (learnt := newer()) is not None:
            matcher, last = learnt, None
        question = text, language, showing()
        if last is None or last[0] != question:  # a recogniser and the turn's end ask the same
            found = matcher.match(*question)
            last = question, found.score if found.answer_id is not None else 0.0
        return last[1]

    return knows
