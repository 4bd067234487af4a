"""Run by the speaker tests in their own sound environment: plays, records the sink, prints JSON.

usage: speaker_child.py sync AVATAR SECONDS | say | stall CONTROL
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from device.audio.portaudio import portaudio
from device.audio.speaker import GRID_FRAMES, RATE_HZ, Speaker
from device.render.bundle import load_bundle
from device.render.cards import hint
from device.render.mouth import Mouth
from device.render.sink import NullSink
from device.stage.mouths import MouthMaker
from device.stage.stage import Stage
from ota.clock import Deadline, monotonic_s, sleep_s

BEEP = (0.7 * np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ // 10) / RATE_HZ)).astype(np.float32)


class Recorder:
    """The sink's monitor through PortAudio: blocks and the monotonic time of their first sample."""

    def __init__(self) -> None:
        self.blocks: list[tuple[float, np.ndarray]] = []
        self._stream = portaudio().InputStream(
            samplerate=RATE_HZ, channels=1, dtype="float32", latency=0.05, callback=self._take)
        self._stream.start()

    def _take(self, block, frames, times, status) -> None:  # type: ignore[no-untyped-def]
        now_s = monotonic_s()
        self.blocks.append(
            (now_s - (times.currentTime - times.inputBufferAdcTime), block[:, 0].copy()))

    def onsets_s(self, gap_s: float = 0.3) -> list[float]:
        """When sound begins after at least `gap_s` of silence. Times are smoothed by a line."""
        counts = np.cumsum([0] + [len(b) for _, b in self.blocks[:-1]])
        stamps = np.array([t for t, _ in self.blocks])
        start_s = float(np.median(stamps - counts / RATE_HZ))
        samples = np.concatenate([b for _, b in self.blocks])
        loud = np.nonzero(np.abs(samples) > 0.05)[0]
        first = loud[np.diff(loud, prepend=-RATE_HZ) > gap_s * RATE_HZ]
        return [start_s + i / RATE_HZ for i in first]

    def samples(self) -> np.ndarray:
        return np.concatenate([b for _, b in self.blocks])


def sync(avatar: Path, seconds: float) -> dict[str, object]:
    """Beep and flash each 0.8 s: when was each heard, when was its frame presented?"""
    bundle = load_bundle(avatar, datetime(2026, 1, 1, tzinfo=timezone.utc))
    speaker, sink = Speaker().start(), NullSink()
    mouths = MouthMaker(Mouth(bundle)).start()
    stage = Stage(bundle, sink, speaker, mouths, bundle.manifest.size)
    flash = hint("FLASH " * 6, stage.compositor.look)
    shown: dict[int, float] = {}
    recorder = Recorder()
    speaker.settle(2.0)
    stage.open()
    stage.on_presented = lambda n, canvas: shown.__setitem__(n, monotonic_s())
    planned: list[int] = []

    def plan() -> None:
        end, next_start = Deadline(seconds), 0
        while not end.passed:
            start = speaker.play(BEEP, max(next_start, int(speaker.position_s() * RATE_HZ) + 24000))
            next_start = start + RATE_HZ * 4 // 5
            planned.append(stage.frame_at(start))
            stage.change_at(planned[-1], "hint", flash)
            stage.change_at(planned[-1] + 3, "hint", None)
            sleep_s(0.8)
        sleep_s(0.5)
        stage.leave()

    threading.Thread(target=plan).start()
    stage.run()
    onsets = recorder.onsets_s()
    offsets = []
    for n in planned:
        if n in shown and onsets:
            nearest = min(onsets, key=lambda t: abs(t - shown[n]))
            if abs(nearest - shown[n]) < 0.35:
                offsets.append((nearest - shown[n]) * 1e3)
    stage.close()
    mouths.close()
    figures = stage.figures
    state = speaker.state()
    speaker.close()
    return {"offsets_ms": offsets, "planned": len(planned), "frames": figures.frames_shown,
            "dropped": figures.frames_dropped, "fps": figures.fps(), "running": state.running,
            "underflows": state.underflows}


def say() -> dict[str, object]:
    """One clip, a second that is flushed in its middle; what came out of the sink?"""
    speaker = Speaker().start()
    recorder = Recorder()
    speaker.settle(2.0)
    rng = np.random.default_rng(5)
    clip = np.clip(0.2 * rng.standard_normal(RATE_HZ // 2), -0.8, 0.8).astype(np.float32)
    first = speaker.play(clip)
    while speaker.position_s() * RATE_HZ < first + len(clip) + RATE_HZ // 5:
        sleep_s(0.02)
    second = speaker.play(np.full(3 * RATE_HZ, 0.25, np.float32))
    while speaker.position_s() * RATE_HZ < second + RATE_HZ // 2:
        sleep_s(0.005)
    asked_s = monotonic_s()
    cut = speaker.flush()
    sleep_s(0.8)
    out = recorder.samples()
    window = out[: len(out) - len(clip)] if len(out) > len(clip) else out
    match = np.correlate(window, clip[:4800], "valid")
    at = int(np.argmax(match))
    difference = float(np.abs(out[at : at + len(clip)] - clip).max())
    quiet = np.nonzero(np.abs(out) > 0.02)[0]
    end_s = recorder.blocks[0][0] + (quiet[-1] + 1) / RATE_HZ
    steps = np.abs(np.diff(out[quiet[-1] - 2000 : quiet[-1] + 10]))
    speaker.close()
    return {"grid": first % GRID_FRAMES == 0 and second % GRID_FRAMES == 0,
            "difference": difference, "silent_after_ms": (end_s - asked_s) * 1e3,
            "cut_after_second": cut > second, "largest_step": float(steps.max())}


def stall(sink: str) -> dict[str, object]:
    """The sink is suspended for two seconds; the clock must live and the stream come back."""
    speaker = Speaker().start()
    speaker.settle(2.0)
    sleep_s(3.2)

    def pactl(*words: str) -> None:
        subprocess.run(["pactl", *words], check=True, timeout=10)

    pactl("suspend-sink", sink, "1")
    before_s, wall_s = speaker.position_s(), monotonic_s()
    stalled = False
    for _ in range(20):
        sleep_s(0.1)
        stalled = stalled or not speaker.state().running
    moved, waited = speaker.position_s() - before_s, monotonic_s() - wall_s
    pactl("suspend-sink", sink, "0")
    end = Deadline(15)
    while not speaker.state().running and not end.passed:
        sleep_s(0.1)
    ticks = speaker.clock.ticks
    sleep_s(1.0)
    state = speaker.state()
    speaker.close()
    return {"moved_s": moved, "waited_s": waited, "stalled": stalled, "running": state.running,
            "reopened": state.reopened, "ticking": speaker.clock.ticks > ticks}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["sync", avatar, seconds]:
            found = sync(Path(avatar), float(seconds))
        case ["say"]:
            found = say()
        case ["stall", sink]:
            found = stall(sink)
        case _:
            raise SystemExit(2)
    print(json.dumps(found))
