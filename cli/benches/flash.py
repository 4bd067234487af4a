"""Flash and beep: when is a beep heard at the sink, when is its flash presented?

`vitrine bench sync` starts `python -m cli.benches.flash AVATAR SECONDS` beside a private sound
server, with PULSE_SOURCE naming the sink's monitor; on a box with loudspeakers the same command
listens to the monitor of the real sink. Prints one JSON object. Both clocks are the machine's
own: it proves the scheduling, not the TV (for that: `vitrine device calibrate`).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cli.benches.figure import Figure
from cli.benches.plot import scatter_png
from cli.benches.stand import start_sound
from cli.sound import SPEAKER_SINK, virtual_sound
from device.audio.portaudio import portaudio
from device.audio.speaker import RATE_HZ, Speaker
from device.paths import repository_root
from device.render.bundle import load_bundle
from device.render.cards import hint
from device.render.mouth import Mouth
from device.render.pixels import use_one_thread
from device.render.sink import NullSink
from device.stage.mouths import MouthMaker
from device.stage.stage import Stage
from ota.clock import Deadline, monotonic_s, sleep_s, utc_now
from ota.errors import Broken
from ota.files import write_durable

BEEP = (0.7 * np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ // 10) / RATE_HZ)).astype(np.float32)
EACH_S = 0.8
NEAR_S = 0.35
BENCH_S = 60.0
MEDIAN_MS, P95_MS, DRIFT_MS = 10.0, 20.0, 5.0
PRIORITY = -5  # as the player itself
QUIET_SHARE, LEVEL = 0.3, 0.05


class Recorder:
    """The default source through PortAudio: blocks and the monotonic time of their first sample.

    Half an hour takes 350 MB.
    """

    def __init__(self) -> None:
        self.blocks: list[tuple[float, npt.NDArray[np.float32]]] = []
        self._stream = portaudio().InputStream(
            samplerate=RATE_HZ, channels=1, dtype="float32", latency=0.05, callback=self._take)
        self._stream.start()

    def _take(self, block: Any, frames: int, times: Any, status: Any) -> None:
        now_s = monotonic_s()
        self.blocks.append(
            (now_s - (times.currentTime - times.inputBufferAdcTime), block[:, 0].copy()))

    def onsets_s(self, gap_s: float = QUIET_SHARE) -> list[float]:
        """When sound begins after at least `gap_s` of silence; the stamps of a second around it
        are smoothed by their median, so that a recorder's own drift is followed."""
        blocks = list(self.blocks)  # more may come meanwhile
        counts = np.cumsum([0] + [len(b) for _, b in blocks])
        starts = np.array([t for t, _ in blocks]) - counts[:-1] / RATE_HZ
        loud = np.concatenate([
            np.nonzero(np.abs(block) > LEVEL)[0] + count
            for (_, block), count in zip(blocks, counts[:-1], strict=True)])
        first = loud[np.diff(loud, prepend=-RATE_HZ) > gap_s * RATE_HZ]
        found = []
        for sample in first:
            near = np.abs(counts[:-1] - sample) < 5 * RATE_HZ
            found.append(float(np.median(starts[near])) + sample / RATE_HZ)
        return found

    def samples(self) -> npt.NDArray[np.float32]:
        """All that was recorded, mono."""
        return np.concatenate([b for _, b in self.blocks])


