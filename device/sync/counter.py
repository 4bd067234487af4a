"""The counter where orders are taken, carried out and answered. One thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec

from device.messages import Answer, Command, CommandDone, Json, Message, Order
from device.sync import commands
from device.sync.inbox import JobDone, Worker
from device.sync.ledger import Ledger
from device.sync.mqtt import Arrived, Outgoing
from device.sync.orders import LocalOrders
from ota.errors import Refused, VitrineError
from ota.floor import FloorClock

JOB_PREFIX = "order "
SELFTEST_WAIT_S = 120.0
LOG_LINES = 100


@dataclass(frozen=True)
class CounterParts:
    """What the counter needs: the way to the broker, to the bus, to the worker, to the relay."""

    topic_root: str
    worker: Worker
    local: LocalOrders
    clock: FloorClock
    send: Callable[[Outgoing], bool]
    say: Callable[[Message], None]
    reload: Callable[[], None]
    live: Callable[[Json], None]
    ledger: Ledger


class Counter:
    """`leaving` is true after an order to restart the agent."""

    def __init__(self, parts: CounterParts) -> None:
        self._parts = parts
        self._orders = commands.Orders(parts.topic_root, parts.ledger)
        self.refused = 0
        self.leaving = False

    def take(self, message: Arrived) -> None:
        """One order; it is answered now or later, and done once however often it comes."""
        caller = self._orders.caller(message)
        try:
            order = commands.judge(message, self._parts.clock.now())
        except Refused as error:
            self.refused += 1
            self._send(Answer(id=_id_of(message), ok=False, result={"error": str(error)}), caller)
            return
        known = self._orders.known(order)
        if known is not None:
            self._send(known, caller)
        elif not self._orders.is_pending(order):
            self._orders.accept(order)
            try:
                self._do(order, caller)
            except VitrineError as error:
                self._answer(order, caller, False, {"error": str(error)})

    def done(self, done: CommandDone) -> None:
        """Player or ear has carried out an order."""
        pending = self._orders.finish(done.id)
        if pending is None:
            return
        path = done.result.get("file")
        if done.ok and pending.order.name == "screenshot" and isinstance(path, str):
            try:
                job = partial(self._parts.local.picture, path)
                self._hand_over(pending.order, pending.caller, job)
            except Refused as error:
                self._answer(pending.order, pending.caller, False, {"error": str(error)})
            return
        self._answer(pending.order, pending.caller, done.ok, done.result)

    def job_done(self, job: JobDone) -> None:
        """The worker has carried out an order."""
        pending = self._orders.finish(job.name.removeprefix(JOB_PREFIX))
        if pending is None:
            return
        if job.error is not None:
            self._answer(pending.order, pending.caller, False, {"error": str(job.error)})
        else:
            result = job.result if isinstance(job.result, dict) else {}
            self._answer(pending.order, pending.caller, True, result)

    def turn(self) -> None:
        """Answer for those who did not answer in time."""
        for late in self._orders.overdue():
            error: Json = {"error": f"Nobody on the box answered `{late.order.name}` in time."}
            self._answer(late.order, late.caller, False, error)

    def _do(self, order: Order, caller: commands.Caller) -> None:
        local, args = self._parts.local, order.args
        if order.name == "restart" and args.get("process", "player") == "agent":
            self._answer(order, caller, True, {})
            self.leaving = True
        elif order.name in commands.FOR_PLAYER or order.name == "restart":
            self._orders.begin(order, caller)
            self._parts.say(Command(id=order.id, name=order.name, args=args))
        elif order.name == "reload":
            self._parts.reload()
            self._answer(order, caller, True, {})
        elif order.name == "live":
            self._parts.live(args)
            self._answer(order, caller, True, {})
        elif order.name == "logs":
            lines = args.get("lines", LOG_LINES)
            count = lines if isinstance(lines, int) else LOG_LINES
            job = partial(local.logs, str(args.get("process", "")), count)
            self._hand_over(order, caller, job)
        elif order.name == "selftest":
            self._hand_over(order, caller, local.selftest, SELFTEST_WAIT_S)
        elif order.name == "reboot":
            self._hand_over(order, caller, local.reboot)
        else:
            self._hand_over(order, caller, local.ota_check)

    def _hand_over(
        self, order: Order, caller: commands.Caller, job: Callable[[], Json],
        wait_s: float = commands.ANSWER_WAIT_S,
    ) -> None:
        self._orders.begin(order, caller, wait_s)
        if self._parts.worker.submit(f"{JOB_PREFIX}{order.id}", job) is None:
            self._orders.finish(order.id)
            raise Refused("Too much is being done at once; try again in a moment.")

    def _answer(self, order: Order, caller: commands.Caller, ok: bool, result: Json) -> None:
        answer = Answer(id=order.id, ok=ok, result=result)
        self._orders.remember(answer)
        self._send(answer, caller)

    def _send(self, answer: Answer, caller: commands.Caller) -> None:
        self._parts.send(self._orders.message(answer, caller))


def _id_of(message: Arrived) -> str:
    """The id of an order that may be malformed, so that its sender hears of it."""
    try:
        head = msgspec.json.decode(message.payload[: commands.ORDER_BYTES_MAX], type=Json)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return str(head.get("id", ""))[: commands.ID_CHARS_MAX]
