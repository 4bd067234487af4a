"""What is the same in every language before numbers are read: wide digits, links, emoji, tags."""

from __future__ import annotations

import re

NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
DASH = "[-–—−~～〜]"

_WIDE = {c + 0xFEE0: c for c in (*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B))}
_SIGNS = zip("％＄￥＋－／～＃＠＆＝＜＞｜＊", "%$¥+-/~#@&=<>|*", strict=True)
_WIDE |= {ord(wide): narrow for wide, narrow in _SIGNS}
_WIDE |= {ord(c): text for c, text in {
    "㎡": "m²", "㎥": "m³", "㎏": "kg", "㎝": "cm", "㎜": "mm", "㎞": "km", "㎖": "ml", "℡": "",
    "№": "No.", "℉": "°F", "　": " ", "′": "'", "″": '"', "×": "×", "✕": "×", "✖": "×",
    "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3",
}.items()}  # fmt: skip
_WIDE |= {0x2460 + n: f"{n + 1}, " for n in range(20)}
_ROMAN = {0x2160 + n: str(n + 1) for n in range(12)} | {0x2170 + n: str(n + 1) for n in range(12)}
_EMAIL = re.compile(r"([A-Za-z0-9._+-]{1,64})@([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4})")
_LINK = re.compile(
    r"(?:https?://|(?=www\.))(?:www\.)?([A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4})"
    r"(?::\d+)?(?:/[A-Za-z0-9\-._~/?#%&=+:@!]*)?")  # fmt: skip
_BARE_LINK = re.compile(
    r"(?<![\w.@])([A-Za-z][A-Za-z0-9-]{1,62}(?:\.[A-Za-z0-9-]{1,63}){0,2}\.(?:com|cn|net|org|shop|io))"
    r"(?:/[A-Za-z0-9\-._~/?#%&=+:@!]*)?(?![\w])")  # fmt: skip
_TAG = re.compile(r"#([^\s#\d][^\s#，。！？,.!?]{0,40})#?")
_NUMBERED_TAG = re.compile(r"#(?=\d)")
_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=\w)")
_ARROWS = re.compile(r"\s*(?:[\u2190-\u21ff\u27a1\u2794]|->|=>)\s*")
_PICTURES = re.compile(
    "[\U0001f000-\U0001faff\U000e0000-\U000e007f\u2300-\u23ff\u2500-\u27bf\u2b00-\u2bff"
    "\ufe0e\ufe0f\u20e3©®™\u200b-\u200f\ufeff•·●■◆※♪]"
)
_MARKUP = re.compile(r"\*\*|__|`|(?<=\w)_(?=\w)|\\|\^")
_WIDE_COLON = re.compile(r"(?<=\d)：(?=\d)")
_WIDE_POINT = re.compile(r"(?<=\d)．(?=\d)")


def plain(text: str, dot: str, at: str, number: str, stop: str) -> str:
    """`text` with wide letters and digits made plain, and without what nobody says.

    A link becomes its domain's words (`dot` between them), an e-mail is read with `at`, a tag
    loses its sign ("#3" becomes `number` and 3), an arrow is `stop`; emoji and trade marks go.
    """
    text = text.translate(_WIDE).translate(_ROMAN)
    text = _WIDE_POINT.sub(".", _WIDE_COLON.sub(":", text))
    text = _EMAIL.sub(lambda m: f"{m[1]} {at} {m[2]}".replace(".", f" {dot} "), text)
    for link in (_LINK, _BARE_LINK):
        text = link.sub(lambda m: m[1].replace(".", f" {dot} ").replace("-", " ") + " ", text)
    text = _NUMBERED_TAG.sub(number, _TAG.sub(r" \1 ", text))
    text = _MENTION.sub("", text)
    text = _ARROWS.sub(stop, text)
    return _MARKUP.sub(" ", _PICTURES.sub(" ", text)).replace("|", stop)


# Plain letters that are read as a number after a word: "Henry VIII", "第III代".
ROMAN_NUMERAL = r"(?:XX|XIX|XVIII|XVII|XVI|XV|XIV|XIII|XII|XI|IX|VIII|VII|VI|IV|III|II)"


def roman_value(text: str) -> int:
    """2 of "II" to 20 of "XX"."""
    values = {"I": 1, "V": 5, "X": 10}
    digits = [values[c] for c in text]
    return sum(-d if d < max(digits[i:]) else d for i, d in enumerate(digits))
