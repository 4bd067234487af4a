"""Turn-taking: how long from the last word to `Heard`, how soon a voice is one, what it costs.

The ear runs as its own process on a recording in real time, as on a box; voices and coughs go
through detector and turns alone, faster than real time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cli.benches.bursts import bursts
from cli.benches.figure import Figure
from device import messages as m
from device.asr.evidence import level_db
from device.asr.turns import Began, Event, Sure, Turns
from device.asr.vad import CHUNK_MS, CHUNK_SAMPLES, Vad
from device.audio.resample import resample
from device.audio.soundfiles import read, write_wav
from device.bus import Bus
from device.paths import Places, assets_dir, repository_root
from device.tts.kokoro import Voice
from ota.clock import Deadline, monotonic_ns

Samples = NDArray[np.float32]

RATE_HZ = 16_000
QUESTIONS = (
    ("龙井多少钱?", "zh-CN", "zm_yunxi"), ("你们几点关门?", "zh-CN", "zf_xiaobei"),
    ("碧螺春可以试喝吗?", "zh-CN", "zm_yunxi"), ("铁观音是什么味道?", "zh-CN", "zf_xiaobei"),
    ("How much is the Longjing?", "en-US", "am_michael"),
    ("What time do you close?", "en-US", "af_heart"),
    ("Can I taste the tea?", "en-US", "am_michael"),
    ("Do you gift wrap the tea?", "en-US", "af_heart"),
)  # fmt: skip
GAP_S, IDLE_S = 2.2, 8.0
NOISE = 0.0006
START = (
    "import sys; from pathlib import Path; from device.ear import EarSettings, run; "
    "from device.paths import Places; sys.exit(run(Places(Path(sys.argv[1])), "
    "EarSettings(speak=(Path(sys.argv[2]),))))"
)


@dataclass
class _Heard:
    latency_ms: list[float] = field(default_factory=list)
    took_ms: list[float] = field(default_factory=list)
    rss_mb: float = 0.0
    idle: float = 0.0
    speaking: float = 0.0


def measure(speech: Path | None = None) -> list[Figure]:
    """`speech`: a folder of recordings of people to ask with, besides the synthesised ones."""
    clips = [_spoken(*each) for each in QUESTIONS]
    heard = _through_the_ear(clips)
    people = [read(p, RATE_HZ, allow_silence=False) for p in _recordings(speech)]
    vad = Vad.load(assets_dir())
    certain_ms = [ms for clip in (*clips, *people) if (ms := _onset_ms(clip, vad)) is not None]
    sounds = bursts()
    stops = [kind for kind, sound in sounds if _is_certain(sound, vad)]
    asked = f"n {len(heard.latency_ms)} of {len(clips)}"
    return [
        Figure("end of question to Heard, p50", _at(heard.latency_ms, 50), "ms", 420.0, note=asked),
        Figure("end of question to Heard, p95", _at(heard.latency_ms, 95), "ms", 700.0),
        Figure("of it recognising, p50", _at(heard.took_ms, 50), "ms"),
        Figure("questions that were heard", len(heard.latency_ms) / len(clips), "of 1", 1.0, True),
        Figure("a voice is one, after its onset, p50", _at(certain_ms, 50), "ms",
               note=f"n {len(certain_ms)}"),
        Figure("a voice is one, after its onset, p95", _at(certain_ms, 95), "ms"),
        Figure("a cough or a clap stops the avatar", len(stops) / len(sounds), "of 1", 0.05,
               note=f"n {len(sounds)}, synthesised"),
        Figure("ear: RSS", heard.rss_mb, "MB", 500.0),
        Figure("ear: CPU while someone speaks", 100 * heard.speaking, "%", 80.0),
        Figure("ear: CPU idle", 100 * heard.idle, "%", 5.0),
    ]  # fmt: skip


def _recordings(speech: Path | None) -> list[Path]:
    folder = speech or repository_root() / "tests" / "device" / "clips"
    return sorted([*folder.glob("*.flac"), *folder.glob("*.opus")])


def _spoken(text: str, language: str, voice: str) -> Samples:
    speech = Voice.load(assets_dir()).synthesise(text, language, voice=voice)
    samples = resample(speech.samples, speech.sample_rate_hz, RATE_HZ)
    return samples[: _last_sound(samples)]


def _last_sound(samples: Samples) -> int:
    """Where the last chunk ends that is within 25 dB of the loud ones."""
    levels = _levels(samples)
    return (int(np.nonzero(levels > np.percentile(levels, 90) - 25)[0][-1]) + 1) * CHUNK_SAMPLES


def _levels(samples: Samples) -> NDArray[np.float64]:
    chunks = samples[: len(samples) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)
    return np.array([level_db(chunk) for chunk in chunks])


def _through_the_ear(clips: list[Samples]) -> _Heard:
    """Every clip asked in a quiet shop, after a while of nothing."""
    gap = np.zeros(int(GAP_S * RATE_HZ), np.float32)
    begin = np.zeros(int(IDLE_S * RATE_HZ), np.float32)
    pieces = [begin, *(part for clip in clips for part in (clip, gap))]
    room = np.concatenate(pieces)
    random = np.random.default_rng(1)
    room += NOISE * random.standard_normal(len(room)).astype(np.float32)
    ends_s = np.cumsum([len(piece) / RATE_HZ for piece in pieces])[1::2]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_wav(root / "room.wav", room, RATE_HZ)
        with Bus(Places(root).run, "player") as player, Bus(Places(root).run, "agent") as agent:
            ear = subprocess.Popen(
                [sys.executable, "-c", START, str(root), str(root / "room.wav")],
                env={**os.environ, "PYTHONPATH": str(repository_root())},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            try:
                return _listened(ear, player, agent, ends_s.tolist())
            finally:
                ear.kill()
                ear.wait()


def _listened(
    ear: subprocess.Popen[bytes], player: Bus, agent: Bus, ends_s: list[float]
) -> _Heard:
    found = _Heard()
    tea = str(repository_root() / "programmes" / "tea-shop")
    began_ns = idle_from_s = idle_ns = busy_s = busy_ns = 0.0
    limit, tell = Deadline(ends_s[-1] + 60.0), Deadline(0.0)
    while not limit.passed and ear.poll() is None:
        if tell.passed:
            tell = Deadline(1.0)
            agent.publish(m.ContentReady(path=tea, programme_id="tea-shop", version=1))
            player.publish(m.PlayerState(at_ns=monotonic_ns(), ready=True))
        message = player.receive(0.1)
        now_ns = monotonic_ns()
        if isinstance(message, m.EarState) and message.ready:
            found.rss_mb = max(found.rss_mb, (message.rss_bytes or 0) / 1e6)
            if idle_ns == 0 and message.level_dbfs is not None and message.level_dbfs > -100:
                idle_ns, idle_from_s = now_ns, _cpu_s(ear.pid)
        elif isinstance(message, m.Voice) and message.speaking and began_ns == 0:
            began_ns = busy_ns = now_ns
            busy_s = _cpu_s(ear.pid)
            found.idle = (busy_s - idle_from_s) / ((now_ns - idle_ns) / 1e9) if idle_ns else 0.0
        elif isinstance(message, m.Heard):
            found.took_ms.append(message.took_ms)
            found.latency_ms.append((message.at_ns - message.speech_end_ns) / 1e6)
            found.speaking = (_cpu_s(ear.pid) - busy_s) / ((now_ns - busy_ns) / 1e9)
            if len(found.latency_ms) == len(ends_s):
                break
        if began_ns and (now_ns - began_ns) / 1e9 > ends_s[-1] - IDLE_S + 5.0:
            break
    return found


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process, all threads, both modes."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _events(samples: Samples, vad: Vad) -> list[tuple[int, Event]]:
    """(chunk number, event) of a sound with 0.5 s of a quiet shop around it."""
    random = np.random.default_rng(2)
    quiet = np.zeros(RATE_HZ // 2, np.float32)
    room = np.concatenate([quiet, samples, quiet])
    room += NOISE * random.standard_normal(len(room)).astype(np.float32)
    vad.reset()
    turns, found = Turns(), []
    for number in range(len(room) // CHUNK_SAMPLES):
        chunk = room[number * CHUNK_SAMPLES : (number + 1) * CHUNK_SAMPLES]
        end_ns = (number + 1) * CHUNK_MS * 1_000_000
        found += [(number, event) for event in turns.feed(chunk, vad.probability(chunk), end_ns)]
    return found


def _is_certain(samples: Samples, vad: Vad) -> bool:
    return any(_certain(event) for _, event in _events(samples, vad))


def _certain(event: Event) -> bool:
    return isinstance(event, Sure) or (isinstance(event, Began) and event.certain)


def _onset_ms(samples: Samples, vad: Vad) -> float | None:
    """From the first two chunks within 15 dB of the loud ones to the certainty of a voice."""
    levels = _levels(samples)
    loud = levels > np.percentile(levels, 90) - 15
    both = np.nonzero(loud[:-1] & loud[1:])[0]
    at = next((number for number, event in _events(samples, vad) if _certain(event)), None)
    if at is None or len(both) == 0:
        return None
    onset_ms = 500.0 + int(both[0]) * CHUNK_MS
    return (at + 1) * CHUNK_MS - onset_ms


def _at(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("inf")
