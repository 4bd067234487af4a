"""Orders of the console: judged, carried out once, answered once. The judgement is pure.

Orders are not signed, so none of them can change what a screen shows: `say` names a line of the
verified programme, and free text travels only in the signed desired state (`override`). `live`
carries its own signed permission (`device.live.grant`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from device.messages import Answer, Json, Order
from device.sync.desired import instant
from device.sync.ledger import Ledger
from device.sync.mqtt import Arrived, Outgoing
from ota.clock import Deadline
from ota.errors import Refused

ORDER_BYTES_MAX = 8192
ID_CHARS_MAX = 80
PENDING_MAX = 16
ANSWER_WAIT_S = 20.0
ANSWER_BYTES_MAX = 120_000
FOR_PLAYER = ("screenshot", "say", "volume", "identify", "calibrate", "wake")
PROCESSES = ("player", "ear", "agent")
LINE_FIELDS = ("segment", "answer")


@dataclass(frozen=True)
class Caller:
    """Where an answer goes (MQTT 5 response topic and correlation data)."""

    topic: str
    correlation: bytes | None


@dataclass(frozen=True)
class Pending:
    """An order that somebody else carries out."""

    order: Order
    caller: Caller
    patience: Deadline


def judge(message: Arrived, now: datetime) -> Order:
    """Read one order. Raises Refused: too large, malformed, unknown, out of date, bad values."""
    if len(message.payload) > ORDER_BYTES_MAX:
        raise Refused("The order is larger than 8 KiB.")
    try:
        order = msgspec.json.decode(message.payload, type=Order)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"The order is malformed or unknown ({error}).") from error
    if not 0 < len(order.id) <= ID_CHARS_MAX:
        raise Refused("The order has no usable id.")
    if message.left_s is not None and message.left_s <= 0:
        raise Refused("The order came too late.")
    if order.until is not None and instant(order.until) <= now:
        raise Refused("The order came too late.")
    _check_args(order)
    return order


def _check_args(order: Order) -> None:
    args = order.args
    if order.name == "volume":
        volume = args.get("volume")
        if isinstance(volume, bool) or not isinstance(volume, int | float) or not 0 <= volume <= 1:
            raise Refused("The volume must be a number from 0 to 1.")
    if order.name == "say":
        named = [name for name in LINE_FIELDS if isinstance(args.get(name), str)]
        if len(named) != 1 or set(args) - {*LINE_FIELDS, "language"}:
            raise Refused(
                "`say` names one segment or answer of the programme; free text must be published "
                "as a signed override."
            )
    if order.name == "calibrate" and set(order.args) - {"seconds"}:
        raise Refused("`calibrate` takes `seconds`; the delay itself is a signed setting.")
    if order.name == "restart" and args.get("process", "player") not in PROCESSES:
        raise Refused(f"`restart` takes one of {', '.join(PROCESSES)}.")


class Orders:
    """Remembers what was answered and what is still being done. Used from one thread."""

    def __init__(self, topic_root: str, ledger: Ledger | None = None) -> None:
        self._root = topic_root
        self._ledger = ledger or Ledger()
        self._pending: dict[str, Pending] = {}

    def caller(self, message: Arrived) -> Caller:
        """Answers stay in our own branch, whatever the asker says."""
        topic = message.response_topic or ""
        inside = topic.startswith(self._root) and "+" not in topic and "#" not in topic
        return Caller(topic if inside else f"{self._root}result", message.correlation)

    def known(self, order: Order) -> Answer | None:
        """The answer that a repeated delivery gets again; nothing is done twice."""
        return self._ledger.known(order.id)

    def is_pending(self, order: Order) -> bool:
        """True while this order is being carried out."""
        return order.id in self._pending

    def begin(self, order: Order, caller: Caller, wait_s: float = ANSWER_WAIT_S) -> None:
        """Note an order that will be answered later. Raises Refused when too many are."""
        if len(self._pending) >= PENDING_MAX:
            raise Refused("Too many orders are being carried out; try again in a moment.")
        self._pending[order.id] = Pending(order, caller, Deadline(wait_s))

    def finish(self, order_id: str) -> Pending | None:
        """The order that is being answered; None when nobody waits for it any more."""
        return self._pending.pop(order_id, None)

    def overdue(self) -> list[Pending]:
        """Orders whose doer did not answer in time; they are forgotten here."""
        late = [item for item in self._pending.values() if item.patience.passed]
        for item in late:
            del self._pending[item.order.id]
        return late

    def accept(self, order: Order) -> None:
        """Before anything is done: a repeat is known from now on, even after a restart."""
        self._ledger.begin(order)

    def remember(self, answer: Answer) -> None:
        """Keep the newest answers for repeats."""
        self._ledger.end(answer)

    def message(self, answer: Answer, caller: Caller) -> Outgoing:
        """The answer as it goes to the broker; one that is too large says so instead."""
        body = msgspec.json.encode(answer)
        if len(body) > ANSWER_BYTES_MAX:
            short: Json = {"error": f"The answer is {len(body)} bytes long, too large to send."}
            body = msgspec.json.encode(Answer(id=answer.id, ok=False, result=short))
        return Outgoing(caller.topic, body, correlation=caller.correlation, expiry_s=600)
