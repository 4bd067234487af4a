"""The words a programme makes likely, as a recogniser's prompt for each of its languages."""

from __future__ import annotations

import re

from device.programme.schema import PLACEHOLDER, Programme

_CHARS_MAX = 240
_ZH = re.compile(r"^zh", re.IGNORECASE)


def vocabulary(programme: Programme) -> dict[str, str]:
    """By language: product names, their aliases, then questions, about 100 tokens of each.

    A prompt written as sentences keeps the recogniser's punctuation; the wake phrase must not
    be in it (it would be heard everywhere).
    """
    return {language: _prompt(programme, language) for language in programme.languages}


def _prompt(programme: Programme, language: str) -> str:
    chinese = _ZH.match(language) is not None
    comma, stop = ("、", "。") if chinese else (", ", ". ")
    names = [p.name.get(language, "") for p in programme.products]
    names += [a for p in programme.products for a in (p.aliases or {}).get(language, ())]
    asked = [list(answer.ask.get(language, ())) for answer in programme.answers]
    # The first wording of every question, then the second ones, while there is room.
    depth = max((len(phrases) for phrases in asked), default=0)
    questions = [phrases[i] for i in range(depth) for phrases in asked if i < len(phrases)]
    words = comma.join(_plain(names))
    prompt = words + stop if words else ""
    for question in _plain(questions):
        piece = question + ("？" if chinese else "? ")
        if len(prompt) + len(piece) > _CHARS_MAX // (2 if chinese else 1):
            break
        prompt += piece
    return prompt[:_CHARS_MAX].strip()


def _plain(phrases: list[str]) -> list[str]:
    """Without variables and end marks, without repeats, in order."""
    plain = (PLACEHOLDER.sub("", p).strip(" ?？.。!！") for p in phrases)
    return list(dict.fromkeys(p for p in plain if p))
