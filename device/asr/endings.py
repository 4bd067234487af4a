"""Do these words end a turn? What is a whole question, what still wants its end. Pure.

A question that the programme knows is answered at once; one that breaks off ("I would like",
"请问那个") is waited for. Everything between waits as long as people usually pause.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

Ending = Literal["known", "open", "unfinished", "nothing"]
Knows = Callable[[str, str], bool]

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
    """What `text` says about the end of its turn; `knows` is True for a question of the programme.

    An unfinished text is never a known one: "how much is the" is near many questions.
    """
    plain = " ".join(text.lower().replace("’", "'").strip(_END_MARKS).split())
    if not any(c.isalnum() for c in plain):
        return "nothing"
    if _breaks_off(plain):
        return "unfinished"
    return "known" if knows is not None and knows(text, language) else "open"


def _breaks_off(plain: str) -> bool:
    if _HAN.search(plain):
        return plain in _ZH_ONLY or plain.endswith(_ZH_OPEN)
    padded = f" {plain}"
    return plain in _EN_ONLY or any(padded.endswith(f" {words}") for words in _EN_OPEN)
