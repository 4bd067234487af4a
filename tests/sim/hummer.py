"""A synthesiser that hums, and a small programme for it to say: builds without a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from device.audio.soundfiles import Samples
from device.tts.kokoro import VOICES
from ota.errors import Refused


@dataclass(frozen=True)
class Speech:
    samples: Samples
    sample_rate_hz: int = 24_000
    phonemes: tuple[tuple[str, float, float], ...] = ()
    words: tuple[tuple[str, float, float], ...] = ()


@dataclass
class Hummer:
    """A synthesiser that hums a text: as long as the text, its pitch made from it."""

    engine: str = "hummer/1"
    voices: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: VOICES)
    said: list[str] = field(default_factory=list)
    breaks_at: int = 10**6

    def synthesise(
        self, text: str, language: str, speed: float = 1.0, voice: str | None = None
    ) -> Speech:
        if len(self.said) >= self.breaks_at:
            raise Refused("The synthesiser was unplugged.")
        self.said.append(text)
        pitch_hz = 120 + int(hashlib.sha256(f"{text}{voice}".encode()).hexdigest(), 16) % 200
        t = np.arange(24_000 * len(text) // 20 + 4800) / 24_000
        return Speech((0.3 * np.sin(2 * np.pi * pitch_hz * t)).astype(np.float32))


SMALL: dict[str, Any] = {
    "schema": 1, "id": "small", "version": 1, "languages": ["zh-CN", "en-US"],
    "variables": {"store": {"zh-CN": "总店", "en-US": "the main shop"}},
    "products": [{"id": "tea", "name": {"zh-CN": "龙井", "en-US": "Longjing"}, "price": "¥128",
                  "image": "assets/longjing.webp"}],
    "segments": [
        {"id": "hi",
         "say": {"zh-CN": "欢迎来到{store}。请看。", "en-US": "Welcome to {store}. Look."}},
        {"id": "tea", "say": {"zh-CN": "龙井{tea.price}。", "en-US": "Longjing, {tea.price}."},
         "show": "tea"}],
    "answers": [{"id": "where", "ask": {"zh-CN": ["在哪里"], "en-US": ["where"]},
                 "say": {"zh-CN": "在这里。", "en-US": "Here."}}],
    "fallback": {"say": {"zh-CN": "不知道。", "en-US": "No idea."}},
}  # fmt: skip


def write(folder: Path, programme: object) -> None:
    text = json.dumps(programme, ensure_ascii=False, indent=1)
    (folder / "programme.json").write_text(text, encoding="utf-8")
