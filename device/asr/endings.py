"""Do these words end a turn? What is a whole question, what still wants its end. Pure.

A question that the programme surely has an answer to is answered at once, where that is likely
a little later; one that breaks off ("I would like", "请问那个") is waited for. Everything between
waits as long as people usually pause.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

Ending = Literal["known", "likely", "open", "unfinished", "nothing"]
# (text, language) -> how surely the programme has an answer to it, 0..1; 0 where it has none.
Knows = Callable[[str, str], float]

SURE = 0.9  # well over what is answered: waiting a little costs less than a cut

_END_MARKS = " \t。，、！？；：…,.!?;:-—\"'“”"
# With these at the end somebody looks for the next word.
_ZH_OPEN = (
    "嗯", "呃", "额", "那个", "就是", "就是说", "然后", "还有", "以及", "或者", "因为", "但是",
    "不过", "所以", "如果", "比如", "还是", "关于", "和", "跟", "与", "把", "给", "一个",
    "我想", "我要", "我想要", "我想问", "我想问一下", "想问一下", "请问", "请问一下",
)  # fmt: skip
# These are all of it: a greeting, or a question without what it asks about.
_ZH_ONLY = (
    "你好", "您好", "你们", "你们这", "你们这里", "这个", "那", "我", "有没有", "能不能",
    "可不可以", "是不是", "多少钱一",
)  # fmt: skip
_EN_OPEN = (
    "um", "uh", "er", "erm", "hmm", "and", "or", "but", "so", "because", "if", "a", "an", "the",
    "to", "of", "for", "with", "at", "some", "any", "my", "your", "is", "are", "do", "does",
    "can", "could", "would", "will", "what", "which", "where", "when", "how", "who", "i", "you",
    "we", "want", "i would like", "i'd like", "what about", "how about", "can i get",
    "can i have", "do you have", "tell me", "let me",
)  # fmt: skip
_EN_ONLY = (
    "hello", "hi", "hey", "excuse me", "sorry", "please", "okay so", "well", "how much",
    "how many", "how long",
)  # fmt: skip
_HAN = re.compile(r"[\u3400-\u9fff]")


def judge(text: str, language: str, knows: Knows | None = None) -> Ending:
    """What `text` says about the end of its turn; `knows` as in the head of this file, if any.

    An unfinished text is never a known one: "how much is the" is near many questions.
    """
    plain = " ".join(text.lower().replace("’", "'").strip(_END_MARKS).split())
    if not any(c.isalnum() for c in plain):
        return "nothing"
    if _breaks_off(plain):
        return "unfinished"
    sure = knows(text, language) if knows is not None else 0.0
    return "known" if sure >= SURE else "likely" if sure > 0 else "open"


def is_known(text: str, language: str, knows: Knows | None) -> bool:
    """Is it a whole question that the programme surely answers?"""
    return judge(text, language, knows) == "known"


def _breaks_off(plain: str) -> bool:
    if _HAN.search(plain):
        return plain in _ZH_ONLY or plain.endswith(_ZH_OPEN)
    padded = f" {plain}"
    return plain in _EN_ONLY or any(padded.endswith(f" {words}") for words in _EN_OPEN)