def flash_and_beep(avatar: Path, seconds: float) -> dict[str, Any]:
    """Beep and flash each 0.8 s; offsets in ms, positive when the sound is late."""
    use_one_thread()
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    bundle = load_bundle(avatar, utc_now())
    speaker, sink = Speaker().start(), NullSink()
    mouths = MouthMaker(Mouth(bundle)).start()
    width, height = bundle.manifest.size
    stage = Stage(bundle, sink, speaker, mouths, (width, height))
    flash = hint("FLASH " * 6, stage.compositor.look)
    shown: dict[int, float] = {}
    recorder = Recorder()
    speaker.settle(2.0)
    stage.open()
    planned: list[int] = []
    stage.on_presented = lambda n, canvas: shown.__setitem__(n, monotonic_s())

    def plan() -> None:
        end = Deadline(seconds)
        while not end.passed:
            start = speaker.play(BEEP, int(speaker.position_s() * RATE_HZ) + RATE_HZ // 2)
            planned.append(stage.frame_at(start))
            stage.change_at(planned[-1], "hint", flash)
            stage.change_at(planned[-1] + 3, "hint", None)
            sleep_s(EACH_S)
        sleep_s(0.5)
        stage.leave()

    threading.Thread(target=plan, daemon=True).start()
    stage.run()
    found = {"offsets": offsets(recorder.onsets_s(), [shown[n] for n in planned if n in shown]),
             "planned": len(planned), "frames": stage.figures.frames_shown,
             "dropped": stage.figures.frames_dropped, "underflows": speaker.state().underflows}
    for close in (stage.close, mouths.close, speaker.close):
        close()
    return found


def offsets(heard_s: list[float], shown_s: list[float]) -> list[list[float]]:
    """[seconds since the first flash, offset in ms] of each flash whose beep was found."""
    heard = np.array(heard_s)
    found = []
    for at_s in shown_s:
        if len(heard):
            nearest = float(heard[np.argmin(np.abs(heard - at_s))])
            if abs(nearest - at_s) < NEAR_S:
                found.append([at_s - shown_s[0], (nearest - at_s) * 1e3])
    return found


def figures(found: dict[str, Any], seconds: float) -> list[Figure]:
    """Median, p95 and drift of a run's offsets, against what must be reached."""
    rows = np.array(found["offsets"], np.float64).reshape(-1, 2)
    if len(rows) < 0.8 * found["planned"] or len(rows) < 8:
        raise Broken(f"Only {len(rows)} of {found['planned']} beeps were found in the recording.")
    drift_ms = drift(rows)
    note = f"{len(rows)} beeps in {seconds:.0f} s"
    return [
        Figure("flash and beep: median, either way", abs(float(np.median(rows[:, 1]))), "ms",
               MEDIAN_MS, note=note),
        Figure("flash and beep: p95, either way",
               float(np.percentile(np.abs(rows[:, 1]), 95)), "ms", P95_MS, note=note),
        Figure("flash and beep: drift over the run", drift_ms, "ms", DRIFT_MS, note=note),
    ]


def drift(rows: npt.NDArray[np.float64]) -> float:
    """How far the median offset moved from the first third to the last, in ms, either way."""
    third = len(rows) // 3
    return abs(float(np.median(rows[-third:, 1]) - np.median(rows[:third, 1])))


def picture(found: dict[str, Any]) -> bytes:
    """The offsets of a run over its seconds, as a PNG."""
    points = [(float(at_s), float(offset_ms)) for at_s, offset_ms in found["offsets"]]
    slope, start = (float(each) for each in np.polyfit(
        np.array([x for x, _ in points]), np.array([y for _, y in points]), 1))
    ends = [(x, start + slope * x) for x in (0.0, points[-1][0])]
    middle = float(np.median([y for _, y in points]))
    return scatter_png(
        points, ends, (-45.0, 45.0), "Flash and beep: sound after picture, ms, over seconds",
        f"{len(points)} beeps, median {middle:+.1f} ms")


def measure(seconds: float = BENCH_S, out: Path | None = None) -> list[Figure]:
    """The figures of `seconds` through a private sound server's sink; their picture goes into
    `out` as offset.png. Raises Broken, Refused."""
    avatar = repository_root() / "models" / "avatars" / "lin"
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sound = virtual_sound(Path(folder) / "sound")
        environment = {**os.environ, **sound.environment, "PULSE_SOURCE": f"{SPEAKER_SINK}.monitor"}
        start_sound(sound, stack)
        command = [sys.executable, "-m", "cli.benches.flash", str(avatar), str(seconds)]
        ran = subprocess.run(
            command, env=environment, cwd=repository_root(), capture_output=True, text=True,
            timeout=seconds + 60, check=False)
    if ran.returncode != 0:
        raise Broken(f"Flash and beep could not be measured: {ran.stderr[-400:]}")
    found = json.loads(ran.stdout.splitlines()[-1])
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_durable(out / "offset.png", picture(found))
    return figures(found, seconds)


if __name__ == "__main__":
    print(json.dumps(flash_and_beep(Path(sys.argv[1]), float(sys.argv[2]))))
