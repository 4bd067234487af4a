"""The recogniser in its own thread: utterances in, transcripts out, stale work skipped."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from device.asr.along import along
from device.asr.endings import Ending, Knows, is_known, judge
from device.asr.partials import Sketching
from device.asr.recogniser import Recogniser, Samples, Transcript
from ota.clock import Deadline
from ota.errors import Broken, VitrineError

_WAITING_MAX = 4
_HANGS_AFTER_S = 60.0
_CLOSE_S = 4.0
_NUMBERS_BACK = 32
GIVEN_UP = "given up"


@dataclass(frozen=True)
class Decoded:
    """What an utterance said, and whether its words end a turn. A sketch has no number."""

    number: int | None
    transcript: Transcript
    ending: Ending


@dataclass(frozen=True)
class _Job:
    number: int | None
    samples: Samples
    languages: Sequence[str]
    prompt: Mapping[str, str]


class Decoder:
    """`submit` never blocks; `finished` gives what is done. A numbered job can be forgotten.

    A recogniser that can sketch is asked for partial texts while nothing else is to do; a sketch
    is given up as soon as a whole utterance waits.
    """

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._sketcher: Sketching | None = (
            recogniser if isinstance(recogniser, Sketching) else along(recogniser))
        self._jobs: queue.Queue[_Job | Callable[[], Knows] | None] = queue.Queue(_WAITING_MAX)
        # A loop that stops reading stops the recogniser too, by its full queue.
        self._results: queue.Queue[Decoded | VitrineError] = queue.Queue(2 * _WAITING_MAX)
        self._forgotten: set[int] = set()
        self._busy: Deadline | None = None
        self._awaited = 0
        self._knows: Knows | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="decoder", daemon=True)
        self._thread.start()

    @property
    def awaited(self) -> bool:
        """Is a result on its way?"""
        return self._awaited > 0

    def submit(
        self, number: int, samples: Samples, languages: Sequence[str], prompt: Mapping[str, str]
    ) -> bool:
        """Queue an utterance; False when four are waiting already (it is dropped)."""
        return self._put(_Job(number, samples, tuple(languages), dict(prompt)))

    def sketch(self, samples: Samples, languages: Sequence[str]) -> bool:
        """Ask for a quick look at what is still being said; False when there is no time for it."""
        if self._sketcher is None or self.awaited or not self._jobs.empty():
            return False
        return self._put(_Job(None, samples, tuple(languages), {}))

    def learn(self, knows: Callable[[], Knows]) -> None:
        """From now on judge endings with what `knows()` makes; made on the decoder's thread."""
        try:
            self._jobs.put_nowait(knows)
        except queue.Full:
            self._knows = None

    def forget(self, number: int) -> None:
        """The utterance was not all: its transcript is not wanted."""
        # A number that never comes (its job was dropped) must not stay for ever.
        self._forgotten = {n for n in self._forgotten if n > number - _NUMBERS_BACK} | {number}

    def finished(self) -> list[Decoded]:
        """What was recognised since the last call.

        Raises Broken when the recogniser failed or has hung for a minute.
        """
        done: list[Decoded] = []
        busy = self._busy
        if busy is not None and busy.passed:
            raise Broken("The recogniser hangs; the ear will be started again.")
        while not self._results.empty():
            result = self._results.get_nowait()
            self._awaited -= 1
            if isinstance(result, VitrineError):
                raise result
            if result.number in self._forgotten:
                self._forgotten.discard(result.number)
            else:
                done.append(result)
        if not self._thread.is_alive():
            raise Broken("The recogniser stopped; the ear will be started again.")
        return done

    def close(self) -> None:
        """End the thread; the job it is at is given up, for native code must not be left running
        when the process ends."""
        self._closing = True
        while not self._jobs.empty():
            with suppress(queue.Empty):
                self._jobs.get_nowait()
        self._jobs.put_nowait(None)
        self._thread.join(_CLOSE_S)

    def _put(self, job: _Job) -> bool:
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        self._awaited += 1
        return True

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._busy = Deadline(_HANGS_AFTER_S)
            if isinstance(job, _Job):
                done = self._decoded(job)
                if self._closing:
                    return
                self._results.put(done)
            else:
                self._knows = _made(job)
            self._busy = None

    def _decoded(self, job: _Job) -> Decoded | VitrineError:
        try:
            transcript = self._transcribed(job)
        except VitrineError as error:
            return error
        # A sketch is never the end of anything.
        ending: Ending = "open"
        if job.number is not None:
            ending = judge(transcript.text, transcript.language, self._knows)
        return Decoded(job.number, transcript, ending)

    def _transcribed(self, job: _Job) -> Transcript:
        """Empty where nobody wants the rest any more."""
        number = job.number
        found: Transcript | None
        if self._sketcher is None:
            if number in self._forgotten:
                return Transcript("", job.languages[0], 0.0, rejected=GIVEN_UP)
            found = self._recogniser.transcribe(job.samples, job.languages, job.prompt)
        elif number is None:
            found = self._sketcher.sketch(
                job.samples, job.languages, lambda: self._closing or not self._jobs.empty()
            )
        else:
            found = self._sketcher.transcribe_unless(
                job.samples, job.languages, job.prompt,
                lambda: self._closing or number in self._forgotten, self._is_known,
            )  # fmt: skip
        # A look that was given up knows no language.
        return found or Transcript(
            "", "" if number is None else job.languages[0], 0.0, rejected=GIVEN_UP)

    def _is_known(self, text: str, language: str) -> bool:
        return is_known(text, language, self._knows)


def _made(knows: Callable[[], Knows]) -> Knows | None:
    try:
        return knows()
    except VitrineError:
        return None
