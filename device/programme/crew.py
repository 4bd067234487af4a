"""Several synthesisers at once, each in a thread of its own, with the same bytes as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

WORKERS_MAX = 8
# A further synthesiser takes 2 s and 330 MB to load: not for a handful of sentences.
SENTENCES_A_WORKER = 6
Progress = Callable[[int, int], None]


class Named(Protocol):
    """Work whose result is kept by the file that it makes."""

    @property
    def file(self) -> str: ...


Work = TypeVar("Work", bound=Named)
Hand = TypeVar("Hand")
Made = TypeVar("Made")


def workers_for(sentences: int, hands: int) -> int:
    """How many of the hands are worth their start."""
    return max(1, min(hands, WORKERS_MAX, -(-sentences // SENTENCES_A_WORKER)))


def all_made(
    work: Sequence[Work], hands: Sequence[Hand], make: Callable[[Work, Hand], Made],
    progress: Progress,
) -> dict[str, Made]:
    """`make(work, hand)` for all work, by its file; no hand does two things at once.

    Calls `progress(done, total)` from this thread. Raises the first error after what had been
    begun is done; nothing more is begun then.
    """
    made: dict[str, Made] = {}
    progress(0, len(work))
    free = list(hands[: workers_for(len(work), len(hands))])
    waiting = list(reversed(work))
    running: dict[Future[Made], tuple[Work, Hand]] = {}
    failed: BaseException | None = None
    with ThreadPoolExecutor(len(free), "speech") as pool:
        while running or (waiting and failed is None):
            while free and waiting and failed is None:
                hand, each = free.pop(0), waiting.pop()
                running[pool.submit(make, each, hand)] = (each, hand)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                each, hand = running.pop(future)
                free.insert(0, hand)
                failed = failed or future.exception()
                if future.exception() is None:
                    made[each.file] = future.result()
                    progress(len(made), len(work))
    if failed is not None:
        raise failed
    return made
