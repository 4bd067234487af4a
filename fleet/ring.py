"""The bell: boxes look at the repository at once when a roll-out begins, goes on or is held back,
instead of within their six hours.

Each online box that it concerns gets the command `ota-check`, so many a second and in no order:
50,000 boxes are rung within four minutes, and ask the server for 400 bytes each in that time. A
bell that is not heard costs nothing: the box looks by itself.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

from device.messages import Order
from fleet.mqtt import Outgoing
from fleet.store.database import Database
from ota.clock import Deadline, utc_now
from ota.formats.rollout import Plan, Rollout, decide, moment_of, share_at

EACH_S, COUNT = 0.5, 100
BOXES_MAX = 200_000
# A broker that is away for so long: by then most have looked by themselves, or will.
PATIENCE_S = 600.0
EXPIRY_S = 600
STOP_S = 5.0
ONLINE = """
select id, coalesce(json_extract(nullif(reported,''),?),'') release
 from box where retired=0 and online=1
"""


class Bell:
    """Rings boxes from a thread of its own; the newest list counts."""

    def __init__(self, topic_root: str, send: Callable[[Outgoing], bool]) -> None:
        self._root, self._send = topic_root, send
        self._lock = threading.Lock()
        self._left: list[str] = []
        self._patience = Deadline(0.0)
        self._news, self._leaving = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="bell", daemon=True)

    def start(self) -> None:
        """Begin to ring, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; who was not rung yet looks by himself."""
        self._leaving.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def ring(self, boxes: Sequence[str]) -> int:
        """Ring these, instead of those who are left of before; returns how many it will be."""
        wanted = list(boxes[:BOXES_MAX])
        # Not by name: the boxes of one shop share a line.
        random.shuffle(wanted)
        with self._lock:
            # Who was to be rung for the change before must hear of this one as well.
            known = set(wanted)
            wanted += [box for box in self._left if box not in known]
            self._left, self._patience = wanted[:BOXES_MAX], Deadline(PATIENCE_S)
        self._news.set()
        return len(wanted)

    def turn(self) -> int:
        """Ring the next few; returns how many are left. One that cannot be sent is kept."""
        with self._lock:
            now, self._left = self._left[:COUNT], self._left[COUNT:]
        for number, box in enumerate(now):
            if not self._send(self._order(box)):
                with self._lock:
                    self._left = [] if self._patience.passed else now[number:] + self._left
                break
        return len(self._left)

    def _order(self, box: str) -> Outgoing:
        until = (utc_now() + timedelta(seconds=EXPIRY_S)).isoformat(timespec="seconds")
        order = Order(id=secrets.token_hex(8), name="ota-check", until=until)
        return Outgoing(
            f"{self._root}/{box}/command", msgspec.json.encode(order),
            response_topic=f"{self._root}/{box}/result", correlation=order.id.encode(),
            expiry_s=EXPIRY_S)

    def _run(self) -> None:
        while not self._leaving.is_set():
            self._news.wait()
            self._news.clear()
            while self.turn() and not self._leaving.wait(EACH_S):
                pass


def concerned(
    database: Database, runs: str, plan: Plan, rollouts: Sequence[Rollout | None], now_text: str
) -> list[str]:
    """Online boxes whose wave has begun by any of these roll-outs, were it running: a box that
    is to stop must hear of that, too. `runs` is the path of the version in what a box reports."""
    now = moment_of(now_text)
    views = [rollout and msgspec.structs.replace(rollout, state="running") for rollout in rollouts]
    return [
        row["id"] for row in database.all(ONLINE, (runs,))
        if any(decide(plan, view, row["id"], row["release"] or "0", now).release is not None
               for view in views)
    ]


def share_now(plan: Plan, rollout: Rollout | None, now_text: str) -> int:
    """The permille of boxes whose wave has begun; 0 while it is held back or not begun."""
    if (rollout is None and plan.held) or (rollout is not None and rollout.state != "running"):
        return 0
    now = moment_of(now_text)
    paces = [(plan.pace, plan.at)] + ([(rollout.waves, rollout.at)] if rollout else [])
    return min(share_at(waves, moment_of(at), now) for waves, at in paces)
