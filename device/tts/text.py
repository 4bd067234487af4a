"""Text normalisation: prices, times, dates, percents, telephone numbers and units as words.

Pure; the language decides how digits are read, other words are left as they stand.
"""

from __future__ import annotations

from device.tts import en_text, signs, zh_text


def normalise(text: str, language: str) -> str:
    """`text` with every number and sign written out in the words of `language`."""
    if language.startswith("zh"):
        text, rules = signs.plain(text, "点", "艾特", "第", "，"), zh_text.RULES
    else:
        text, rules = signs.plain(text, "dot", "at", "number ", ", "), en_text.RULES
    for pattern, words in rules:
        text = pattern.sub(words, text)
    return " ".join(text.split())
