"""Romanised Chinese names in English text ("Longjing", "Biluochun") for an English voice."""

from __future__ import annotations

_INITIALS = {
    "zh": "ʤ", "ch": "ʧ", "sh": "ʃ", "b": "b", "p": "p", "m": "m", "f": "f", "d": "d", "t": "t",
    "n": "n", "l": "l", "g": "ɡ", "k": "k", "h": "h", "j": "ʤ", "q": "ʧ", "x": "ʃ", "r": "ɹ",
    "z": "ʣ", "c": "ʦ", "s": "s", "y": "j", "w": "w", "": "",
}  # fmt: skip
_FINALS = {
    "iang": "j*ɑŋ", "iong": "j*ʊŋ", "uang": "w*ɑŋ", "ang": "*ɑŋ", "eng": "*əŋ", "ong": "*ʊŋ",
    "ing": "*ɪŋ", "iao": "j*W", "ian": "j*ɛn", "uai": "w*I", "uan": "w*ɑn", "ai": "*I",
    "ei": "*A", "ao": "*W", "ou": "*O", "an": "*ɑn", "en": "*ɛn", "ia": "j*ɑ", "ie": "j*ɛ",
    "iu": "j*O", "in": "*ɪn", "ua": "w*ɑ", "uo": "w*O", "ui": "w*A", "un": "w*ən", "ue": "w*ɛ",
    "er": "*ɜɹ", "a": "*ɑ", "o": "*O", "e": "*ʌ", "i": "*i", "u": "*u", "v": "*u",
}  # fmt: skip
# Where the spelling means another vowel after these initials.
_OTHERWISE = {
    ("y", "i"): "*i", ("y", "in"): "*ɪn", ("y", "ing"): "*ɪŋ", ("y", "an"): "j*ɛn",
    ("y", "e"): "j*ɛ", ("w", "u"): "*u", ("y", "uan"): "jw*ɛn", ("y", "un"): "j*un",
    **{(i, "i"): "*ɜɹ" for i in ("zh", "ch", "sh", "r")},
    **{(i, "i"): "*ə" for i in ("z", "c", "s")},
    **{(i, "uan"): "w*ɛn" for i in ("j", "q", "x")},
}  # fmt: skip
# Initials that take few finals: keeps "WiFi" and other inventions out.
_ONLY = {
    "w": ("a", "o", "u", "ai", "ei", "an", "en", "ang", "eng"),
    "f": ("a", "o", "u", "ei", "ou", "an", "en", "ang", "eng"),
    "j": ("i", "u"), "q": ("i", "u"), "x": ("i", "u"),
}  # fmt: skip
_SYLLABLES_MIN = 2


def english_symbols(word: str) -> str | None:
    """Kokoro's symbols for a word that is two or more pinyin syllables, else None.

    The last syllable is stressed. Only for words that no English dictionary has.
    """
    syllables = _split(word.lower().replace("'", "").replace("’", ""))
    if len(syllables) < _SYLLABLES_MIN:
        return None
    said = []
    for index, (initial, final) in enumerate(syllables):
        special = _OTHERWISE.get((initial, final))
        start = "" if special and initial in ("y", "w") else _INITIALS[initial]
        mark = "ˈ" if index == len(syllables) - 1 else "ˌ" if index == 0 else ""
        said.append(start + (special or _FINALS[final]).replace("*", mark))
    return "".join(said)


def _split(word: str) -> list[tuple[str, str]]:
    """The syllables of a whole word, the longest endings first; empty when it is no pinyin."""
    if not word:
        return []
    for initial in sorted(_INITIALS, key=len, reverse=True):
        if not word.startswith(initial):
            continue
        for final in _FINALS:
            rest = word[len(initial) + len(final) :]
            if not word.startswith(final, len(initial)) or not _goes(initial, final):
                continue
            if not rest:
                return [(initial, final)]
            # A syllable without an initial is only written after an apostrophe.
            if rest[0] not in "aeiou" and (others := _split(rest)):
                return [(initial, final), *others]
    return []


def _goes(initial: str, final: str) -> bool:
    if initial in ("j", "q", "x"):
        return final.startswith(_ONLY[initial])
    return final in _ONLY.get(initial, (final,))
