"""English words as they sound, by spelling rules alone, and how far two sounds are apart.

Rules and not the voice's dictionaries: those take a second and 60 MB in the player, and the names
that matter most stand in none. One letter is one phoneme: A E I O U W Y are the vowels of late,
see, light, rose, soon, now, boy; S Z C J T N stand for sh, zh, ch, j, th, ng.
"""

from __future__ import annotations

import re
from functools import lru_cache

_IRREGULAR = {
    "one": "wun", "two": "tU", "of": "uv", "a": "u", "the": "Tu", "some": "sum", "sugar": "Sugr",
    "whole": "hOl", "who": "hU", "coffee": "kofE", "iced": "Ist", "ice": "Is", "ounce": "Wns",
    "medium": "mEdEum", "mocha": "mOku", "latte": "latA", "sure": "Sur", "do": "dU", "to": "tU",
    "you": "jU", "your": "jor", "are": "ar", "have": "hav", "give": "giv", "what": "wut",
    "was": "wuz", "is": "iz", "his": "hiz", "as": "az", "eye": "I", "great": "grAt", "tea": "tE",
    "does": "duz", "come": "kum", "love": "luv", "gold": "gOld", "old": "Old", "cold": "kOld",
    "most": "mOst", "roast": "rOst", "both": "bOT", "only": "OnlE", "four": "for", "fruit": "frUt",
    "money": "munE", "honey": "hunE", "monkey": "muNkE", "green": "grEn", "water": "wotr",
}  # fmt: skip
_OW = "brown|how|now|down|town|crown|powder|flower|power|allow|towel|shower"
_RULES: tuple[tuple[str, str], ...] = (
    (r"ture$", "Cr"), (r"tion", "Sun"), (r"sion", "Zun"), (r"cian", "Sun"), (r"ious", "Eus"),
    (r"eigh|ay|ai|ey(?!$)", "A"), (r"igh", "I"), (r"augh|aw|au", "o"), (r"ough", "O"),
    (r"ccino", "CEnO"), (r"tch|ch", "C"), (r"dge", "J"), (r"ck", "k"), (r"sh", "S"), (r"ph", "f"),
    (r"th", "T"), (r"wh", "w"), (r"qu|q(?!u)", "kw"), (r"^kn", "n"), (r"^wr", "r"),
    (r"ng(?=[ei]r?)", "nJ"), (r"ng", "N"), (r"gh", ""), (r"x", "ks"),
    (r"oar|oor|our|ore$|or", "or"), (r"ear|eer|ier", "Er"), (r"air|are$", "er"),
    (r"ea|ee|ei", "E"), (r"ie$", "E"), (r"ie", "E"), (r"oa|oe", "O"), (r"oo|ew|ue|ui", "U"),
    (r"ou", "W"), (r"ow", "O"), (r"oi|oy", "Y"), (r"ar", "ar"), (r"er|ir|ur", "r"),
    (r"c(?=[eiy])", "s"), (r"c", "k"), (r"(?<!^)g(?=[eiy])", "J"), (r"j", "J"), (r"^y", "j"),
    (r"y$|i$|ey$", "E"), (r"y", "i"), (r"o$", "O"), (r"le$", "ul"), (r"(?<=[aeiouAEIOUWY])s$", "z"),
    (r"e$", ""), (r"u$", "U"), (r"[a-z]", ""),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), sounds) for pattern, sounds in _RULES)
_SILENT_E = re.compile(r"([aeiou])([bcdfgklmnpstvz])e(s|d)?$")
_VOWELS = "aeiouAEIOUWY"
_NEAR_VOWELS = (
    "Ae", "AI", "AE", "Ei", "ie", "ea", "ai", "oO", "ou", "au", "ao", "Uu", "Wo", "WO", "Ou", "eu",
    "iu", "Ii", "OU", "Wa", "Yo", "Ia",
)  # fmt: skip
_NEAR_CONSONANTS = (
    "sz", "td", "pb", "kg", "fv", "Tf", "Ts", "Tt", "Td", "Ss", "SC", "CJ", "JZ", "SZ", "Jz", "mn",
    "nN", "lr", "rw", "vb", "vw", "Ct", "Cs", "Jd", "zT",
)  # fmt: skip
_VOWEL_CHANGED, _VOWEL_NEAR, _CONSONANT_NEAR = 0.45, 0.25, 0.3
_SHARED_MIN = 0.3  # with fewer phonemes in common the distance need not be worked out
_LOST = {"h": 0.35, "t": 0.4, "d": 0.4, "r": 0.4, "s": 0.4, "z": 0.4, "j": 0.4, "w": 0.5}


@lru_cache(maxsize=8192)
def phonemes(word: str) -> str:
    """The phonemes of one lower-case word; "" for what has no letters."""
    word = re.sub(r"[^a-z]", "", word.lower())
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if re.search(_OW, word):
        word = word.replace("ow", "W")
    if len(word) > 2:
        word = _SILENT_E.sub(lambda m: m[1].upper() + _soft(m[2]) + (m[3] or ""), word)
    out, at = "", 0
    while at < len(word):
        for pattern, sounds in _COMPILED:
            found = pattern.match(word, at)
            if found and found.end() > at:
                out += sounds or (found[0] if len(found[0]) == 1 and found[0] != "e" else "")
                out += "e" if found[0] == "e" and found.end() < len(word) else ""
                at = found.end()
                break
        else:
            out += word[at]
            at += 1
    return re.sub(r"([^A-Z])\1+", r"\1", out)


def _soft(consonant: str) -> str:
    return {"c": "s", "g": "J", "s": "z"}.get(consonant, consonant)


@lru_cache(maxsize=8192)
def closeness(one: str, other: str) -> float:
    """0..1 between two strings of phonemes: one minus the weighted edit distance over length.

    Levenshtein with costs: a near vowel or consonant, a lost t or h, costs less than a strange one.
    """
    if one == other:
        return 1.0
    longest = max(len(one), len(other))
    if not longest or abs(len(one) - len(other)) > 1 + longest // 3:
        return 0.0
    if len(set(one) & set(other)) < _SHARED_MIN * len(set(one) | set(other)):
        return 0.0
    row = [0.0]
    for sound in other:
        row.append(row[-1] + _loss(sound))
    for letter in one:
        before, row[0] = row[0], row[0] + _loss(letter)
        for column, against in enumerate(other, start=1):
            change = before + _change(letter, against)
            before = row[column]
            row[column] = min(row[column] + _loss(letter), row[column - 1] + _loss(against), change)
    return max(0.0, 1.0 - row[-1] / longest)


def begin_alike(one: str, other: str) -> bool:
    """Do two strings of phonemes begin with the same sound, or with a near one?"""
    first = one[:1] + other[:1]
    return len(first) == 2 and (first[0] == first[1] or first in _NEAR or first[::-1] in _NEAR)


def _loss(sound: str) -> float:
    return 0.5 if sound in _VOWELS else _LOST.get(sound, 0.8)


@lru_cache(maxsize=2048)
def _change(one: str, other: str) -> float:
    if one == other:
        return 0.0
    is_near = one + other in _NEAR or other + one in _NEAR
    if one in _VOWELS and other in _VOWELS:
        return _VOWEL_NEAR if is_near else _VOWEL_CHANGED
    return _CONSONANT_NEAR if is_near else 1.0


_NEAR = frozenset((*_NEAR_VOWELS, *_NEAR_CONSONANTS))
