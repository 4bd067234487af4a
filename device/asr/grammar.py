"""A grammar from a programme's phrases: what may be said, in words that the model knows. Pure.

A closed grammar forces every sound into its words, and does so confidently: noise and foreign
speech come out as pieces of the questions. So a result counts only when it begins as a phrase
begins, ends as one ends, and has no neighbours that no phrase has (`Grammar.could_say`). Where
a phrase has a number, any number may stand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

UNKNOWN = "[unk]"
_PHRASES_MAX = 4000
_WORD_CHARS_MAX = 60
_BETWEEN = re.compile(r"[\n。？！?!、，,；;]+|\.(?=\s|$)")
_AROUND = "\"'“”‘’()（）《》:：…-—~·. "
_NUMBERS = {
    "zh": "零 一 二 两 三 四 五 六 七 八 九 十 百 千 半",
    "en": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty "
    "ninety hundred thousand half",
    "ko": "하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열 한 두 세 네 "
    "일 이 삼 사 오 육 칠 팔 구 십 백 천 반",
}
_START, _END, _NUMBER = "<s>", "</s>", "<n>"


@dataclass(frozen=True)
class Grammar:
    """`sentences` for the decoder; which words may stand beside each other; the number words."""

    sentences: tuple[str, ...]
    pairs: frozenset[tuple[str, str]] = field(repr=False)
    numbers: frozenset[str] = field(repr=False)

    @property
    def json(self) -> str:
        """As Vosk takes it: a JSON list of sentences."""
        return json.dumps(self.sentences, ensure_ascii=False)

    def could_say(self, words: Sequence[str]) -> bool:
        """True when `words` are phrases of the programme, whole.

        One word alone proves too little: a closed grammar makes it of any noise.
        """
        return len(words) > 1 and UNKNOWN not in words and _pairs(words, self.numbers) <= self.pairs


def _pairs(words: Iterable[str], numbers: frozenset[str]) -> set[tuple[str, str]]:
    """Neighbours, beginning and end included; all numbers are one word, and may follow another."""
    kinds = [_NUMBER if word in numbers else word for word in words]
    more = {(_NUMBER, _NUMBER)} if _NUMBER in kinds else set()
    return {*pairwise([_START, *kinds, _END]), *more}


def grammar(prompt: str, language: str, knows: Callable[[str], bool]) -> Grammar | None:
    """Of a prompt's phrases (divided by lines or sentence marks); None when no word is known.

    knows: is this word in the model's vocabulary? Words that are not are put together of words
    that are (Chinese and Korean are written in longer pieces than models know); what cannot be
    is `[unk]`, or parts the phrase where the model has no such word.
    """
    spare = UNKNOWN if knows(UNKNOWN) else None
    said: dict[tuple[str, ...], None] = {}
    for phrase in divided(prompt)[:_PHRASES_MAX]:
        for piece in _in_words(phrase, knows, spare):
            said.setdefault(piece)
    listed = _NUMBERS.get(language.split("-")[0], "").split()
    numbers = dict.fromkeys(n for n in listed if knows(n))
    if not any(word != UNKNOWN for piece in said for word in piece):
        return None
    known = frozenset(numbers)
    pairs = frozenset(pair for piece in said for pair in _pairs(piece, known))
    sentences = [" ".join(piece) for piece in said] + [*numbers] + ([spare] if spare else [])
    return Grammar(tuple(dict.fromkeys(sentences)), pairs, known)


def divided(prompt: str) -> list[str]:
    """The phrases of a prompt, in order, each once."""
    plain = (" ".join(p.split()).strip(_AROUND) for p in _BETWEEN.split(prompt))
    return list(dict.fromkeys(p for p in plain if p))


def _in_words(
    phrase: str, knows: Callable[[str], bool], spare: str | None
) -> Iterable[tuple[str, ...]]:
    """The phrase in known words; several pieces where an unknown one parts it."""
    piece: list[str] = []
    for written in phrase.split():
        word = written.strip(_AROUND).lower()
        parts = [written] if knows(written) else split_word(word, knows) if word else []
        if parts is not None:
            piece += parts
        elif spare:
            piece.append(spare)
        elif piece:
            yield tuple(piece)
            piece = []
    if piece:
        yield tuple(piece)


def split_word(word: str, knows: Callable[[str], bool]) -> list[str] | None:
    """`word` as the fewest known words that make it up, longest first; None when none do."""
    if knows(word):
        return [word]
    if len(word) > _WORD_CHARS_MAX:
        return None
    best: list[list[str] | None] = [[], *([None] * len(word))]
    for end in range(1, len(word) + 1):
        for start in range(end):
            before, part = best[start], word[start:end]
            if before is None or not knows(part):
                continue
            found = best[end]
            if found is None or len(before) + 1 < len(found):
                best[end] = [*before, part]
    return best[len(word)]
