"""What happened on the stage, told to the agent until the agent says that it is on the disk.

The bus drops what nobody reads, and an agent may be dead for a while. An agent that never
acknowledges (an older one) is told everything once.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from device.messages import Happened, Kept
from ota.clock import Deadline, utc_now

HELD_MAX = 2048
AGAIN_S = 2.0
AGAIN_AT_ONCE = 64


class Teller:
    """One thread (the director's). `publish` puts a message on the bus and never blocks."""

    def __init__(self, publish: Callable[[Happened], None]) -> None:
        self._publish = publish
        self._held: OrderedDict[str, Happened] = OrderedDict()
        self._acknowledged = False
        self._again = Deadline(AGAIN_S)
        self._missed = 0
        self._retelling = False

    @property
    def waiting(self) -> int:
        """How many are not known to be kept."""
        return len(self._held)

    def tell(self, kind: str, detail: Mapping[str, Any], event_id: str = "") -> None:
        """Tell one event. The oldest is given up when too many wait; the next one says so."""
        found = dict(detail)
        if self._missed:
            found["missed"], self._missed = self._missed, 0
        happened = Happened(
            id=event_id or str(uuid.uuid4()), kind=kind, detail=found,
            at=utc_now().isoformat(timespec="milliseconds"))
        self._held[happened.id] = happened
        while len(self._held) > HELD_MAX:
            self._held.popitem(last=False)
            self._missed += 1 if self._acknowledged else 0
        self._publish(happened)

    def kept(self, kept: Kept) -> None:
        """The agent has these on the disk; without any it has just begun, and may lack all."""
        self._acknowledged = True
        # What is told again goes as fast as the agent takes it.
        if self._retelling or not kept.ids:
            self._again = Deadline(0.0)
        self._retelling = False
        for event_id in kept.ids:
            self._held.pop(event_id, None)

    def turn(self) -> None:
        """Now and then: what is not known to be kept goes once more, the oldest first."""
        if not self._acknowledged or not self._held or not self._again.passed:
            return
        self._again, self._retelling = Deadline(AGAIN_S), True
        for happened in list(self._held.values())[:AGAIN_AT_ONCE]:
            self._publish(happened)
