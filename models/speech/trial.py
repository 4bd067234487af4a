"""One recogniser over recordings, in a process of its own: as a program and its caller.

Its own process, because RSS and CPU are then the recogniser's alone, and because a damaged
model may end it. The words go to the caller by a pipe and are written nowhere.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device.paths import repository_root
from models.speech.recordings import Recording
from models.speech.shelf import Entry
from ota.clock import process_cpu_s
from ota.errors import Refused, VitrineError

_LIMIT_S = 3600.0
_RATE_HZ = 16_000


@dataclass(frozen=True)
class Heard:
    """What one recogniser made of one recording; cpu_s of its decoding, all threads."""

    recording: Recording
    text: str
    seconds: float
    cpu_s: float


@dataclass(frozen=True)
class Trial:
    """One recogniser's run: peak resident memory with and without recordings it could take."""

    heard: tuple[Heard, ...]
    load_cpu_s: float
    rss_bytes: int


def run_trial(entry: Entry, recordings: Sequence[Recording]) -> Trial:
    """Let `entry` hear the recordings, one thread. Raises Refused when it cannot."""
    job = {
        "engine": entry.engine, "folder": str(entry.folder.absolute()),
        "languages": list(entry.languages),
        "recordings": [[str(r.audio.absolute()), r.language] for r in recordings],
    }  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-m", "models.speech.trial"], input=json.dumps(job).encode(),
            cwd=repository_root(), capture_output=True, timeout=_LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Refused(f"{entry.name} took more than an hour; give fewer recordings.") from error
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise Refused(
            f"{entry.name} ended its process ({done.returncode}); it is damaged."
        ) from error
    if "fault" in told:
        raise Refused(str(told["fault"]))
    heard = tuple(
        Heard(recording, text, seconds, cpu_s)
        for recording, (text, seconds, cpu_s) in zip(recordings, told["heard"], strict=True)
    )
    return Trial(heard, float(told["load_cpu_s"]), int(told["rss_bytes"]))


def main() -> int:
    """The child: a job on stdin, figures and words on stdout."""
    from device.asr.engines import open_engine
    from device.audio.soundfiles import read

    job = json.load(sys.stdin)
    try:
        began_s = process_cpu_s()
        recogniser = open_engine(job["engine"], Path(job["folder"]), job["languages"])
        recogniser.warm_up()
        loaded_s = process_cpu_s()
        heard = []
        for audio, language in job["recordings"]:
            samples = read(Path(audio), _RATE_HZ)
            start_s = process_cpu_s()
            text = recogniser.transcribe(samples, (language,)).text
            heard.append((text, len(samples) / _RATE_HZ, process_cpu_s() - start_s))
    except VitrineError as error:
        print(json.dumps({"fault": str(error)}))
        return 1
    rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    told = {"heard": heard, "load_cpu_s": loaded_s - began_s, "rss_bytes": rss_bytes}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
