"""Speaking as the avatar: from the operator's microphone to the box's loudspeaker and screen.

Everything is real: Chromium with the console's page, the chain's server with its broker, agent and
player, a sound server whose sink is recorded. The microphone is Chromium's own false one, which
plays a file: its capture time stamps and the recording are on the machine's one clock.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.benches.figure import Figure
from cli.benches.live_shop import LiveShop
from cli.benches.stand import Recording
from cli.sound import SPEAKER_SINK
from device.audio.soundfiles import read
from device.paths import prefix_dir, repository_root
from ota.clock import monotonic_s, sleep_s
from ota.errors import Refused

RATE_HZ = 48_000
CLIPS, CLIP_S, PAUSE_S, MEASURED_S = 8, 1.6, 0.7, 22.0
ENVELOPE_HZ, WINDOW_MS, PART_MS = 1000, 10, 1200
SPEECH_DECADES, AGREEMENT_MIN = 3.0, 0.8
LAG_MS_MAX = 700
LIMIT_MS = 300.0
BROWSER = ("--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
           "--disable-dev-shm-usage")
# Notes what the microphone captured, by the time stamps of the capture itself, beside the page.
LISTEN = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await ask(wanted), power = [];
  const track = stream.getAudioTracks()[0].clone();
  const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
  window.vitrineSpoken = power;
  (async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const at = value.timestamp / 1000;
      const samples = new Float32Array(value.numberOfFrames), step = value.sampleRate / 1000;
      value.copyTo(samples, { planeIndex: 0, format: "f32-planar" }); value.close();
      for (let i = 0; i < samples.length; i += step)
        power.push([at + i / step,
                    samples.slice(i, i + step).reduce((sum, each) => sum + each * each, 0) / step]);
    }
  })();
  return stream;
};
"""
Floats = NDArray[np.float64]
# Monotonic seconds of the first value, and the loudness at 1 kHz.
Loudness = tuple[float, Floats]


def measure() -> list[Figure]:
    """Milliseconds from voice to sound and to the picture that belongs to it, on loopback."""
    root = repository_root()
    programme, avatar = root / "programmes" / "tea-shop", root / "models" / "avatars" / "lin"
    with tempfile.TemporaryDirectory(prefix="vitrine-live-") as place:
        folder = Path(place)
        make_voice(folder / "voice.wav", programme)
        with LiveShop(folder, programme, avatar, "--size", "540x960") as shop:
            spoken, heard, state = speak(shop, folder / "voice.wav")
            report = shop.leave_player()
    lags_ms = delays_ms(spoken, heard)
    if not lags_ms:
        raise Refused("Nothing that was spoken was heard at the loudspeaker; is the sound up?")
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


def make_voice(path: Path, programme: Path) -> None:
    """A WAV of sentences with pauses between them; the browser plays it over and over."""
    files = sorted((programme / "speech").glob("*.opus"))[:CLIPS]
    if not files:
        raise Refused(f"{programme} has no speech; run `vitrine programme build {programme}`.")
    parts = [np.zeros(round(PAUSE_S * RATE_HZ), np.float32)]
    for file in files:
        clip = read(file, RATE_HZ)[: round(CLIP_S * RATE_HZ)]
        parts += [clip, np.zeros(round(PAUSE_S * RATE_HZ), np.float32)]
    ints = (np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(ints.tobytes())


def speak(shop: LiveShop, voice: Path) -> tuple[Loudness, Loudness, dict[str, Any]]:
    """Speak through the page; what microphone and loudspeaker carried, and what the page knew."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise Refused("This needs Chromium and playwright; run `vitrine test` once.") from error
    unpacked = prefix_dir() / "usr" / "lib" / "chromium" / "chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            args=[*BROWSER, f"--use-file-for-fake-audio-capture={voice}"],
            env={**shop.environment()},
            executable_path=str(unpacked) if unpacked.exists() else shutil.which("chromium"))
        page = browser.new_page()
        page.add_init_script(LISTEN)
        page.goto(shop.page)
        page.click("#speak")
        shop.wait("the takeover", lambda: page.evaluate("window.vitrineLive.phase") == "on")
        with Recording(f"{SPEAKER_SINK}.monitor", shop.environment()) as heard:
            sleep_s(MEASURED_S)
            state = dict(page.evaluate("window.vitrineLive"))
            shifts_s = []
            for _ in range(20):
                before_s, now_ms = monotonic_s(), float(page.evaluate("performance.now()"))
                shifts_s.append(before_s - now_ms / 1e3)
            spoken = np.array(page.evaluate("window.vitrineSpoken"))
        page.click("#speak")
        browser.close()
    places = np.round(spoken[:, 0] - spoken[0, 0]).astype(int)
    power = np.zeros(places[-1] + 1)
    power[places] = spoken[:, 1]
    return (spoken[0, 0] / 1e3 + max(shifts_s), loudness(power)), curve(*heard.recorded()), state


def loudness(power: Floats) -> Floats:
    """Powers at 1 kHz, smoothed over 10 ms, as their logarithm."""
    return np.log10(np.convolve(power, np.ones(WINDOW_MS) / WINDOW_MS, "same") + 1e-7)


def curve(start_s: float, samples: NDArray[np.float32]) -> Loudness:
    """A recording's loudness."""
    step = RATE_HZ // ENVELOPE_HZ
    kept = samples[: len(samples) // step * step].astype(np.float64) ** 2
    return start_s, loudness(kept.reshape(-1, step).mean(axis=1))


def delays_ms(spoken: Loudness, heard: Loudness) -> list[float]:
    """How much later each sentence was heard than spoken: where the loudness curves agree best."""
    (first_s, voice), (second_s, sound) = spoken, heard
    shift_ms = round((first_s - second_s) * ENVELOPE_HZ)
    loud = np.flatnonzero(voice > voice.max() - SPEECH_DECADES)
    begins = loud[np.diff(loud, prepend=-ENVELOPE_HZ) > PAUSE_S * ENVELOPE_HZ / 2]
    found = []
    for begin in begins.tolist():
        part = voice[max(0, begin - 100) : begin + PART_MS]
        at = max(0, begin - 100) + shift_ms
        if at < 0 or len(part) < PART_MS or at + len(part) + LAG_MS_MAX > len(sound):
            continue
        scores = [agreement(part, sound[at + lag :][: len(part)]) for lag in range(LAG_MS_MAX)]
        if max(scores) > AGREEMENT_MIN:
            found.append(float(np.argmax(scores)))
    return found


def agreement(one: Floats, other: Floats) -> float:
    """The correlation of two loudness curves; -1 with silence."""
    return float(np.corrcoef(one, other)[0, 1]) if other.std() > 0 else -1.0
