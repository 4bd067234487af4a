"""Did you mean …? Where it is not sure what was asked, the likeliest question is put on the screen,
and the visitor says yes, no, or something else. Pure.

It is the right one for five of six whose question has an answer (docs/understanding.md); a person
behind a counter would ask as well.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from device.conversation.cues import Count
from device.conversation.reading import Family, family_of, parts_of
from device.conversation.speaking import FOLLOW_UP_S, Moved, hush
from device.conversation.state import AskedBack, Line, State
from device.programme.lines import DID_YOU_MEAN
from device.programme.schema import Answer

ASKED_BACK_S = 15.0
_YES: dict[Family, str] = {
    "zh": "是|是的|是啊|是呀|是这个|对|对的|对啊|对呀|对对|对对对|没错|嗯|嗯嗯|好|好的|好啊|行|"
    "可以|就是|就是这个|就是它|就这个|这个|对就是这个|是的就是这个|是的没错",
    "en": "yes|yes yes|yeah|yep|yup|yes please|please|i do|i did|yes i do|yes i did|right|"
    "that is right|that is it|that it|that is the one|that the one|that one|this one|correct|"
    "exactly|sure|ok|of course",
}
_NO: dict[Family, str] = {
    "zh": "不|不是|不是的|不是这个|不对|没有|不用|不用了|算了|错了|都不是",
    "en": "no|no no|nope|i do not|i did not|no i do not|no i did not|not that|not that one|"
    "not really|wrong|no thanks|no thank you|never mind",
}
_CUT = re.compile(r"[\s,，。.？?！!;；、…]+")
_PIECES_MAX = 4


def ask_back(
    state: State, answer: Answer, language: str, now_s: float, before: AskedBack | None
) -> tuple[State, Line, str] | None:
    """Is `answer` meant? The state in which that is asked, the words for it and the question for
    the screen.

    None where there are no such words, or it was asked just now (`before`): asking twice would
    help nobody.
    """
    if before is not None and before.answer_id == answer.id and now_s < before.until_s:
        return None
    question, moment = question_of(answer, language), state.now(now_s)
    sentences = state.script.did_you_mean(language, moment) if moment else ()
    if not question or not sentences:
        return None
    written = state.script.whole.did_you_mean
    line = Line("fallback", DID_YOU_MEAN, sentences, 0, answer.show or state.showing,
                written.gesture if written else None)
    asked = AskedBack(answer.id, language, now_s + ASKED_BACK_S)
    return replace(state, asked_back=asked), line, question


def question_of(answer: Answer, language: str) -> str:
    """The first wording of its question in that language; "" when it has none."""
    return next(iter(answer.ask.get(language, ())), "")


def reply_to(asked: AskedBack | None, text: str, now_s: float) -> bool | None:
    """Is `text` a yes or a no to what was asked back? None when it is neither, or nobody asked."""
    if asked is None or now_s >= asked.until_s:
        return None
    pieces = [piece for piece in _CUT.split(text) if piece]
    family = family_of(text)
    if family == "en":
        pieces = [" ".join(pieces)]
    for phrases, means in ((_phrases(family, True), True), (_phrases(family, False), False)):
        if 0 < len(pieces) <= _PIECES_MAX and all(_sounds(p, family) in phrases for p in pieces):
            return means
    return None


def declined(state: State, language: str, now_s: float) -> Moved:
    """No: silent, so that it can be asked in other words."""
    state, cues = hush(state)
    talk = replace(state.talk, last_s=now_s)
    state = replace(state, mode="listening", wait_until_s=now_s + FOLLOW_UP_S, talk=talk)
    return state, (*cues, Count("told", {"what": "no", "language": language}))


@lru_cache(maxsize=4)
def _phrases(family: Family, yes: bool) -> frozenset[tuple[str, ...]]:
    table = _YES if yes else _NO
    return frozenset(_sounds(phrase, family) for phrase in table[family].split("|"))


def _sounds(text: str, family: Family) -> tuple[str, ...]:
    return tuple(part.sound for part in parts_of(text, family)[:-1])
