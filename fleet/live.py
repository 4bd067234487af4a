"""News for open browser pages: threads announce, a page may miss some but never blocks them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

LISTENERS_MAX = 200
CLOSING = "closing"


@dataclass(frozen=True)
class News:
    """Something changed: `topic` is box|programme|counts|publish, `about` names the thing."""

    topic: str
    about: str


Deliver = Callable[[News], None]


class Hub:
    """Hands each piece of news to every open page."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: dict[int, Deliver] = {}
        self._next = 0

    def announce(self, topic: str, about: str) -> None:
        """Tell everybody; the listeners' `deliver` must neither block nor raise."""
        news = News(topic, about)
        with self._lock:
            listeners = list(self._listeners.values())
        for deliver in listeners:
            deliver(news)

    def join(self, deliver: Deliver) -> int | None:
        """Listen; the returned number is for `leave`. None when too many pages are open."""
        with self._lock:
            if len(self._listeners) >= LISTENERS_MAX:
                return None
            self._next += 1
            self._listeners[self._next] = deliver
            return self._next

    def leave(self, number: int) -> None:
        """Stop listening."""
        with self._lock:
            self._listeners.pop(number, None)

    def close(self) -> None:
        """Tell every page to go: the server ends."""
        self.announce(CLOSING, "")

    @property
    def listeners(self) -> int:
        """How many pages are open."""
        with self._lock:
            return len(self._listeners)
