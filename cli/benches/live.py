"""Speaking as the avatar: from the operator's microphone to the box's loudspeaker and screen.

Everything is real: Chromium with the console's page, a sound server whose sinks are microphone and
loudspeaker (both recorded against one clock), the chain's server with its broker, agent and player.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.benches.figure import Figure
from cli.benches.live_shop import LiveShop
from cli.sound import MICROPHONE_SINK, MICROPHONE_SOURCE, SPEAKER_SINK
from device.audio.soundfiles import read
from device.paths import prefix_dir, repository_root
from ota.clock import sleep_s
from ota.errors import Refused

RATE_HZ = 48_000
CLIPS, PAUSE_S, AHEAD_S = 10, 0.7, 1.0
ENVELOPE_HZ, WINDOW_MS = 1000, 10
LAG_MS_MAX = 700
LIMIT_MS = 300.0
Floats = NDArray[np.float64]
# Monotonic seconds of the first value, and the loudness at 1 kHz.
Loudness = tuple[float, Floats]


def measure() -> list[Figure]:
    """Milliseconds from voice to sound and to the picture that belongs to it, on loopback."""
    root = repository_root()
    programme, avatar = root / "programmes" / "tea-shop", root / "models" / "avatars" / "lin"
    with tempfile.TemporaryDirectory(prefix="vitrine-live-") as place:
        folder = Path(place)
        lengths_ms = make_voice(folder / "voice.wav", programme)
        with LiveShop(folder, programme, avatar, "--size", "540x960") as shop:
            spoken, heard, state = speak(shop, folder / "voice.wav")
            report = shop.leave_player()
    lags_ms = delays_ms(spoken, heard, lengths_ms)
    late_ms = abs(float(report["av_offset_ms"]["p95_abs"]))
    middle_ms, worst_ms = statistics.median(lags_ms), float(np.percentile(lags_ms, 95))
    note = f"{len(lags_ms)} sentences; mouths late {report['mouths_late']}"
    return [
        Figure("live: operator's voice to sound, median", middle_ms, "ms", LIMIT_MS, note=note),
        Figure("live: operator's voice to sound, p95", worst_ms, "ms"),
        Figure("live: voice to sound and its mouth, median", middle_ms + late_ms, "ms", LIMIT_MS),
        Figure("live: what the page says it is", float(state["totalMs"] or 0.0), "ms"),
        Figure("live: chunks that came late", float(state.get("late", 0)), ""),
    ]


def make_voice(path: Path, programme: Path) -> list[int]:
    """A WAV of sentences with pauses; how long each is, in ms."""
    files = sorted((programme / "speech").glob("*.opus"))[:CLIPS]
    if not files:
        raise Refused(f"{programme} has no speech; run `vitrine programme build {programme}`.")
    parts, lengths_ms = [np.zeros(round(AHEAD_S * RATE_HZ), np.float32)], []
    for file in files:
        clip = read(file, RATE_HZ)[: 2 * RATE_HZ]
        parts += [clip, np.zeros(round(PAUSE_S * RATE_HZ), np.float32)]
        lengths_ms.append(len(clip) * 1000 // RATE_HZ)
    ints = (np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(ints.tobytes())
    return lengths_ms


def speak(shop: LiveShop, voice: Path) -> tuple[Loudness, Loudness, dict[str, Any]]:
    """Speak through the page; what microphone and loudspeaker carried, and what the page knew."""
    from playwright.sync_api import sync_playwright

    environment = {**os.environ, **shop.sound.environment}
    # A browser asks the server for its default, not the environment.
    subprocess.run(["pactl", "set-default-source", MICROPHONE_SOURCE], env=environment,
                   timeout=10, check=True)
    unpacked = prefix_dir() / "usr" / "lib" / "chromium" / "chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            args=["--no-sandbox", "--use-fake-ui-for-media-stream", "--disable-dev-shm-usage"],
            env=environment,
            executable_path=str(unpacked) if unpacked.exists() else shutil.which("chromium"))
        page = browser.new_page()
        page.goto(shop.page)
        page.click("#speak")
        shop.wait("the takeover", lambda: page.evaluate("window.vitrineLive.phase") == "on")
        with Ear(shop, MICROPHONE_SOURCE) as spoken, Ear(shop, f"{SPEAKER_SINK}.monitor") as heard:
            subprocess.run(["paplay", f"--device={MICROPHONE_SINK}", str(voice)],
                           env=environment, timeout=120, check=True)
            sleep_s(1.0)
            state = dict(page.evaluate("window.vitrineLive"))
        page.click("#speak")
        browser.close()
    return spoken.envelope(), heard.envelope(), state


class Ear:
    """Records one source of the sound server, in a process of its own, on the machine's clock."""

    def __init__(self, shop: LiveShop, source: str) -> None:
        self._path = shop.folder / f"{source}.npz"
        environment = {**shop.environment(), "PULSE_SOURCE": source}
        self._process = subprocess.Popen(
            (sys.executable, "-m", "cli.benches.live_ear", str(self._path)), env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=repository_root())

    def __enter__(self) -> Ear:
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it hears
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def envelope(self) -> Loudness:
        """What was recorded, as loudness."""
        with np.load(self._path) as found:
            samples, start_s = found["samples"].astype(np.float64), float(found["start_s"])
        step = RATE_HZ // ENVELOPE_HZ
        power = (samples[: len(samples) // step * step] ** 2).reshape(-1, step).mean(axis=1)
        window = np.ones(WINDOW_MS) / WINDOW_MS
        return start_s, np.log10(np.convolve(power, window, "same") + 1e-7)


def delays_ms(
    spoken: Loudness, heard: Loudness, lengths_ms: list[int]
) -> list[float]:
    """How much later each sentence was heard than spoken: where the loudness curves agree best."""
    (first_s, voice), (second_s, sound) = spoken, heard
    shift_ms = (first_s - second_s) * ENVELOPE_HZ
    loud = voice > (voice.max() - 3)
    begins = int(np.argmax(loud))
    found, at = [], begins
    for length in lengths_ms:
        part = voice[max(0, at - 100) : at + length + 100]
        start = max(0, at - 100)
        scores = []
        for lag in range(LAG_MS_MAX):
            other = sound[round(start + shift_ms) + lag :][: len(part)]
            scores.append(float(np.corrcoef(part, other)[0, 1])
                          if len(other) == len(part) and other.std() > 0 else -1.0)
        found.append(float(np.argmax(scores)))
        at += length + round(PAUSE_S * ENVELOPE_HZ)
    return found
