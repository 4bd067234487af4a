"""Orders that were begun and answered, kept over a restart of the agent.

The broker may bring an order once more after the agent died over it: nothing that a shop would
notice twice (a reboot, a sentence) is done twice. What may be repeated freely costs no disk write.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from pathlib import Path

import msgspec

from device.messages import Answer, Order
from ota.errors import VitrineError
from ota.files import read_bounded, write_durable

REMEMBERED_MAX = 64
FILE_BYTES_MAX = 1 << 20
ANSWER_BYTES_MAX = 2048
REPEATABLE = frozenset({"volume", "screenshot", "logs"})
CUT_SHORT = "The agent restarted while it did this; it was not begun again."


class _Line(msgspec.Struct, frozen=True):
    id: str
    answer: Answer | None = None


class Ledger:
    """Ledger(path): one thread. Without a path it remembers until its process ends."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._answers: OrderedDict[str, Answer | None] = OrderedDict()
        for line in self._read():
            short = Answer(id=line.id, ok=False, result={"error": CUT_SHORT})
            self._answers[line.id] = line.answer or short

    def known(self, order_id: str) -> Answer | None:
        """The answer that a repeated delivery gets again."""
        return self._answers.get(order_id)

    def begin(self, order: Order) -> None:
        """Note it before it is done."""
        if order.name not in REPEATABLE:
            self._answers[order.id] = None
            self._write()

    def end(self, answer: Answer) -> None:
        """Keep the newest answers. Large ones (a picture, logs) die with the process."""
        durable = answer.id in self._answers
        self._answers[answer.id] = answer
        while len(self._answers) > REMEMBERED_MAX:
            self._answers.popitem(last=False)
        if durable:
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        lines = [_Line(order_id, _short(answer)) for order_id, answer in self._answers.items()]
        # A full disk costs the memory of an order, never the order.
        with contextlib.suppress(VitrineError, OSError):
            write_durable(self._path, msgspec.json.encode(lines))

    def _read(self) -> list[_Line]:
        if self._path is None:
            return []
        try:
            data = read_bounded(self._path, FILE_BYTES_MAX)
            return msgspec.json.decode(data, type=list[_Line])[-REMEMBERED_MAX:]
        except (OSError, VitrineError, msgspec.MsgspecError):
            return []


def _short(answer: Answer | None) -> Answer | None:
    if answer is None or len(msgspec.json.encode(answer)) <= ANSWER_BYTES_MAX:
        return answer
    return Answer(id=answer.id, ok=answer.ok, result={"error": "Answered before a restart."})
