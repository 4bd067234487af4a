"""A question as the encoder should see it: misheard Chinese put right, product names taken out.

A recogniser writes 多少前 for 多少钱; what sounds like the programme's own words (or a shop's
everyday ones) and is written otherwise is written so. A product's name gives way to "this": what
is asked about it then lies near the same question about anything else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from device.conversation import concepts, english, syllables
from device.conversation.reading import (
    NAMED,
    Family,
    Names,
    Part,
    family_of,
    find_name,
    longest_first,
)
from device.conversation.topics import topics

THIS = {"zh": "这个", "en": "this"}
_PIECE = {
    "zh": re.compile(r"[\u3400-\u9fff]|[a-z][a-z']*|\d"),
    "en": re.compile(r"[a-z]+(?:'[a-z]+)*|\d+"),
}
_HAN_RUN = re.compile(r"[\u3400-\u9fff]+")
_ARTICLE = re.compile(r"\b(?:the|a|an|your|this|that|these|those|my|some)\s+$", re.IGNORECASE)
_CHARACTERS = (4, 3, 2)


@dataclass(frozen=True)
class Lexicon:
    """What a programme and every shop write, by its sound."""

    by_sound: Mapping[tuple[str, ...], str]
    written: frozenset[str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Lexicon:
        """From the programme's questions and names; the everyday words are added."""
        common_sounds, common = _everyday()
        own = [piece for text in texts for piece in _pieces(text)]
        by_sound = {syllables.syllables(piece): piece for piece in own}
        return cls({**common_sounds, **by_sound}, common | frozenset(own))

    def corrected(self, text: str) -> str:
        """The text with what sounds like known words, and is written otherwise, put right."""
        return _HAN_RUN.sub(lambda run: self._corrected_run(run[0]), text)

    def _corrected_run(self, run: str) -> str:
        sounds, out, at = syllables.syllables(run), "", 0
        while at < len(run):
            for length in _CHARACTERS:
                piece = run[at : at + length]
                known = self.by_sound.get(sounds[at : at + length])
                if len(piece) == length and (piece in self.written or known):
                    out += piece if piece in self.written else str(known)
                    at += length
                    break
            else:
                out += run[at]
                at += 1
        return out


def unnamed(text: str, names: Names) -> str:
    """The text with "this" for every product's name, written or misheard."""
    family = family_of(text)
    parts, spans = _parts(text, family)
    is_named = False
    for is_exact in (True, False):
        for name, _ in longest_first(names, family):
            while (found := find_name(parts, name, family, is_exact)) is not None:
                first, behind = found
                spans[first:behind] = [(spans[first][0], spans[behind - 1][1])]
                parts[first:behind] = [Part(NAMED, NAMED)]
                is_named = True
    if not is_named:
        return text
    out, at = "", 0
    for part, (start, end) in zip(parts, spans, strict=True):
        if part.sound == NAMED:
            before = text[at:start]
            out += (_ARTICLE.sub("", before) if family == "en" else before) + THIS[family]
            at = end
    return out + text[at:]


def _parts(text: str, family: Family) -> tuple[list[Part], list[tuple[int, int]]]:
    """Syllables or words, and where in the text they stand."""
    parts, spans = [], []
    for found in _PIECE[family].finditer(_lowered(text)):
        said = syllables.syllables(found[0]) if family == "zh" else english.words(found[0])
        if said:
            parts.append(Part(said[0], found[0]))
            spans.append(found.span())
    return parts, spans


def _lowered(text: str) -> str:
    """In small letters, each in its place."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text).replace("’", "'")


def _pieces(text: str) -> Iterator[str]:
    """Every two to four Chinese characters in a row."""
    for run in _HAN_RUN.findall(text):
        for length in _CHARACTERS:
            yield from (run[at : at + length] for at in range(len(run) - length + 1))


@lru_cache(maxsize=1)
def _everyday() -> tuple[dict[tuple[str, ...], str], frozenset[str]]:
    texts = [*concepts.CHINESE_LIGHT_WORDS.split(), *" ".join(concepts.CHINESE.values()).split()]
    texts += [phrase for phrases in topics().values() for phrase in phrases]
    pieces = [piece for text in texts for piece in _pieces(text)]
    counted = Counter(pieces)
    ordered = sorted(counted, key=lambda piece: counted[piece])  # the commonest writing wins
    return {syllables.syllables(piece): piece for piece in ordered}, frozenset(pieces)
