"""From a visitor's question to the avatar's answer, by ear: real processes, real sound.

Questions that the programme does not hold in these words are spoken by synthetic voices that are
not the kiosk's own into its microphone, while it presents and while its own voice leaks into the
same microphone. What microphone and loudspeaker carried is recorded; nothing that the processes
say of themselves is believed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cli.benches.answering import AnsweringShop, Asked
from cli.benches.figure import Figure
from cli.benches.privacy import leaks, traces
from cli.benches.stand import Floats
from cli.sound import MICROPHONE_SINK, RATE_HZ, SPEAKER_SINK
from device.audio.resample import resample
from device.paths import assets_dir, avatars_dir, repository_root
from device.tts.kokoro import Voice

ECHO_DB = -15.0  # the kiosk's own voice in its microphone, against what it plays
SPOKEN_DBFS = -22.0
# In other words than the programme's: language, voice, text.
QUESTIONS = (
    ("zh-CN", "zm_yunxi", "龙井现在什么价"),
    ("en-US", "am_michael", "What's the price of your Longjing?"),
    ("zh-CN", "zf_xiaoxiao", "铁观音贵吗"),
    ("en-US", "af_heart", "What do you charge for the oolong?"),
    ("zh-CN", "zm_yunxi", "你们晚上几点关门"),
    ("en-US", "am_michael", "When do you close tonight?"),
    ("zh-CN", "zf_xiaoxiao", "可以先尝一尝吗"),
    ("en-US", "af_heart", "Can I taste it first?"),
    ("zh-CN", "zm_yunxi", "请问普洱怎么卖"),
    ("en-US", "am_michael", "How much is the pu'er please?"),
)
BETWEEN_S, INTO_S, ANSWER_S, IDLE_S = 1.5, 0.6, 6.0, 10.0
STEP_MS = 5
LOUD, VOICED_DB = 0.004, -35.0
QUIET_MS = 120
LATE_MS = 5000
LIMITS_MS = (500.0, 800.0)
STOP_MS, RSS_MB, SPEAKING_SHARE, IDLE_SHARE = 250.0, 500.0, 0.8, 0.05
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Reply:
    """What one question did: ms from its first sound to the avatar's silence (None: it did not
    speak then, or was not stopped), and from its last sound to the answer's first (None: none)."""

    text: str
    silent_ms: float | None
    answer_ms: float | None
    spoke: bool


def measure() -> list[Figure]:
    """Times of answers and of falling silent; the ear's memory and processor."""
    voice = Voice.load(assets_dir())
    spoken = [(text, spoken_by(voice, voice_id, text, language))
              for language, voice_id, text in QUESTIONS]
    del voice  # its memory and threads are no part of a kiosk that listens
    programme, avatar = repository_root() / "programmes" / "tea-shop", avatars_dir() / "lin"
    with (tempfile.TemporaryDirectory(prefix="vitrine-answers-") as folder,
          AnsweringShop(Path(folder), programme, avatar, ECHO_DB) as shop):
        shop.watch(IDLE_S)  # it learns its echo while it presents
        microphone, speaker = shop.record(MICROPHONE_SINK), shop.record(SPEAKER_SINK)
        idle, _ = shop.ear_share(partial(shop.watch, IDLE_S))
        asked, answered, busy = [], [], []
        for text, samples in spoken:
            shop.wait("the presentation", lambda: shop.state.state == "presenting")
            shop.watch(BETWEEN_S)
            before = shop.state.saying
            shop.wait("a new sentence", partial(_begins, shop, before))
            shop.watch(INTO_S)
            share, question = shop.ear_share(partial(shop.ask, text, samples))
            busy.append(share)
            asked.append(question)
            answered.append(any(each.state == "answering" for each in shop.watch(ANSWER_S)))
        rss_mb = (shop.ear_state.rss_bytes or 0) / 1e6
        found = replies(asked, answered, microphone.recorded(), speaker.recorded())
        (Path(folder) / "told.jsonl").write_bytes(b"\n".join(shop.told))
        own = (programme / "programme.json").read_text(encoding="utf-8")
        words = traces([*shop.heard, *(text for text, _ in spoken)], own)
        found_words = leaks(Path(folder), words)
    for leak in found_words:
        print(f"vitrine: {leak}", file=sys.stderr)
    return [*figures(found, rss_mb, float(np.mean(busy)), idle),
            Figure("visitor's words in files, messages and logs", len(found_words), "", 0.0,
                   note=f"{len(words)} traces of {len(shop.heard)} utterances looked for")]


def _begins(shop: AnsweringShop, before: str | None) -> bool:
    """Has the avatar begun to say something else than `before`?"""
    return shop.state.saying not in (None, before)


