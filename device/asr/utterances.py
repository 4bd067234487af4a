"""A recording heard the way the live microphone is: voice detection, turns, recognition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from device.asr.recogniser import SAMPLE_RATE_HZ, Recogniser, Samples, Transcript
from device.asr.turns import Ended, Paused, Turns, TurnSettings
from device.asr.vad import CHUNK_SAMPLES, Vad
from device.audio.soundfiles import read
from device.paths import assets_dir

_QUIET_AFTER_S = 0.8


def utterances(
    samples: Samples, vad: Vad, settings: TurnSettings | None = None
) -> Iterator[tuple[Samples, float, float]]:
    """(samples, start_ms, end_ms) of every utterance in mono 16 kHz sound."""
    vad.reset()
    turns = Turns(settings or TurnSettings())
    quiet = np.zeros(int(_QUIET_AFTER_S * SAMPLE_RATE_HZ), np.float32)
    padded = np.concatenate([samples, quiet])
    handed: Paused | None = None
    for start in range(0, len(padded) - CHUNK_SAMPLES + 1, CHUNK_SAMPLES):
        chunk = padded[start : start + CHUNK_SAMPLES]
        end_ns = (start + CHUNK_SAMPLES) * 1_000_000_000 // SAMPLE_RATE_HZ
        for event in turns.feed(chunk, vad.probability(chunk), end_ns):
            if isinstance(event, Paused):
                handed = event
            elif isinstance(event, Ended) and handed and event.number == handed.number:
                yield handed.samples, event.begin_ns / 1e6, event.speech_end_ns / 1e6


def hear(
    samples: Samples, languages: Sequence[str], prompt: Mapping[str, str] | None,
    recogniser: Recogniser, vad: Vad,
) -> list[Transcript]:  # fmt: skip
    """The trustworthy transcripts of mono 16 kHz sound, in order, with their places in it."""
    found = []
    for utterance, start_ms, end_ms in utterances(samples, vad):
        transcript = recogniser.transcribe(utterance, languages, prompt)
        if transcript.text:
            found.append(replace(transcript, start_ms=start_ms, end_ms=end_ms))
    return found


def hear_file(
    path: Path, languages: Sequence[str], prompt: Mapping[str, str] | None,
    recogniser: Recogniser, vad: Vad | None = None,
) -> list[Transcript]:  # fmt: skip
    """`hear` on a sound file of any rate. Raises Refused for a broken, empty or silent one."""
    samples = read(path, SAMPLE_RATE_HZ, allow_silence=False)
    return hear(samples, languages, prompt, recogniser, vad or Vad.load(assets_dir()))
