"""The recogniser in its own thread: utterances in, transcripts out, stale work skipped."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from device.asr.recogniser import Recogniser, Samples, Transcript
from ota.clock import Deadline
from ota.errors import Broken, VitrineError

_WAITING_MAX = 4
_HANGS_AFTER_S = 60.0
_NUMBERS_BACK = 32


@dataclass(frozen=True)
class _Job:
    number: int
    samples: Samples
    languages: Sequence[str]
    prompt: Mapping[str, str]


class Decoder:
    """`submit` never blocks; `finished` gives what is done. A numbered job can be forgotten."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_WAITING_MAX)
        # A loop that stops reading stops the recogniser too, by its full queue.
        self._results: queue.Queue[tuple[int, Transcript | VitrineError]] = queue.Queue(
            2 * _WAITING_MAX
        )
        self._forgotten: set[int] = set()
        self._busy: Deadline | None = None
        self._thread = threading.Thread(target=self._work, name="decoder", daemon=True)
        self._thread.start()

    def submit(
        self, number: int, samples: Samples, languages: Sequence[str], prompt: Mapping[str, str]
    ) -> bool:
        """Queue an utterance; False when four are waiting already (it is dropped)."""
        try:
            self._jobs.put_nowait(_Job(number, samples, tuple(languages), dict(prompt)))
        except queue.Full:
            return False
        return True

    def forget(self, number: int) -> None:
        """The utterance was not all: its transcript is not wanted."""
        # A number that never comes (its job was dropped) must not stay for ever.
        self._forgotten = {n for n in self._forgotten if n > number - _NUMBERS_BACK} | {number}

    def finished(self) -> list[tuple[int, Transcript]]:
        """What was recognised since the last call.

        Raises Broken when the recogniser failed or has hung for a minute.
        """
        done: list[tuple[int, Transcript]] = []
        busy = self._busy
        if busy is not None and busy.passed:
            raise Broken("The recogniser hangs; the ear will be started again.")
        while not self._results.empty():
            number, result = self._results.get_nowait()
            if isinstance(result, VitrineError):
                raise result
            if number in self._forgotten:
                self._forgotten.discard(number)
            else:
                done.append((number, result))
        if not self._thread.is_alive():
            raise Broken("The recogniser stopped; the ear will be started again.")
        return done

    def close(self) -> None:
        """End the thread after the job it is at."""
        while True:
            try:
                self._jobs.put_nowait(None)
                return
            except queue.Full:
                self._jobs.get_nowait()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.number in self._forgotten:
                self._forgotten.discard(job.number)
                continue
            self._busy = Deadline(_HANGS_AFTER_S)
            result: Transcript | VitrineError
            try:
                result = self._recogniser.transcribe(job.samples, job.languages, job.prompt)
            except VitrineError as error:
                result = error
            self._busy = None
            self._results.put((job.number, result))