def spoken_by(voice: Voice, voice_id: str, text: str, language: str) -> Floats:
    """The sentence at 48 kHz, as loud as a visitor before the screen."""
    speech = voice.synthesise(text, language, voice=voice_id)
    samples = resample(speech.samples, speech.sample_rate_hz, RATE_HZ)
    loud = samples[np.abs(samples) > LOUD]
    gain = 10 ** (SPOKEN_DBFS / 20) / float(np.sqrt(np.mean(loud**2)))
    return (samples * gain).astype(np.float32)


def replies(
    asked: Sequence[Asked], answered: Sequence[bool], heard: tuple[float, Floats],
    said: tuple[float, Floats],
) -> list[Reply]:
    """Each question found in the microphone's recording, and what the loudspeaker did then."""
    (heard_s, microphone), (said_s, speaker) = heard, said
    loud = envelope(speaker) > LOUD
    found = []
    for question, was in zip(asked, answered, strict=True):
        at_s = heard_s + place_of(question, heard_s, microphone) / RATE_HZ
        first, last = voiced(question.samples)
        begin = round((at_s + first / RATE_HZ - said_s) * 1000 / STEP_MS)
        end = round((at_s + last / RATE_HZ - said_s) * 1000 / STEP_MS)
        found.append(reply(question.text, loud, begin, end, was))
    return found


def place_of(question: Asked, heard_s: float, microphone: Floats) -> int:
    """The sample of the recording at which the question begins: where both are most alike."""
    from_sample = max(0, int((question.begun_s - heard_s) * RATE_HZ))
    window = microphone[from_sample : from_sample + len(question.samples) + 2 * RATE_HZ]
    size = 1 << int(np.ceil(np.log2(len(window) + len(question.samples))))
    alike = np.fft.irfft(
        np.fft.rfft(window, size) * np.conj(np.fft.rfft(question.samples, size)), size)
    return from_sample + int(np.argmax(alike[: 2 * RATE_HZ]))


def envelope(samples: Floats) -> Floats:
    """Loudness (RMS) of each 5 ms."""
    step = RATE_HZ * STEP_MS // 1000
    parts = samples[: len(samples) // step * step].reshape(-1, step)
    power: Floats = (parts.astype(np.float32) ** 2).mean(axis=1)
    return np.sqrt(power)


def voiced(samples: Floats) -> tuple[int, int]:
    """First and last sample of the voice in a clean recording."""
    loudness = envelope(samples)
    loud = np.flatnonzero(loudness > loudness.max() * 10 ** (VOICED_DB / 20))
    step = RATE_HZ * STEP_MS // 1000
    return int(loud[0]) * step, int(loud[-1] + 1) * step


def reply(text: str, loud: Bools, begin: int, end: int, answered: bool) -> Reply:
    """From the loudspeaker's loudness, in steps of 5 ms, and where the question lies in it.

    Sound that goes on over the question's end is no answer, and neither is what was said when
    the player told of none (`answered`)."""
    quiet = QUIET_MS // STEP_MS
    spoke = bool(loud[max(0, begin - quiet) : begin].any())
    silent_at = next((at for at in range(begin, end + LATE_MS // STEP_MS)
                      if not loud[at : at + quiet].any()), None)
    silent_ms = (silent_at - begin) * STEP_MS if spoke and silent_at is not None else None
    if silent_at is None or silent_at > end or not answered:
        return Reply(text, silent_ms, None, spoke)
    later = np.flatnonzero(loud[end : end + LATE_MS // STEP_MS])
    return Reply(text, silent_ms, float(later[0]) * STEP_MS if len(later) else None, spoke)


def figures(
    found: Sequence[Reply], rss_mb: float, speaking_share: float, idle_share: float
) -> list[Figure]:
    """Against what must be reached; a question without an answer counts as the longest wait."""
    answers = [each.answer_ms if each.answer_ms is not None else LATE_MS for each in found]
    stops = [each.silent_ms if each.silent_ms is not None else LATE_MS
             for each in found if each.spoke]
    note = f"{sum(a < LATE_MS for a in answers)} of {len(found)} answered, echo {ECHO_DB:.0f} dB"
    return [
        Figure("question's end to the answer's first sound, p50",
               float(np.percentile(answers, 50)), "ms", LIMITS_MS[0], note=note),
        Figure("question's end to the answer's first sound, p95",
               float(np.percentile(answers, 95)), "ms", LIMITS_MS[1], note=note),
        Figure("visitor's voice to the avatar's silence, p95",
               float(np.percentile(stops, 95)) if stops else LATE_MS, "ms", STOP_MS,
               note=f"n = {len(stops)}"),
        Figure("ear: memory", rss_mb, "MB", RSS_MB),
        Figure("ear: processor while someone speaks", speaking_share, "cores", SPEAKING_SHARE),
        Figure("ear: processor while only the avatar speaks", idle_share, "cores", IDLE_SHARE),
    ]
