"""The agent's one bounded queue of everything that comes in, and the thread for slow work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ota.errors import VitrineError

_Item = TypeVar("_Item")
BATCH_MAX = 256


class Inbox(Generic[_Item]):
    """Bounded, many writers, one reader."""

    def __init__(self, items_max: int) -> None:
        self._queue: queue.Queue[_Item] = queue.Queue(items_max)
        self.dropped = 0

    def put(self, item: _Item) -> bool:
        """Add one item at once; False (and counted) when the reader is too far behind."""
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.dropped += 1
            return False
        return True

    def put_patiently(self, item: _Item, timeout_s: float) -> bool:
        """Wait for room: the writer's own source fills up meanwhile, and nothing is lost."""
        try:
            self._queue.put(item, timeout=timeout_s)
        except queue.Full:
            return False
        return True

    def get(self, timeout_s: float) -> _Item | None:
        """The next item, or None when none came in time."""
        try:
            return self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None


def take_batch(inbox: Inbox[_Item], take: Callable[[_Item], None], wait_s: float) -> int:
    """Hand over what has come, waiting `wait_s` for the first; returns how many, bounded."""
    for count in range(BATCH_MAX):
        item = inbox.get(wait_s if count == 0 else 0.0)
        if item is None:
            return count
        take(item)
    return BATCH_MAX


@dataclass(frozen=True)
class JobDone:
    """A job's end: its name and number, and a result or the error that ended it."""

    name: str
    number: int
    result: object = None
    error: VitrineError | None = None


class Worker:
    """One thread that does one slow thing after the other, with a bounded queue before it."""

    def __init__(self, done: Callable[[JobDone], bool], jobs_max: int = 8) -> None:
        self._done = done
        self._jobs: queue.Queue[tuple[str, int, Callable[[], object]]] = queue.Queue(jobs_max)
        self._number = 0
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def start(self) -> None:
        """Begin; the thread is a daemon and ends with the process."""
        self._thread.start()

    def submit(self, name: str, job: Callable[[], object]) -> int | None:
        """Queue a job and return its number; None when too many wait."""
        self._number += 1
        try:
            self._jobs.put_nowait((name, self._number, job))
        except queue.Full:
            return None
        return self._number

    def _run(self) -> None:
        while True:
            name, number, job = self._jobs.get()
            try:
                end = JobDone(name, number, result=job())
            except VitrineError as error:
                end = JobDone(name, number, error=error)
            except Exception as error:  # the thread's main loop: one bad job must not end it
                sentence = f"{name} failed unexpectedly ({type(error).__name__}: {error})."
                end = JobDone(name, number, error=VitrineError(sentence))
            self._done(end)
