"""Chinese by its sound: toneless syllables, and how easily two of them are confused.

Recognisers of Chinese mostly err in homophones, and speakers merge initials and finals
(zh/z, n/l, an/ang ...), so questions are compared by syllable and not by character.
"""

from __future__ import annotations

import re
from functools import lru_cache

from device.conversation.readings import pypinyin

_HAN = re.compile(r"[\u3400-\u9fff]")
_RUN = re.compile(r"[\u3400-\u9fff]+|[a-z][a-z']*")
_DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")
_INITIALS = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw")
_SAME_INITIAL = ({"zh", "z"}, {"ch", "c"}, {"sh", "s"}, {"n", "l"}, {"f", "h"}, {"r", "l"})
_NEAR_INITIAL = (
    {"b", "p"}, {"d", "t"}, {"g", "k"}, {"j", "q"}, {"zh", "j"}, {"ch", "q"}, {"sh", "x"},
    {"z", "c"}, {"zh", "ch"}, {"j", "z"}, {"x", "s"},
)  # fmt: skip
_SAME_FINAL = (
    {"an", "ang"}, {"en", "eng"}, {"in", "ing"}, {"ian", "iang"}, {"uan", "uang"},
    {"un", "ong"}, {"eng", "ong"}, {"uo", "o"},
)  # fmt: skip
_NEAR_FINAL = ({"ian", "an"}, {"iao", "ao"}, {"ie", "ei"}, {"ou", "uo"}, {"ui", "ei"}, {"e", "uo"})
CONFUSABLE, NEAR = 0.85, 0.55


def has_han(text: str) -> bool:
    """True when the text holds a Chinese character."""
    return bool(_HAN.search(text))


def syllables(text: str) -> tuple[str, ...]:
    """Toneless pinyin of the Han characters in order; Latin words stay, digits are read."""
    # Its dictionaries take 0.4 s to load: a kiosk shows its picture before it needs them.
    lazy_pinyin, style = pypinyin().lazy_pinyin, pypinyin().Style.NORMAL
    out: list[str] = []
    for run in _RUN.findall(text.lower().translate(_DIGITS)):
        out += lazy_pinyin(run, style=style) if _HAN.match(run) else [run]
    return tuple(out)


def toned(text: str) -> tuple[str, ...]:
    """As `syllables`, each with the number of its tone behind it: "long2"; 5 is the light one."""
    lazy_pinyin, style = pypinyin().lazy_pinyin, pypinyin().Style.TONE3
    out: list[str] = []
    for run in _RUN.findall(text.lower().translate(_DIGITS)):
        is_han = _HAN.match(run)
        out += lazy_pinyin(run, style=style, neutral_tone_with_five=True) if is_han else [run]
    return tuple(out)


def written(text: str) -> tuple[str, ...]:
    """The characters and words that `syllables` gives the sounds of, one for one."""
    out: list[str] = []
    for run in _RUN.findall(text.lower().translate(_DIGITS)):
        out += list(run) if _HAN.match(run) else [run]
    return tuple(out)


@lru_cache(maxsize=4096)
def likeness(one: str, other: str) -> float:
    """1 for the same syllable, 0.85 for a usual confusion, 0.55 for a near one, else 0."""
    if one == other:
        return 1.0
    first, second = _parts(one), _parts(other)
    score = _alike(first[0], second[0], _SAME_INITIAL, _NEAR_INITIAL) * _alike(
        first[1], second[1], _SAME_FINAL, _NEAR_FINAL
    )
    return score if score >= 0.5 else 0.0


TONE_SHARE = 0.1


def toned_likeness(one: str, other: str) -> float:
    """`likeness` of two syllables with tones; another tone costs a tenth."""
    alike = likeness(one.rstrip("12345"), other.rstrip("12345"))
    return alike * (1.0 - TONE_SHARE * (one[-1:] != other[-1:]))


def _parts(syllable: str) -> tuple[str, str]:
    for initial in _INITIALS:
        if syllable.startswith(initial):
            return initial, syllable[len(initial) :]
    return "", syllable


def _alike(one: str, other: str, same: tuple[set[str], ...], near: tuple[set[str], ...]) -> float:
    if one == other:
        return 1.0
    if {one, other} in same:
        return CONFUSABLE
    return NEAR if {one, other} in near else 0.0
