"""Loads a speech model in a child process first: a damaged one can end the process it is in.

A cut graph of Vosk loads "well" and crashes at the first sound, so the child decodes, too.
As a program: `python -m device.asr.proof ENGINE FOLDER LANGUAGE...`.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from device.asr.recogniser import SAMPLE_RATE_HZ
from device.paths import repository_root
from ota.errors import Broken, Refused, VitrineError

_LIMIT_S = 180.0
_CPU_LIMIT_S = 60
_REASON_CHARS_MAX = 300
_SOUND_S = 1.5


def prove(engine: str, folder: Path, languages: Sequence[str], limit_s: float = _LIMIT_S) -> None:
    """Raise Refused, saying why, unless the model loads and decodes in another process."""
    command = [sys.executable, "-m", "device.asr.proof", engine, str(folder.absolute()), *languages]
    try:
        done = subprocess.run(
            command, cwd=repository_root(), capture_output=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(
            f"The model {folder.name} did not load and decode 1.5 s of sound within "
            f"{limit_s:.0f} s; it is damaged or too large for this machine."
        ) from error
    except OSError as error:
        raise Refused(f"The model {folder.name} could not be tried ({error.strerror}).") from error
    if done.returncode != 0:
        raise Refused(_why(folder.name, done.returncode, done.stdout))


def _why(name: str, code: int, told: bytes) -> str:
    """The child's own sentence, or how it ended."""
    said = told.decode("utf-8", "replace").strip()[-_REASON_CHARS_MAX:]
    if code == 1 and said:
        return said
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"The model {name} takes too long or too much memory; use a smaller one."
    how = f"ends its process ({signal.Signals(-code).name})" if code < 0 else f"fails ({code})"
    return f"The model {name} {how} when it is loaded or decodes; it is damaged: bring it again."


def main(arguments: list[str]) -> int:
    """Load and decode; 0 when that went well, 1 and a sentence on stdout when not."""
    from device.asr.engines import open_engine

    # Time that others take from this machine must not count against the model.
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_LIMIT_S, _CPU_LIMIT_S))
    engine, folder, *languages = arguments
    sound = np.random.default_rng(1).standard_normal(int(_SOUND_S * SAMPLE_RATE_HZ)) * 0.05
    try:
        recogniser = open_engine(engine, Path(folder), languages)
        recogniser.transcribe(sound.astype(np.float32), languages[:1])
    except Broken:
        print(f"The model {Path(folder).name} loads but cannot decode; bring it again.")
        return 1
    except VitrineError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
