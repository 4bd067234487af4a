"""Words the console sends without a recording: spoken by a short-lived process of its own.

The synthesiser needs 330 MB and two seconds; neither belongs into the player. The clip is
kept in `run/notices`, so that a notice that is repeated sounds at once.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from device.paths import Places, assets_dir, repository_root
from ota.clock import Deadline
from ota.errors import Refused, VitrineError

SECONDS_MAX = 40.0
CLIPS_MAX = 32
TEXT_CHARACTERS_MAX = 600
NICENESS = 15


class Announcer:
    """One text at a time; a newer one replaces the older. One thread (the director's)."""

    def __init__(self, places: Places) -> None:
        self._folder = places.run / "notices"
        self._process: subprocess.Popen[bytes] | None = None
        self._target: Path | None = None
        self._deadline = Deadline(0.0)
        self._passing: Path | None = None

    def ask(self, text: str, language: str, keep: bool = True) -> None:
        """Begin to make the clip of `text`; `result` tells when it is there.

        `keep` false: the clip is gone at `close`, or when the next one is asked for.
        """
        self.close()
        text = text[:TEXT_CHARACTERS_MAX]
        language = language or language_of(text)
        name = hashlib.sha256(f"{language}\n{text}".encode()).hexdigest()[:32]
        self._target, self._deadline = self._folder / f"{name}.wav", Deadline(SECONDS_MAX)
        self._passing = None if keep else self._target
        if self._target.exists():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._tidy()
        command = [sys.executable, "-m", "device.stage.announcer", str(self._target), language]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=repository_root())
        assert self._process.stdin is not None
        with self._process.stdin as pipe:
            pipe.write(text.encode())

    def result(self) -> Path | None:
        """The clip, once, when it is ready; None while it is being made.

        Raises Refused when it cannot be spoken.
        """
        if self._target is None:
            return None
        ended = self._process is None or self._process.poll() is not None
        if not ended and not self._deadline.passed:
            return None
        target, self._target = self._target, None
        self._end()
        if not target.exists():
            raise Refused("The notice could not be spoken; it is shown as text.")
        return target

    def close(self) -> None:
        """End the work at hand, and forget what is not to be kept."""
        self._end()
        if self._passing is not None:
            self._passing.unlink(missing_ok=True)
            self._passing = None

    def _end(self) -> None:
        process, self._process = self._process, None
        self._target = None
        if process is not None:
            process.kill()
            process.wait(5)

    def _tidy(self) -> None:
        clips = sorted(self._folder.glob("*.wav"), key=lambda path: path.stat().st_mtime)
        for old in clips[: max(0, len(clips) - CLIPS_MAX + 1)]:
            old.unlink(missing_ok=True)


def language_of(text: str) -> str:
    """Chinese when there is a Han character in it."""
    return "zh-CN" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en-US"


def main(target: Path, language: str) -> int:
    """The child: text on stdin, clip in `target`; exit code."""
    from device.audio.soundfiles import write_wav
    from device.tts.kokoro import Voice

    os.nice(NICENESS)
    text = sys.stdin.read(4 * TEXT_CHARACTERS_MAX)
    try:
        speech = Voice.load(assets_dir()).synthesise(text, language)
        write_wav(target, speech.samples, speech.sample_rate_hz)
    except VitrineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2]))
