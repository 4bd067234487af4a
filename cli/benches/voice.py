"""The synthesiser: how even its clips are, what they cost, whether a listener gets them, and
whether the lips shut where they must."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cli.benches.figure import Figure
from cli.benches.shut_lips import lips_shut
from device.asr.whisper import Whisper
from device.audio.resample import resample
from device.audio.soundfiles import read
from device.conversation.syllables import syllables
from device.paths import assets_dir, repository_root
from device.programme.load import load_index
from device.tts.kokoro import Voice
from device.tts.r128 import integrated_lufs, true_peak_dbtp
from device.tts.text import normalise
from ota.clock import process_cpu_s

RATE_HZ, EAR_HZ = 48_000, 16_000
CHINESE = (
    "明前龙井一盒一百二十八元。", "营业时间是早上九点到晚上九点半。", "今天满二百减三十。",
    "普洱茶放在干燥通风的地方。",
)  # fmt: skip
ENGLISH = (
    "Our green tea is picked in early spring.", "We are open from nine to half past nine.",
    "Buy two boxes and get one free today.", "Please ask one of my colleagues at the counter.",
)  # fmt: skip


def measure() -> list[Figure]:
    """Loudness of the shipped clips, CPU of a second of speech, errors of a listening machine."""
    figures = _loudness(repository_root() / "programmes" / "tea-shop")
    voice = Voice.load(assets_dir(), threads=1)
    ear = Whisper.load(assets_dir(), threads=1)
    cpu_s = spoken_s = 0.0
    for language, lines, name in (
        ("zh-CN", CHINESE, "Chinese syllables"), ("en-US", ENGLISH, "English words"),
    ):  # fmt: skip
        wrong = total = 0
        for line in lines:
            begun_s = process_cpu_s()
            speech = voice.synthesise(line, language)
            cpu_s += process_cpu_s() - begun_s
            spoken_s += speech.duration_ms / 1000
            heard = ear.transcribe(
                resample(speech.samples, speech.sample_rate_hz, EAR_HZ), (language,))
            wanted, found = (_units(text, language) for text in (line, heard.text))
            wrong += distance(wanted, found)
            total += len(wanted)
        figures.append(Figure(f"{name} misheard, no prompt", 100 * wrong / total, "%", 10.0,
                              note=f"n={len(lines)} lines"))
    return [*figures, Figure("CPU for a second of speech", cpu_s / spoken_s, "s", 1.5),
            *lips_shut(voice)]


def _loudness(folder: Path) -> list[Figure]:
    files = sorted({clip.file for clip in load_index(folder).speech.values()})
    clips = [read(folder / name, RATE_HZ) for name in files]
    levels = np.array([integrated_lufs(clip, RATE_HZ) for clip in clips])
    peak = max(true_peak_dbtp(clip) for clip in clips)
    note = f"n={len(clips)} clips, {levels.min():.1f} to {levels.max():.1f} LUFS"
    return [
        Figure("loudness of the shipped clips, median", float(np.median(levels)), "LUFS",
               note=note),
        Figure("softest to loudest clip", float(np.ptp(levels)), "LU", 1.5),
        Figure("highest true peak", peak, "dBTP", -1.0),
    ]


def _units(text: str, language: str) -> list[str]:
    """Toneless syllables, or words."""
    read_out = normalise(text, language).lower()
    if language.startswith("zh"):
        return list(syllables(read_out))
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in read_out)
    return kept.split()


def distance(wanted: list[str], found: list[str]) -> int:
    """Edits from one list to the other."""
    row = list(range(len(found) + 1))
    for i, left in enumerate(wanted, 1):
        last, row[0] = row[0], i
        for j, right in enumerate(found, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (left != right))
    return row[-1]
