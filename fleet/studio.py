"""The programme tools as the publisher uses them: check a folder, build its speech, warm."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ota.clock import Deadline
from ota.heap import give_back

VOICE_THREADS = 2
Progress = Callable[[int, int], None]
Stores = Sequence[dict[str, str]]


@dataclass(frozen=True)
class Fault:
    """Something wrong in a draft. `field` is a path like `products/0/price`; `line` is 1-based."""

    field: str
    line: int | None
    sentence_zh: str
    sentence_en: str
    severity: str = "error"

    def sentence(self, language: str) -> str:
        """The reason in the reader's language."""
        return self.sentence_en if language.startswith("en") else self.sentence_zh


class Studio(Protocol):
    """What the publisher needs; the real one is `SpeechStudio`."""

    def warm(self) -> None:
        """Load what building needs; raises Refused when it is not installed."""

    def check(self, folder: Path, now: datetime) -> list[Fault]:
        """Everything wrong with a draft; only severity "error" keeps it from being published."""

    def build(self, folder: Path, progress: Progress, stores: Stores) -> dict[str, Any]:
        """Speech for every line that changed, and `index.json`; returns the index.

        `stores` are the boxes' own values of the variables: lines are spoken for each.
        """


class SpeechStudio:
    """`device.programme` and one synthesiser kept in memory between publishes."""

    def __init__(self, assets: Path) -> None:
        self._assets = assets
        self._lock = threading.Lock()
        self._voice: Any = None

    def warm(self) -> None:
        """Load the voice once (2 CPU seconds, 300 MB) and let it say a word, so that the first
        real line is not the slow one. Raises Refused when its model is missing."""
        with self._lock:
            if self._voice is None:
                self._load().synthesise("好。", "zh-CN")
                give_back()

    def _load(self) -> Any:
        from device.tts.kokoro import Voice

        if self._voice is None:
            self._voice = Voice.load(self._assets, threads=VOICE_THREADS)
        return self._voice

    def check(self, folder: Path, now: datetime) -> list[Fault]:
        """`device.programme.check`, in the console's words."""
        from device.programme.check import check

        return [
            Fault(field_path(p.field), p.line, p.sentence_zh, p.sentence_en, p.severity)
            for p in check(folder, now, warnings=True)
        ]

    def build(self, folder: Path, progress: Progress, stores: Stores) -> dict[str, Any]:
        """`device.programme.build`: only sentences without a clip are synthesised."""
        from device.paths import speech_settings
        from device.programme.build import build
        from device.programme.voices import VoiceOnDemand, speakers
        from device.tts.kokoro import ENGINE

        with self._lock:
            # A programme whose clips are all there is published without waiting for the model.
            voice = speakers(VoiceOnDemand(self._load, ENGINE), speech_settings())
            index = build(folder, voice, progress, stores)
            give_back()
        built: dict[str, Any] = msgspec.to_builtins(index)
        return built


def field_path(field: str | None) -> str:
    """`products[0].price` or `products.0.price` as `products/0/price`."""
    if not field:
        return ""
    return re.sub(r"[.\[\]/]+", "/", field).strip("/")


@dataclass
class Preparing:
    """How far the publisher is, for pages and probes."""

    state: str = "starting"
    done: int = 0
    total: int = 0
    trouble: str = ""

    @property
    def ready(self) -> bool:
        """True when a publish would begin at once."""
        return self.state == "ready"

    def wait_ready(self, seconds: float, pause: Callable[[float], None]) -> bool:
        """Look every 50 ms until ready or in trouble; for tools and tests."""
        deadline = Deadline(seconds)
        while not deadline.passed:
            if self.ready or self.trouble:
                return self.ready
            pause(0.05)
        return False
