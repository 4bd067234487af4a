"""How much of its own voice does this box take out of its microphone? Measured through the air."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from device.audio.capture import Capture
from device.audio.echo import ERLE_DB_MIN, NO_REFERENCE, NOT_NEEDED, EchoCanceller
from device.audio.reference import ReferenceWriter
from device.audio.speaker import RATE_HZ, Speaker
from device.selftest.finding import Finding
from ota.clock import Deadline, monotonic_s

SETTLE_S = 2.0
SPEAK_S = 12.0
LEVEL = 0.2
GOOD_DB = 25.0

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Measured:
    """`state` and `erle_db` as the canceller has them in the end; `heard` chunks came at all."""

    running: bool
    heard: int
    state: str
    erle_db: float | None
    delay_ms: float | None
    drift_ppm: float | None
    fault: str | None


def babble(seconds: float, seed: int = 7) -> Samples:
    """Noise with the spectrum and the syllables of speech (IEC 60268-16's long-term slope, 4 Hz
    syllables, pauses), 48 kHz mono: it asks for no voice model, and nobody need understand it."""
    random = np.random.default_rng(seed)
    count = int(seconds * RATE_HZ)
    spectrum = np.fft.rfft(random.standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum *= np.where(hz < 120, 0.0, 1.0 / (1.0 + (hz / 500.0) ** 2) ** 0.5)
    spectrum[hz > 8_000] = 0.0
    noise = np.fft.irfft(spectrum, count)
    syllables = int(seconds * 4) + 2
    peaks = random.uniform(0.2, 1.0, syllables) * (random.uniform(size=syllables) > 0.2)
    at = np.arange(count) / RATE_HZ * 4
    between = 0.5 - 0.5 * np.cos(2 * np.pi * (at % 1.0))
    wave = noise * between * peaks[at.astype(int)]
    wave = (wave / np.sqrt(np.mean(wave**2)) * LEVEL * 0.5).clip(-0.9, 0.9)
    return np.asarray(wave, np.float32)


def check_echo() -> Finding:
    """Finding `echo`; plays 12 s of a murmur."""
    began_s = monotonic_s()
    measured = _measure()
    return echo_finding(measured, (monotonic_s() - began_s) * 1e3)


def _measure() -> Measured:
    speaker, capture = Speaker(), Capture()
    heard = 0
    with tempfile.TemporaryDirectory() as folder:
        writer = ReferenceWriter(Path(folder), speaker.clock)
        canceller = EchoCanceller(Path(folder), "")
        speaker.reference = writer.write
        try:
            speaker.start()
            speaker.settle(SETTLE_S)
            patience = Deadline(SETTLE_S)
            while capture.read(0.1) is None and not patience.passed and capture.fault is None:
                continue
            speaker.play(babble(SPEAK_S))
            deadline = Deadline(SPEAK_S)
            while not deadline.passed:
                chunk = capture.read(0.1)
                if chunk is not None:
                    heard += 1
                    canceller.source_name = capture.device_name
                    canceller.clean(chunk.samples, chunk.end_ns)
            return Measured(
                speaker.state().running, heard, canceller.state, canceller.erle_db,
                canceller.delay_ms, canceller.drift_ppm, canceller.fault or capture.fault)
        finally:
            speaker.close()
            capture.close()
            writer.close()
            canceller.close()


def echo_finding(measured: Measured, took_ms: float) -> Finding:
    """Judge the gain. Pure."""
    erle_db = measured.erle_db
    facts = {
        "state": measured.state, "fault": measured.fault,
        "erle_db": None if erle_db is None else round(erle_db, 1),
        "delay_ms": None if measured.delay_ms is None else round(measured.delay_ms, 1),
        "drift_ppm": None if measured.drift_ppm is None else round(measured.drift_ppm, 1),
    }  # fmt: skip
    if not measured.running or not measured.heard:
        return Finding(
            id="echo", ok=None, facts=facts, took_ms=took_ms,
            zh="没有声音设备,无法测量回声消除。",
            en="There is no sound device, so echo cancelling was not measured.",
            next_zh="接好音箱和麦克风,然后再试一次。",
            next_en="Connect loudspeaker and microphone, then try again.",
        )
    if measured.state == NO_REFERENCE:
        return Finding(
            id="echo", ok=None, facts=facts, took_ms=took_ms,
            zh="这里不做回声消除:说话时听不到顾客。",
            en="No echo is cancelled here: while it speaks, it does not hear visitors, unless the "
               "microphone cancels echoes itself.",
            next_zh="运行一次 ./vitrine demo 补齐 libspeexdsp1,或使用自带回声消除的麦克风。",
            next_en="Run ./vitrine demo once to bring libspeexdsp1, or use a microphone that "
                    "cancels echoes itself.",
        )
    if measured.state == NOT_NEEDED:
        return Finding(
            id="echo", ok=True, facts=facts, took_ms=took_ms,
            zh="麦克风听不到音箱,不需要回声消除。",
            en="The microphone does not hear the loudspeaker: no echo needs to be cancelled.",
        )
    if erle_db is not None and erle_db >= GOOD_DB:
        return Finding(
            id="echo", ok=True, facts=facts, took_ms=took_ms,
            zh=f"回声消除正常:{erle_db:.0f} dB。",
            en=f"Echo cancelling works: {erle_db:.0f} dB are removed.",
        )
    gain = "0" if erle_db is None else f"{erle_db:.0f}"
    enough = erle_db is not None and erle_db >= ERLE_DB_MIN
    return Finding(
        id="echo", ok=None if enough else False, facts=facts, took_ms=took_ms,
        zh=f"回声只消除了 {gain} dB" + (",插话时可能听不清。" if enough else ",说话时听不到顾客。"),
        en=f"Only {gain} dB of the echo are removed" + (
            "; visitors who interrupt may be misheard." if enough
            else "; while it speaks, it does not hear visitors."),
        next_zh="调低音量,让麦克风离音箱远一些,关掉电视的音效,然后再试一次。",
        next_en="Turn the volume down, move the microphone away from the loudspeaker, switch the "
                "TV's sound effects off, and try again.",
    )
