"""The agent's side of questions without an answer: from the bus to the line, never to the disk."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from datetime import datetime

import msgspec

from device.messages import Event, Unanswered
from device.sync.mqtt import Outgoing
from device.sync.report import iso

KIND = "unanswered"
# So long the notice has to have been on the screen, and so many visitors have to have asked.
NOTICED_S_MIN = 2.0
VISITORS_MIN = 3
WAITING_MAX = 16
CHARACTERS_MAX = 60


class Postbox:
    """Holds a few texts in memory until there is a line. `refused` counts what may not leave."""

    def __init__(self, topic_root: str, send: Callable[[Outgoing], bool]) -> None:
        self._topic, self._send = f"{topic_root}event", send
        self._waiting: deque[bytes] = deque(maxlen=WAITING_MAX)
        self.refused = 0

    def take(self, asked: Unanswered, allowed: bool, now: datetime) -> None:
        """`allowed`: the signed settings want texts. Asked again here, whatever the player says."""
        if not allowed:
            self._waiting.clear()
        if not allowed or not may_leave(asked):
            self.refused += 1
            return
        detail = {
            "asked_text": asked.text, "language": asked.language, "visitors": asked.visitors,
            "noticed_s": round(asked.noticed_s),
        }
        event = Event(id=secrets.token_hex(12), at=iso(now), kind=KIND, detail=detail)
        self._waiting.append(msgspec.json.encode(event))

    def turn(self) -> None:
        """Send what waits. The broker's acknowledgement is not waited for: a lost text is lost."""
        while self._waiting and self._send(Outgoing(self._topic, self._waiting[0], expiry_s=600)):
            self._waiting.popleft()


def may_leave(asked: Unanswered) -> bool:
    """Was the notice shown, did enough visitors ask, and is it as short as a question?"""
    return (
        asked.noticed_s >= NOTICED_S_MIN
        and asked.visitors >= VISITORS_MIN
        and 0 < len(asked.text) <= CHARACTERS_MAX
    )
