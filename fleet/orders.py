"""Commands to a box: now or not at all (MQTT 5 expiry), with their answers kept."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from device.messages import Order
from fleet.mqtt import Outgoing
from fleet.store.boxes import Boxes
from fleet.store.journal import Journal, OrderLine
from ota.clock import Deadline, utc_now
from ota.errors import Refused, Retry

# A late volume change surprises a shop; a late reboot is still wanted.
EXPIRY_S = {"volume": 30, "say": 30, "identify": 30, "screenshot": 30, "wake": 30, "live": 10,
            "reboot": 600}
EXPIRY_OTHER_S = 120
ARGS_BYTES_MAX = 4096
# A signed permission inside a command: of no use to a reader of the audit.
SEALED = "envelope"
ANSWER_LOOK_S = 0.05


class Orders:
    """Sends commands and waits for answers."""

    def __init__(
        self, boxes: Boxes, journal: Journal, topic_root: str, send: Callable[[Outgoing], bool]
    ) -> None:
        self._boxes = boxes
        self._journal = journal
        self._root = topic_root
        self._send = send
        self._pause = threading.Event()

    def send(
        self, box: str, name: str, args: dict[str, Any], who: str, noted: bool = True
    ) -> str:
        """Send one command; returns its id. `noted` false: it changes nothing, no audit line.

        Raises Refused (no such box or command, arguments too large) or Retry (no broker now).
        """
        if self._boxes.get(box) is None:
            raise Refused(f"There is no box {box!r} in this chain; look at `vitrine fleet boxes`.")
        expiry_s = EXPIRY_S.get(name, EXPIRY_OTHER_S)
        now = utc_now()
        until = (now + timedelta(seconds=expiry_s)).isoformat(timespec="seconds")
        order_id = secrets.token_hex(8)
        try:
            order = msgspec.convert(
                {"id": order_id, "name": name, "args": args, "until": until}, Order
            )
        except msgspec.ValidationError as error:
            raise Refused(f"{name!r} is no command of a box ({error}).") from error
        payload = msgspec.json.encode(order)
        if len(payload) > ARGS_BYTES_MAX:
            raise Refused(f"The command is {len(payload)} bytes long; keep it below 4 KiB.")
        shown = {key: value for key, value in args.items() if key != SEALED}
        at = now.isoformat(timespec="milliseconds")
        line = OrderLine(order_id, box, name, shown, at, until, who, None, {}, "", False)
        self._journal.ordered(line)
        if noted:
            self._journal.note(who, f"command.{name}", box, now, {"id": order_id, **shown})
        sent = self._send(
            Outgoing(
                f"{self._root}/{box}/command",
                payload,
                response_topic=f"{self._root}/{box}/result",
                correlation=order_id.encode(),
                expiry_s=expiry_s,
            )
        )
        if not sent:
            raise Retry("The broker is not reachable now; the command was not sent. Try again.")
        return order_id

    def wait(self, order_id: str, seconds: float) -> OrderLine | None:
        """The command once it is answered, or as it stands after `seconds`."""
        deadline = Deadline(seconds)
        while True:
            line = self._journal.order(order_id)
            if line is None or line.ok is not None or deadline.passed:
                return line
            self._pause.wait(ANSWER_LOOK_S)
