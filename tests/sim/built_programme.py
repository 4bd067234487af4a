"""A small built programme without a synthesiser: real Opus clips of murmured syllables."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np

from device.audio.soundfiles import write_opus

RATE_HZ = 48_000
LINES = {
    "segment/welcome/zh-CN/0": "欢迎光临春山茶行。",
    "segment/longjing/zh-CN/0": "这是今年的明前龙井,清明之前采摘的嫩芽。",
    "segment/longjing/zh-CN/1": "每盒一百二十八元。",
    "answer/price/zh-CN/0": "明前龙井一百二十八元一盒。",
    "fallback/fallback/zh-CN/0": "这个我不太清楚,请问一下店员好吗?",
}


def murmur(seconds: float, seed: int, syllables_hz: float = 4.0) -> np.ndarray:
    """Mono float32 at 48 kHz: a buzzing voice in syllables, with 80 ms of silence at both ends."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pitch_hz = 190 + 25 * np.sin(2 * np.pi * 0.7 * t + seed)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    voice = sum(np.sin(k * phase) / k for k in range(1, 24))
    beats = rng.uniform(0.35, 1.0, int(seconds * syllables_hz) + 2)
    place = t * syllables_hz
    shape = np.sin(np.pi * (place % 1.0)) ** 2 * beats[place.astype(int)]
    shape[(t < 0.08) | (t > seconds - 0.08)] = 0.0
    return (0.16 * voice * shape).astype(np.float32)


def make_programme(
    folder: Path, version: int = 1, price: str = "¥128", seconds: float = 1.6
) -> Path:
    """Write `programme.json`, clips and `index.json`; returns the folder."""
    (folder / "speech").mkdir(parents=True, exist_ok=True)
    (folder / "assets").mkdir(exist_ok=True)
    picture = np.full((420, 420, 3), (170, 206, 186), np.uint8)
    cv2.ellipse(picture, (210, 240), (120, 90), 0, 0, 360, (64, 120, 84), -1, cv2.LINE_AA)
    cv2.imwrite(str(folder / "assets" / "longjing.png"), picture)
    (folder / "programme.json").write_text(json.dumps(_programme(version, price)))
    speech = {}
    for seed, (key, text) in enumerate(LINES.items()):
        name = f"speech/{hashlib.sha256(key.encode()).hexdigest()[:16]}.opus"
        length_s = seconds + 0.15 * seed
        write_opus(folder / name, murmur(length_s, seed), RATE_HZ)
        speech[key] = {"file": name, "text": text, "language": "zh-CN",
                       "duration_ms": round(length_s * 1000), "sentences": [text]}
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "index.json"}
    (folder / "index.json").write_text(
        json.dumps({"schema": 1, "files": files, "speech": speech}))
    return folder


def _programme(version: int, price: str) -> dict[str, object]:
    def line(kind: str, item: str) -> dict[str, str]:
        rows = [LINES[k] for k in sorted(LINES) if k.startswith(f"{kind}/{item}/zh-CN")]
        return {"zh-CN": "".join(rows)}

    return {
        "schema": 1, "id": "sim-tea", "version": version, "languages": ["zh-CN"],
        "avatar": {"id": "sim", "version": ">=1"},
        "variables": {"store_name": "春山茶行"},
        "products": [{
            "id": "longjing", "name": {"zh-CN": "明前龙井", "en-US": "Longjing green tea"},
            "price": price, "unit": {"zh-CN": "/ 盒"}, "image": "assets/longjing.png",
            "note": {"zh-CN": "清明前采摘,豆香清雅"}, "qr": "https://example.com/p/longjing"}],
        "segments": [
            {"id": "welcome", "say": line("segment", "welcome"), "gesture": "greet"},
            {"id": "longjing", "say": line("segment", "longjing"), "show": "longjing"}],
        "answers": [{"id": "price", "ask": {"zh-CN": ["龙井多少钱"]},
                     "say": line("answer", "price"), "show": "longjing"}],
        "fallback": {"say": line("fallback", "fallback")},
    }
