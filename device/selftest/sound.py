"""Speaker and microphone: a real tone out, and is it in what comes back?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from device.audio.capture import RATE_HZ as HEARD_HZ
from device.audio.capture import Capture
from device.audio.speaker import GRID_FRAMES, RATE_HZ, Speaker
from device.selftest.finding import Finding
from ota.clock import Deadline, monotonic_ns, monotonic_s

TONE_HZ = 1000.0
TONE_S = 0.8
LEVEL = 0.25
SETTLE_S = 1.5
LISTEN_S = 6.0  # at most, where the machine is busy
FIRST_S = 6.0  # a sound server that wakes up: after 5 s `Capture` itself says what is wrong
HEARD_DB = 10.0
SILENT_DBFS = -100.0

Samples = npt.NDArray[np.float32]


def tone(hz: float, seconds: float, rate_hz: int, level: float = LEVEL) -> Samples:
    """A sine with soft edges, float32 mono."""
    count = int(seconds * rate_hz)
    wave = np.sin(2 * np.pi * hz * np.arange(count) / rate_hz) * level
    edge = min(count // 4, rate_hz // 100)
    ramp = np.linspace(0.0, 1.0, edge)
    wave[:edge] *= ramp
    wave[count - edge :] *= ramp[::-1]
    return wave.astype(np.float32)


def tone_share_db(samples: Samples, hz: float, rate_hz: int) -> float | None:
    """How far the tone stands above everything else, in dB; None for digital silence.

    The tone's power (projection on sine and cosine) against the power of the rest.
    """
    if len(samples) < rate_hz // 10:
        return None
    centred = samples.astype(np.float64) - float(np.mean(samples))
    power = float(np.mean(centred**2))
    if power <= 1e-12:
        return None
    phase = 2 * np.pi * hz * np.arange(len(centred)) / rate_hz
    part = np.hypot(np.mean(centred * np.cos(phase)), np.mean(centred * np.sin(phase)))
    of_tone = min(2.0 * float(part) ** 2, power)
    rest = max(power - of_tone, power * 1e-9)
    return float(10 * np.log10(max(of_tone, 1e-15) / rest))


def check_sound() -> list[Finding]:
    """Findings `sound` and `microphone`; plays a short tone."""
    began_s = monotonic_s()
    speaker, capture = Speaker().start(), Capture()
    try:
        speaker.settle(SETTLE_S)
        heard, running = _play_and_listen(speaker, capture)
        state, fault, level = speaker.state(), capture.fault, capture.level_dbfs
    finally:
        speaker.close()
        capture.close()
    share_db = _best_window_db(heard)
    took_ms = (monotonic_s() - began_s) * 1e3
    return [
        sound_finding(running, state.device, state.fault, share_db, took_ms / 2),
        microphone_finding(heard, fault, level, capture.device_name, took_ms / 2),
    ]


def _play_and_listen(speaker: Speaker, capture: Capture) -> tuple[Samples, bool]:
    """What was heard while the tone played, and whether the device took all of the tone."""
    patience = Deadline(FIRST_S)
    while capture.read(0.1) is None and not patience.passed and capture.fault is None:
        continue
    taken, sound = speaker.taken_frames, tone(TONE_HZ, TONE_S, RATE_HZ)
    speaker.play(sound)
    all_taken = taken + len(sound) + GRID_FRAMES
    chunks: list[Samples] = []
    end_ns = monotonic_ns() + int((TONE_S + 1.0) * 1e9)
    deadline = Deadline(LISTEN_S)
    while not deadline.passed and (
        monotonic_ns() < end_ns
        or (speaker.taken_frames < all_taken and speaker.state().fault is None)
    ):
        chunk = capture.read(0.1)
        if chunk is not None:
            chunks.append(chunk.samples)
    heard = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
    return heard, speaker.taken_frames >= all_taken


def _best_window_db(heard: Samples) -> float | None:
    window = int(TONE_S * HEARD_HZ / 2)
    shares = [
        share
        for start in range(0, max(1, len(heard) - window), window // 4)
        if (share := tone_share_db(heard[start : start + window], TONE_HZ, HEARD_HZ)) is not None
    ]
    return max(shares, default=None)


def sound_finding(
    running: bool, device: str, fault: str | None, share_db: float | None, took_ms: float
) -> Finding:
    """Judge the speaker. Pure."""
    facts = {"device": device, "tone_db": None if share_db is None else round(share_db, 1)}
    if not running:
        return Finding(
            id="sound", ok=False, facts={**facts, "fault": fault}, took_ms=took_ms,
            zh="没有声音输出。", en="There is no sound output.",
            next_zh="检查音箱的电源和接线,然后再试一次。",
            next_en="Check the loudspeaker's power and cable, then try again.",
        )
    if share_db is not None and share_db >= HEARD_DB:
        return Finding(
            id="sound", ok=True, facts=facts, took_ms=took_ms,
            zh="声音正常,麦克风听到了测试音。",
            en="The sound works: the microphone heard the test tone.",
        )
    return Finding(
        id="sound", ok=None, facts=facts, took_ms=took_ms,
        zh="测试音已经播放,但麦克风没有听到。",
        en="The test tone was played, but the microphone did not hear it.",
        next_zh="您听到“嘀”声了吗?没有的话,请调高音量并检查音箱。",
        next_en="Did you hear a beep? If not, turn up the volume and check the loudspeaker.",
    )


def microphone_finding(
    heard: Samples, fault: str | None, level_dbfs: float | None, device: str, took_ms: float
) -> Finding:
    """Judge the microphone. Pure."""
    facts = {
        "device": device, "seconds": round(len(heard) / HEARD_HZ, 2),
        "level_dbfs": None if level_dbfs is None else round(level_dbfs, 1),
    }
    if not len(heard):
        return Finding(
            id="microphone", ok=False, facts={**facts, "fault": fault}, took_ms=took_ms,
            zh="没有找到麦克风。", en="No microphone was found.",
            next_zh="插好麦克风,然后再试一次。没有麦克风时,屏幕只讲不听。",
            next_en="Plug in the microphone and try again. Without one the screen only talks.",
        )
    if float(np.max(np.abs(heard))) < 10 ** (SILENT_DBFS / 20):
        return Finding(
            id="microphone", ok=None, facts=facts, took_ms=took_ms,
            zh="麦克风接上了,但完全没有声音。",
            en="The microphone is there, but gives complete silence.",
            next_zh="对着它说话再试一次;检查它的静音开关。",
            next_en="Speak to it and try again; check its mute switch.",
        )
    return Finding(
        id="microphone", ok=True, facts=facts, took_ms=took_ms,
        zh="麦克风正常。", en="The microphone works.",
    )
