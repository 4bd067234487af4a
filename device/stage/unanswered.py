"""Questions that no answer fits, for the chain to write answers to: counted in memory, and told
only when several visitors have asked the very same thing.

Off unless the signed settings say otherwise, and nothing is remembered before the screen has
said so. What one visitor alone says never leaves: neither do numbers, names or addresses.
"""

from __future__ import annotations

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from device.messages import Unanswered

VISITORS_MIN = 3
NOTICED_S_MIN = 2.0
REMEMBERED_MAX = 128
REMEMBERED_S = 7 * 86_400.0
# The same question again within this time may be the same visitor.
VISIT_S = 60.0
CHARACTERS_MIN, CHARACTERS_MAX = 2, 40
NOT_FOR_US = ("while answering", "talk beside the kiosk")
_NUMBER = re.compile(r"\d|[零〇一二三四五六七八九十百千万两]{3,}")
_PERSON = re.compile(
    r"我叫|我是|我姓|名字|电话|手机|微信|地址|住在|身份证|邮箱|密码|@"
    r"|\bmy\b|\bi am\b|\bi'm\b|\bcall me\b|\bphone|\baddress|\be-?mail|\bpassword"
)


class Questions:
    """One thread (the director's). `refused` counts texts that may not be kept."""

    def __init__(self) -> None:
        self._on = False
        self._noticed_s = self._shown_s = 0.0
        self._asked: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._heard = ""
        self.refused = 0

    def follow(self, on: bool, shown_s: float, covered: bool) -> None:
        """The setting, the seconds of pictures shown so far, and whether something covers them.
        Switched off, all is forgotten."""
        if on and self._on and not covered:
            self._noticed_s += max(0.0, shown_s - self._shown_s)
        if not on:
            self._noticed_s, self._heard = 0.0, ""
            self._asked.clear()
        self._on, self._shown_s = on, shown_s

    @property
    def listens(self) -> bool:
        """Has the screen said long enough that questions are passed on?"""
        return self._on and self._noticed_s >= NOTICED_S_MIN

    def hears(self, text: str) -> None:
        """What a visitor said; what comes of it follows in `counts`. "" forgets it."""
        self._heard = text if self.listens else ""

    def counts(self, kind: str, detail: Mapping[str, Any], now_s: float) -> Unanswered | None:
        """The conversation has counted something: a question to pass on, perhaps."""
        text, self._heard = self._heard, ""
        no_answer = kind == "asked" and detail.get("answer_id") is None
        if not text or not no_answer or detail.get("why") in NOT_FOR_US:
            return None
        question = plain(text)
        if not may_be_kept(question):
            self.refused += 1
            return None
        visitors, last_s = self._asked.pop(question, (0, -VISIT_S))
        if now_s - last_s > REMEMBERED_S:
            visitors = 0
        if now_s - last_s >= VISIT_S:
            visitors += 1
        if visitors >= VISITORS_MIN:
            return Unanswered(text=question, language=str(detail.get("language", "")),
                              visitors=visitors, noticed_s=round(self._noticed_s, 1))
        self._asked[question] = (visitors, now_s)
        while len(self._asked) > REMEMBERED_MAX:
            self._asked.popitem(last=False)
        return None


def plain(text: str) -> str:
    """Small letters, no marks, single spaces: two visitors with the same question agree."""
    kept = [
        character if character.isalnum() or character in "@'" else " "
        for character in unicodedata.normalize("NFKC", text).lower()
    ]
    return " ".join("".join(kept).split())


def may_be_kept(question: str) -> bool:
    """Short, without numbers and without words that come before something personal."""
    if not CHARACTERS_MIN <= len(question) <= CHARACTERS_MAX:
        return False
    return not (_NUMBER.search(question) or _PERSON.search(question))
