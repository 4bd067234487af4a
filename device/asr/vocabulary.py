"""The words a programme makes likely, as a recogniser's prompt for each of its languages."""

from __future__ import annotations

import re

from device.asr.wake import WakePhrases
from device.programme.schema import PLACEHOLDER, Programme

_CHARS_MAX = 200
_QUESTIONS_SHARE = 0.6
_PHRASES_MAX = 4000
_ZH = re.compile(r"^zh", re.IGNORECASE)


def vocabulary(programme: Programme) -> dict[str, str]:
    """By language: the questions as they are asked, then product names, about 65 tokens.

    Each takes the decoder half a millisecond, and 160 gained nothing (docs/speech.md). Questions
    come first: after a list of names the recogniser goes on listing names (measured
    in 10 dB of kitchen noise: 11.8 % wrong syllables with the names first, 3.6 % like this).
    The wake phrase must not be in it: it would be heard everywhere.
    """
    return {language: _prompt(programme, language) for language in programme.languages}


def phrases(programme: Programme) -> dict[str, str]:
    """By language: every question and every name, one a line, for recognisers with a grammar."""
    return {language: "\n".join(_said(programme, language)) for language in programme.languages}


def _said(programme: Programme, language: str) -> list[str]:
    questions = [p for answer in programme.answers for p in answer.ask.get(language, ())]
    # A grammar hears nothing that is not in it: the wake phrase belongs there.
    wake = programme.listen.wake.get(language, ())
    return _plain([*wake, *questions, *_names(programme, language)])[:_PHRASES_MAX]


def _names(programme: Programme, language: str) -> list[str]:
    names = [p.name.get(language, "") for p in programme.products]
    return names + [a for p in programme.products for a in (p.aliases or {}).get(language, ())]


def _prompt(programme: Programme, language: str) -> str:
    chinese = _ZH.match(language) is not None
    chars_max = _CHARS_MAX // (4 if chinese else 1)
    mark, comma, stop = ("？", "、", "。") if chinese else ("? ", ", ", ".")
    asked = [list(answer.ask.get(language, ())) for answer in programme.answers]
    # The first wording of every question, then the second ones, while there is room.
    depth = max((len(phrases) for phrases in asked), default=0)
    questions = [phrases[i] for i in range(depth) for phrases in asked if i < len(phrases)]
    wake = WakePhrases.of(programme.listen.wake)
    prompt = ""
    for question in _plain(questions, wake):
        if len(prompt) + len(question) > chars_max * _QUESTIONS_SHARE:
            break
        prompt += question + mark
    listed: list[str] = []
    for name in _plain(_names(programme, language), wake):
        if len(prompt) + len(comma.join([*listed, name])) > chars_max:
            break
        listed.append(name)
    return (prompt + comma.join(listed) + (stop if listed else "")).strip()


def _plain(phrases: list[str], wake: WakePhrases | None = None) -> list[str]:
    """Without variables and end marks, repeats and (when given) wake phrases, in order."""
    plain = (PLACEHOLDER.sub("", p).strip(" ?？.。!！") for p in phrases)
    return list(dict.fromkeys(
        p for p in plain if p and (wake is None or wake.rest(p) is None)))
