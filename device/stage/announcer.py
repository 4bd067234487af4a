"""Words the console sends without a recording: spoken by a short-lived process of its own.

The synthesiser needs 330 MB and two seconds; neither belongs into the player. The clip is
kept in `run/notices`, so that a notice that is repeated sounds at once.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from device.paths import Places, assets_dir, repository_root
from device.programme.times_beside import times_file
from ota.clock import Deadline
from ota.errors import Refused, VitrineError

SECONDS_MAX = 40.0
CLIPS_MAX = 32
TEXT_CHARACTERS_MAX = 600
NICENESS, NICENESS_WAITED_FOR = 15, 5
PATH_CHARACTERS_MAX = 4096


class Announcer:
    """One text at a time; a newer one replaces the older. One thread (the director's)."""

    def __init__(self, places: Places) -> None:
        self._folder = places.run / "notices"
        self._process: subprocess.Popen[bytes] | None = None
        self._target: Path | None = None
        self._deadline = Deadline(0.0)
        self._passing: Path | None = None
        self._warm: subprocess.Popen[bytes] | None = None

    def warm(self) -> None:
        """Somebody will wait for words soon: load the voice already. `close` gives it up."""
        if self._warm is None or self._warm.poll() is not None:
            self._warm = _child(NICENESS_WAITED_FOR)

    def ask(self, text: str, language: str, voice: str = "", keep: bool = True) -> None:
        """Begin to make the clip of `text`; `result` tells when it is there.

        `voice` is the programme's choice; one that this box does not have is not missed. `keep`
        false: the clip is gone at `close`, or when the next one is asked for.
        """
        ready, self._warm = self._warm, None
        self.close()
        text = text[:TEXT_CHARACTERS_MAX]
        language = language or language_of(text)
        name = hashlib.sha256(f"{language}\n{voice}\n{text}".encode()).hexdigest()[:32]
        self._target, self._deadline = self._folder / f"{name}.wav", Deadline(SECONDS_MAX)
        self._passing = None if keep else self._target
        if self._target.exists():
            _end_of(ready)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._tidy()
        if ready is not None and ready.poll() is not None:
            ready = None  # it died while it waited
        self._process = ready or _child(NICENESS if keep else NICENESS_WAITED_FOR)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write("\n".join((str(self._target), language, voice, text)).encode())

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
        ready, self._warm = self._warm, None
        _end_of(ready)
        if self._passing is not None:
            self._passing.unlink(missing_ok=True)
            times_file(self._passing).unlink(missing_ok=True)
            self._passing = None

    def _end(self) -> None:
        process, self._process = self._process, None
        self._target = None
        _end_of(process)

    def _tidy(self) -> None:
        clips = sorted(self._folder.glob("*.wav"), key=lambda path: path.stat().st_mtime)
        for old in clips[: max(0, len(clips) - CLIPS_MAX + 1)]:
            old.unlink(missing_ok=True)
            times_file(old).unlink(missing_ok=True)


def _child(niceness: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "device.stage.announcer", str(niceness)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        cwd=repository_root())


def _end_of(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None:
        process.kill()
        process.wait(5)
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()


def language_of(text: str) -> str:
    """Chinese when there is a Han character in it."""
    return "zh-CN" if any("\u4e00" <= c <= "\u9fff" for c in text) else "en-US"


def main(niceness: int) -> int:
    """The child: loads, then reads where to, language, voice and text, a line each. Exit code."""
    from device.audio.soundfiles import write_wav
    from device.programme.times_beside import write_times
    from device.programme.word_times import phoneme_times
    from device.tts.engine import Engine
    from device.tts.kokoro import Voice

    os.nice(niceness)
    try:
        engine: Engine = Voice.load(assets_dir())
        asked = sys.stdin.read(PATH_CHARACTERS_MAX + TEXT_CHARACTERS_MAX).split("\n", 3)
        if len(asked) < 4 or not asked[3]:
            return 1  # given up
        target, language, voice, text = asked
        known = voice if any(voice in names for names in engine.voices.values()) else None
        speech = engine.synthesise(text, language, voice=known)
        write_times(Path(target), *phoneme_times(speech.phonemes))
        write_wav(Path(target), speech.samples, speech.sample_rate_hz)
    except VitrineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
