"""What questions mean, for the programme that plays: encoded beside the play, never in its way.

Until it is there, and where the encoder is missing, questions are compared by their words.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from device.conversation.meaning import Meaning
from ota.errors import VitrineError

AFTER_S = 5.0  # a process's first seconds belong to the picture
NICENESS = 15

Made = TypeVar("Made")


class Meanings(Generic[Made]):
    """`want` what is made with the encoder, later `take` it. Starts its thread at the first one."""

    def __init__(self, assets: Path, after_s: float = AFTER_S) -> None:
        self._assets, self._after_s = assets, after_s
        self._wanted: Callable[[Meaning], Made] | None = None
        self._ready: Made | None = None
        self._told: str | None = None
        self._news, self._lock = threading.Event(), threading.Lock()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._work, name="meanings", daemon=True)

    def want(self, make: Callable[[Meaning], Made]) -> None:
        """The newest wish counts; any thread."""
        with self._lock:
            self._wanted, self._ready = make, None
        self._news.set()
        if self._thread.ident is None:
            self._thread.start()

    def take(self) -> Made | None:
        """What was wanted, once; None before."""
        with self._lock:
            ready, self._ready = self._ready, None
        return ready

    def fault(self) -> str | None:
        """Why there is no encoder, once."""
        told, self._told = self._told, None
        return told

    def close(self) -> None:
        """End after what is at hand."""
        self._leave.set()
        self._news.set()

    def _work(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        if self._leave.wait(self._after_s):
            return
        try:
            meaning = Meaning.load(self._assets)
        except VitrineError as error:
            self._told = f"Questions are compared by their words alone. {error}"
            return
        while not self._leave.is_set():
            self._news.wait()
            self._news.clear()
            with self._lock:
                make = self._wanted
            if make is None or self._leave.is_set():
                continue
            try:
                made = make(meaning)
            except VitrineError as error:
                self._told = str(error)
                continue
            with self._lock:
                if self._wanted is make:
                    self._wanted, self._ready = None, made
