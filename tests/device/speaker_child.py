"""Run by the speaker tests in their own sound environment: plays, records the sink, prints JSON.

usage: speaker_child.py sync AVATAR SECONDS | say | lost FOLDER
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cli.benches.flash import BEEP, Recorder, flash_and_beep
from cli.sound import SPEAKER_SINK, virtual_sound
from device.audio.speaker import GRID_FRAMES, RATE_HZ, Speaker
from ota.clock import Deadline, monotonic_s, sleep_s
from tests.sim.sound import start_server


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


def lost(folder: Path) -> dict[str, object]:
    """The sink is suspended, taken away and given back, and its server killed and started again.

    After each the tone must come out of the sink; the timeline must never stop meanwhile.
    """
    sound = virtual_sound(folder)
    os.environ.update(sound.environment)
    del os.environ["PULSE_SINK"]  # as on a box: the stream follows the default sink
    server = start_server(sound)
    pactl("set-default-sink", SPEAKER_SINK)
    speaker = Speaker().start()
    speaker.settle(2.0)
    found: dict[str, object] = {"at_first": heard(speaker)}
    pace = Pace(speaker)

    pactl("suspend-sink", SPEAKER_SINK, "1")
    found["stalled"] = wait_for(lambda: not speaker.state().running)
    pactl("suspend-sink", SPEAKER_SINK, "0")
    wait_for(lambda: speaker.state().running)
    found["after_suspend"] = heard(speaker)

    modules = [line.split() for line in pactl("list", "short", "modules").splitlines()]
    sink = next(row for row in modules if f"sink_name={SPEAKER_SINK}" in row)
    pactl("unload-module", sink[0])
    pactl("load-module", *sink[1:])
    wait_for(lambda: speaker.state().running)
    found["after_unplugging"] = heard(speaker)

    server.kill()
    server.wait()
    found["dead"] = wait_for(lambda: speaker.state().fault is not None)
    server = start_server(sound)
    pactl("set-default-sink", SPEAKER_SINK)
    wait_for(lambda: speaker.state().running and speaker.state().fault is None)
    found["after_the_server"] = heard(speaker)
    found["news"], found["reopened"] = speaker.news(), speaker.state().reopened
    found["pace"] = pace.end()
    speaker.close()
    server.kill()
    server.wait()
    return found


class Pace(threading.Thread):
    """Watches the timeline 50 times a second: it may wait for the sound, never run away."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__(daemon=True)
        self._speaker, self._over = speaker, threading.Event()
        self._seen: list[tuple[float, float]] = []
        self.start()

    def run(self) -> None:
        while not self._over.wait(0.02):
            self._seen.append((monotonic_s(), self._speaker.position_s()))

    def end(self) -> dict[str, float]:
        """The largest leap forward, and how far it fell behind in all, in seconds."""
        self._over.set()
        self.join()
        wall, heard = np.diff(np.array(self._seen), axis=0).T
        behind = (wall - heard)[wall - heard > 0.05].sum()
        return {"leap_s": float((heard - wall).max()), "behind_s": float(behind),
                "slips": int((wall - heard > 0.05).sum())}


def heard(speaker: Speaker) -> bool:
    """Does the tone that is played now come out of the sink?"""
    recorder = subprocess.Popen(
        ["parec", "-d", f"{SPEAKER_SINK}.monitor", "--format=float32le", "--channels=1",
         f"--rate={RATE_HZ}", "--latency-msec=20"], stdout=subprocess.PIPE)
    assert recorder.stdout is not None
    try:
        speaker.play(np.tile(BEEP, 5))
        for _ in range(60):
            block = np.frombuffer(recorder.stdout.read(RATE_HZ // 10 * 4), np.float32)
            if len(block) and np.abs(block).max() > 0.3:
                return True
        return False
    finally:
        recorder.kill()
        recorder.wait()


def wait_for(wanted: Callable[[], bool], seconds: float = 15.0) -> bool:
    end = Deadline(seconds)
    while not wanted() and not end.passed:
        sleep_s(0.02)
    return wanted()


def pactl(*words: str) -> str:
    return subprocess.run(
        ["pactl", *words], check=True, timeout=10, capture_output=True, text=True).stdout


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["sync", avatar, seconds]:
            found = flash_and_beep(Path(avatar), float(seconds))
        case ["say"]:
            found = say()
        case ["lost", folder]:
            found = lost(Path(folder))
        case _:
            raise SystemExit(2)
    print(json.dumps(found))
