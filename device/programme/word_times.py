"""Words of a line, as captions light them up, and when each of them is said (pure).

A Han character is a word of its own, a number with its sign and unit is one, a Latin word is
one. Marks and spaces belong to the word before them, opening marks to the one behind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from device.render.linebreak import NEVER_LAST

_LETTER = r"[^\W\d_\u3400-\u9fff]"
_WORD = re.compile(
    r"[¥￥$＄£€]?\d+(?:[.,:/]\d+)*(?:\s?(?:[%％元块℃]|yuan\b|dollars?\b))?"
    r"|[\u3400-\u9fff]"
    rf"|{_LETTER}+(?:['’\-]{_LETTER}+)*")

# The synthesiser's own times are so much late: measured at the ends of 50 pauses of its clips.
LATE_MS = 50.0

# IPA's letters that only change the sound before or behind them.
_NO_SOUND = frozenset("ˈˌːˑʰʲʷ")

Timing = tuple[str, float, float]


def words(text: str) -> list[tuple[int, int]]:
    """(start, end) of every word; together they cover `text`. [] when it has no word."""
    found = list(_WORD.finditer(text))
    starts = [_with_opening_marks(text, each.start()) for each in found]
    if not starts:
        return []
    starts[0] = 0
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def aligned_ms(text: str, spoken: Sequence[Timing]) -> tuple[int, ...]:
    """The moment, in ms of the clip, at which each word of `text` begins.

    `spoken` is what the synthesiser said: (word, start_ms, end_ms), with numbers read out. What
    is written otherwise than it is said ("¥128") begins where the word before it ends.
    """
    written = _owners(text)
    said = [
        (character, start + (end - start) * place / len(word))
        for word, start, end in spoken
        for place, character in enumerate(word.lower()) if character.isalnum()
    ]
    if not said:
        return ()
    matcher = SequenceMatcher(
        None, [c for c, _ in written], [c for c, _ in said], autojunk=False)
    place_of = {
        block.a + step: block.b + step
        for block in matcher.get_matching_blocks() for step in range(block.size)}
    begins: dict[int, float] = {}
    last = -1
    for place, (_, word) in enumerate(written):
        if place in place_of:
            last = place_of[place]
            begins.setdefault(word, said[last][1])
        else:
            begins.setdefault(word, said[min(last + 1, len(said) - 1)][1])
    return tuple(max(0, round(begins[word] - LATE_MS)) for word in sorted(begins))


def phoneme_times(spoken: Sequence[Timing]) -> tuple[str, tuple[int, ...]]:
    """What the synthesiser said, as an index has it: signs, one a character, and when in ms of the
    clip each of them begins. Pauses, tones, stress and length are no sounds: they are left out."""
    single = [(sign, start) for sign, start, _ in spoken
              if len(sign) == 1 and sign.isalpha() and sign not in _NO_SOUND]
    return (
        "".join(sign for sign, _ in single),
        tuple(max(0, round(start - LATE_MS)) for _, start in single),
    )


def _owners(text: str) -> list[tuple[str, int]]:
    """Every letter and digit in lower case, with the number of its word."""
    return [
        (character, number)
        for number, (start, end) in enumerate(words(text))
        for character in text[start:end].lower() if character.isalnum()
    ]


def _with_opening_marks(text: str, start: int) -> int:
    while start > 0 and text[start - 1] in NEVER_LAST:
        start -= 1
    return start
